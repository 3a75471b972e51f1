# out: the end of main
# out: cleaned up True
# quiet
"""The main tasklet stays atomic; so does one that is suspended."""
import threading

import gossamer


def suspended():
    with gossamer.atomic():
        try:
            gossamer.schedule_remove(None)
        finally:
            print("cleaned up", gossamer.current.atomic)


def hot():
    while True:
        pass


threading.Thread(target=hot, daemon=True).start()
t = gossamer.tasklet(suspended)()
gossamer.run()
gossamer.current.set_atomic(True)
print("the end of main")
