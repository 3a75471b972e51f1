# out: no
# out: end of main
# out: no
"""One that refuses to die on a segment is given up, with what it has."""
import gossamer
import stackless

gossamer.set_spill(0)


def refuse(n):
    if n:
        sorted((n - 1,), key=refuse)
    else:
        while True:
            print("no", flush=True)
            try:
                stackless.schedule_remove(None)
            except stackless.TaskletExit:
                pass
    return 0


keep = gossamer.spawn(refuse, 5)
gossamer.run()
print("end of main", flush=True)
