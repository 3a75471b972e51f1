import stackless, contextlib
@contextlib.contextmanager
def no_switch():
    stackless.switch_trap(1)
    try: yield
    finally: stackless.switch_trap(-1)
c = stackless.channel(); c.preference = 1
def r(): print("got", c.receive())
stackless.tasklet(r)().run()
with no_switch():
    c.send(1)                                   # sender preferred: no switch, fine
    c.preference = -1
    try: stackless.schedule()
    except RuntimeError as e: print(e)
stackless.run()
