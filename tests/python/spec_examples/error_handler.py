import stackless
def handler(tp, val, tb):
    print("handler:", tp.__name__, val, stackless.current is t, t.alive)
def bad(): raise KeyError(1)
old = stackless.set_error_handler(handler)
t = stackless.tasklet(bad)(); stackless.tasklet(print)("next one")
print(stackless.run(), t.alive, old, stackless.set_error_handler() is handler)
