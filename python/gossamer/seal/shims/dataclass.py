"""Dataclasses without text: __init__ is a renamed template, the other methods are closures over the fields' names.

dataclasses.py makes its methods in two ways: up to 3.12 a function each, from 3.13 on through a builder that
collects text. Both are replaced at the point where they are handed the fields; what is decided before (which
methods, in which order, which errors) stays the standard library's.
"""

from .support import make_function

_ORDER = {
    "__lt__": lambda a, b: a < b,
    "__le__": lambda a, b: a <= b,
    "__gt__": lambda a, b: a > b,
    "__ge__": lambda a, b: a >= b,
}


def _values(self, names):
    return tuple([getattr(self, name) for name in names])


# ---- __init__ ----


def _steps(module, fields, slots, index):
    """(name, place of its value or -1, factory or None, default, whether it is assigned) for each field with work to do."""
    missing = module.MISSING
    for f in fields:
        assigned = f._field_type is not module._FIELD_INITVAR
        if f.init:
            factory = None if f.default_factory is missing else f.default_factory
            yield f.name, index[f.name], factory, None, assigned
        elif f.default_factory is not missing:
            yield f.name, -1, f.default_factory, None, assigned
        elif slots and f.default is not missing:
            yield f.name, -1, None, f.default, assigned


def _filler(module, fields, frozen, has_post_init, slots, index):
    """call(self, values) that does what the body of __init__ does."""
    steps = [step for step in _steps(module, fields, slots, index) if step[4]]
    given = [f.name for f in fields if f._field_type is module._FIELD_INITVAR]
    from_class = {f.name: f.default for f in fields if f.name in given and not f.init and f.default is not module.MISSING}
    post_init, marker = module._POST_INIT_NAME, module._HAS_DEFAULT_FACTORY
    put = object.__setattr__ if frozen else setattr
    if not has_post_init and all(place >= 0 and factory is None for _, place, factory, _, _ in steps):
        plain = [(name, place) for name, place, _, _, _ in steps]

        def fill(self, values):
            for name, place in plain:
                put(self, name, values[place])

        return fill

    def fill(self, values):
        for name, place, factory, default, _ in steps:
            if place < 0:
                value = default if factory is None else factory()
            else:
                value = values[place]
                if factory is not None and value is marker:
                    value = factory()
            put(self, name, value)
        if has_post_init:
            getattr(self, post_init)(*[values[index[name]] if name in index else from_class[name] for name in given])

    return fill


def _default(module, f):
    return f.default if f.default is not module.MISSING else module._HAS_DEFAULT_FACTORY


def _make_init(module, fields, std_fields, kw_fields, frozen, has_post_init, self_name, namespace, slots):
    missing = module.MISSING
    seen = None
    for f in std_fields:
        if f.default is not missing or f.default_factory is not missing:
            seen = f
        elif seen:
            behind = f" {seen.name!r}" if hasattr(module, "_FuncBuilder") else ""
            raise TypeError(f"non-default argument {f.name!r} follows default argument{behind}")
    order = [*std_fields, *kw_fields]
    names = [f.name for f in order]
    has_default = {f.name for f in order if f.default is not missing or f.default_factory is not missing}
    fill = _filler(module, fields, frozen, has_post_init, slots, {name: i for i, name in enumerate(names)})
    function = make_function(
        "__init__",
        self_name,
        names,
        fill,
        namespace,
        [_default(module, f) for f in std_fields if f.name in has_default],
        len(kw_fields),
        {f.name: _default(module, f) for f in kw_fields if f.name in has_default},
    )
    function.__annotations__ = {**{f.name: f.type for f in order}, "return": None}
    return function


# ---- the other methods ----


def _make_repr(names):
    def __repr__(self):
        shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _make_compare(name, names):
    compare = _ORDER[name]

    def function(self, other):
        if other.__class__ is self.__class__:
            return compare(_values(self, names), _values(other, names))
        return NotImplemented

    function.__name__ = name
    return function


def _make_tuple_eq(names):
    def __eq__(self, other):
        if other.__class__ is self.__class__:
            return _values(self, names) == _values(other, names)
        return NotImplemented

    return __eq__


def _make_field_eq(names):
    def __eq__(self, other):
        if self is other:
            return True
        if other.__class__ is self.__class__:
            result = True
            for name in names:
                result = getattr(self, name) == getattr(other, name)
                if not result:
                    return result
            return result
        return NotImplemented

    return __eq__


