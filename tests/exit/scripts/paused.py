# out: end of main
# out: TaskletExit
# quiet
"""The same for a paused one that a global keeps alive."""
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    except BaseException as e:
        print(type(e).__name__, flush=True)
        raise


t = stackless.tasklet(f)()
stackless.run()
print("end of main", flush=True)
