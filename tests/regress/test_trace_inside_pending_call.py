"""In 3.11 an interruption is a trace function. One that was installed while a pending call ran Python code, with more pending calls
in the queue, kept CPython from ever beginning the next function: it looks at the queue before the call event, finds it not empty
and itself busy with it, and looks again."""
from helpers import python


def test_pending_calls_that_call_functions():
    done = python("""
        import ctypes, gossamer, threading

        def work(depth):
            return work(depth - 1) if depth else 0

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
        def call(_):
            for _ in range(50):
                work(5)
            made.append(1)
            return 0

        def hog():
            while not stop:
                pass

        def send():
            while len(made) < 1000:
                ctypes.pythonapi.Py_AddPendingCall(call, None)
            stop.append(1)

        made, stop = [], []
        for _ in range(2):
            gossamer.spawn(hog)
        gossamer.set_preemption(50)
        th = threading.Thread(target=send)
        th.start()
        gossamer.run()
        th.join()
        print("done")
        """, timeout=60)
    assert done.stdout == "done\n"
