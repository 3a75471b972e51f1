# out: end of main
# out: woken by TaskletExit
# quiet
"""Sleepers do not hold the process up."""
import gossamer


def f():
    try:
        gossamer.sleep(3600)
    except gossamer.TaskletExit:
        print("woken by TaskletExit", flush=True)
        raise


gossamer.spawn(f)
gossamer.schedule()
print("end of main", flush=True)
