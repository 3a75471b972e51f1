# exit: 1
# err: ModuleNotFoundError
"""A failing import inside a tasklet, with main waiting in a channel."""
import stackless


def f():
    import there_is_no_such_module  # noqa: F401


stackless.tasklet(f)()
stackless.channel().receive()
