# exit: 1
# out: TaskletExit
# err: KeyError: 'main'
"""An uncaught error of main with a tasklet suspended in its frame's locals."""
import stackless


def f():
    try:
        stackless.schedule_remove(None)
    except BaseException as e:
        print(type(e).__name__, flush=True)
        raise


def main():
    t = stackless.tasklet(f)()
    t.run()
    raise KeyError("main")


main()
