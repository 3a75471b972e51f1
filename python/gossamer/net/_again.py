"""A second copy of a module of the standard library, whose imports find other modules."""

import importlib.util
import sys
import threading

_lock = threading.Lock()


def again(name, **replacements):
    """Execute module `name` anew; while it does, `import x` for an x in replacements finds what is given here."""
    spec = importlib.util.find_spec(name)
    module = importlib.util.module_from_spec(spec)
    with _lock:  # others that import meanwhile would find the replacements as well: they are complete modules
        saved = {key: sys.modules.get(key) for key in replacements}
        sys.modules.update(replacements)
        try:
            spec.loader.exec_module(module)
        finally:
            for key, value in saved.items():
                if value is None:
                    del sys.modules[key]
                else:
                    sys.modules[key] = value
    return module
