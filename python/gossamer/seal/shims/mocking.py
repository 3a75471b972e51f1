"""unittest.mock: the function with a checked signature that create_autospec makes, as a closure."""


def apply(module):
    def make_copy(source, context):
        """In the place of exec, for this module: `source` is always a def of the same two lines."""
        check, mock = context["_checksig_"], context["mock"]
        name = source.partition("(")[0].removeprefix("def ")

        def function(*args, **kwargs):
            check(*args, **kwargs)
            return mock(*args, **kwargs)

        function.__name__ = function.__qualname__ = name
        context[name] = function

    module.exec = make_copy
