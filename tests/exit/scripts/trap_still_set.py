# out: end of main
"""The switch trap is on, so nobody can be killed by a switch; the process ends all the same."""
import stackless


def f():
    stackless.schedule_remove(None)


t = stackless.tasklet(f)()
t.run()
stackless.switch_trap(1)
print("end of main", flush=True)
