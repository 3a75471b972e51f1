"""multiprocessing.sharedctypes: properties of shared structures, as closures."""


def _make(name):
    def get(self):
        self.acquire()
        try:
            return getattr(self._obj, name)
        finally:
            self.release()

    def put(self, value):
        self.acquire()
        try:
            setattr(self._obj, name, value)
        finally:
            self.release()

    get.__name__, put.__name__ = "get" + name, "set" + name
    return property(get, put)


def apply(module):
    def make_property(name):
        try:
            return module.prop_cache[name]
        except KeyError:
            return module.prop_cache.setdefault(name, _make(name))

    module.make_property = make_property