def _make_hash(names):
    def __hash__(self):
        return hash(_values(self, names))

    return __hash__


def _make_frozen(module, cls, fields):
    names = {f.name for f in fields}
    error = module.FrozenInstanceError

    def __setattr__(self, name, value):
        if type(self) is cls or name in names:
            raise error(f"cannot assign to field {name!r}")
        super(cls, self).__setattr__(name, value)

    def __delattr__(self, name):
        if type(self) is cls or name in names:
            raise error(f"cannot delete field {name!r}")
        super(cls, self).__delattr__(name)

    return __setattr__, __delattr__


# ---- up to 3.12: a function each ----


def _named(function):
    function.__qualname__ = function.__name__
    return function


def _apply_functions(module):
    def _init_fn(fields, std_fields, kw_only_fields, frozen, has_post_init, self_name, globals, slots):
        return _make_init(module, fields, std_fields, kw_only_fields, frozen, has_post_init, self_name, globals, slots)

    def _cmp_fn(name, op, self_tuple, other_tuple, globals):
        return _named(_make_tuple_eq(self_tuple) if name == "__eq__" else _make_compare(name, self_tuple))

    def _frozen_get_del_attr(cls, fields, globals):
        return tuple(_named(function) for function in _make_frozen(module, cls, fields))

    module._init_fn = _init_fn
    module._cmp_fn = _cmp_fn
    module._frozen_get_del_attr = _frozen_get_del_attr
    module._tuple_str = lambda obj_name, fields: [f.name for f in fields]  # for _cmp_fn above
    module._repr_fn = lambda fields, globals: module._recursive_repr(_named(_make_repr([f.name for f in fields])))
    module._hash_fn = lambda fields, globals: _named(_make_hash([f.name for f in fields]))


# ---- from 3.13 on: a builder ----


def _fields_in(lines):
    """The names of the fields in text like "self.x==other.x and ...": the words behind "self."."""
    names = []
    for part in "\n".join(lines).split("self.")[1:]:
        size = 0
        while part[: size + 1].isidentifier() and size < len(part):
            size += 1
        if part[:size] != "__class__":
            names.append(part[:size])
    return names


class _Builder:
    """In the place of dataclasses._FuncBuilder: gets the same calls, keeps functions instead of text."""

    module = None

    def __init__(self, globals):
        self.globals = globals
        self.found = []

    def add(self, name, function, overwrite_error=False, unconditional=False):
        self.found.append((name, function, overwrite_error, unconditional))

    def add_fn(self, name, args, body, *, locals=None, return_type=None, overwrite_error=False, unconditional_add=False, decorator=None):
        if name == "__repr__":
            function = self.module.recursive_repr()(_make_repr(_fields_in(body)))
        elif name == "__eq__":
            function = _make_field_eq(_fields_in(body[3:4]))
        elif name == "__hash__":
            function = _make_hash(_fields_in(body))
        elif name in _ORDER:
            function = _make_compare(name, _fields_in(body[1:2]))
        else:
            raise NotImplementedError(f"dataclasses makes a method {name} that Gossamer does not know")
        self.add(name, function, overwrite_error, unconditional_add)

    def add_fns_to_class(self, cls):
        for name, function, overwrite_error, unconditional in self.found:
            function.__qualname__ = f"{cls.__qualname__}.{function.__name__}"
            if unconditional or name not in cls.__dict__:
                setattr(cls, name, function)
            elif overwrite_error:
                more = "" if overwrite_error is True else f" {overwrite_error}"
                raise TypeError(f"Cannot overwrite attribute {function.__name__} in class {cls.__name__}{more}")


def _apply_builder(module):
    class Builder(_Builder):
        pass

    def _init_fn(fields, std_fields, kw_only_fields, frozen, has_post_init, self_name, func_builder, slots):
        init = _make_init(
            module, fields, std_fields, kw_only_fields, frozen, has_post_init, self_name, func_builder.globals, slots
        )
        func_builder.add("__init__", init)

    def _frozen_get_del_attr(cls, fields, func_builder):
        for function in _make_frozen(module, cls, fields):
            func_builder.add(function.__name__, function, overwrite_error=True)

    Builder.module = module
    module._FuncBuilder = Builder
    module._init_fn = _init_fn
    module._frozen_get_del_attr = _frozen_get_del_attr


def apply(module):
    if hasattr(module, "_FuncBuilder"):
        _apply_builder(module)
    else:
        _apply_functions(module)
