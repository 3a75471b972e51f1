# Stackless finds the third one only at exit: there it is reachable from nowhere but its own stack.
# Our collector looks into that stack, so it is cleaned up before '3 still blocked'.
import stackless, gc
stackless.enable_softswitch(False)
def f(*retval):
    try: stackless.schedule_remove(*retval)
    finally: print("cleaned up")
t = stackless.tasklet(f)(None); t.run()
del t; print("1 dropped")
t = stackless.tasklet(f)(); t.run()
del t; print("2 dropped"); gc.collect(); print("2 collected")
c = stackless.channel()
def g():
    try: c.receive()
    finally: print("cleaned up at exit")
stackless.tasklet(g)().run(); del c; gc.collect(); print("3 still blocked")
