# out: end of main
# err: KeyError
"""An error of a tasklet in a second thread ends that thread only."""
import threading

import stackless


def bad():
    raise KeyError("in the thread")


def work():
    stackless.tasklet(bad)()
    stackless.run()


th = threading.Thread(target=work)
th.start()
th.join()
print("end of main", flush=True)
