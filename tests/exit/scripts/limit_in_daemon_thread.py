# out: running
# quiet
"""A daemon thread pumps a tasklet that never yields while the interpreter goes down around it."""
import threading

import gossamer

going = threading.Event()


def hog():
    while True:
        pass


def pump():
    t = gossamer.spawn(hog)
    try:
        while True:
            gossamer.run(quantum_us=300)
            t.insert()
            going.set()
    except RuntimeError as error:
        assert "interpreter exits" in str(error)


threading.Thread(target=pump, daemon=True).start()
going.wait()
print("running")
