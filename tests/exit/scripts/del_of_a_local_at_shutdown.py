# out: end of main
# out: del
# quiet
"""The locals of a suspended tasklet are destroyed when it is killed."""
import stackless


class D:
    def __del__(self, print=print):
        print("del", flush=True)


def f():
    d = D()
    stackless.schedule_remove(None)
    return d


t = stackless.tasklet(f)()
t.run()
print("end of main", flush=True)
