# out: finally
# quiet
"""Turns by force are still on, and a tasklet that never yields is suspended somewhere."""
import gossamer


def hog():
    try:
        while True:
            pass
    finally:
        print("finally")


t = gossamer.spawn(hog)
gossamer.set_preemption(500)
gossamer.on_stall(1, lambda *stall: None, dump=False)
gossamer.sleep(0.02)
t.remove()
gossamer.on_stall(None)
