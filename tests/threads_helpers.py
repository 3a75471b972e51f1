"""A thread with tasklets of its own, for the tests: it does what it is told, and sleeps for other threads between."""
import contextvars
import threading
import time

import gossamer
import stackless

PATIENCE = 60  # seconds: against hanging only


def until(condition):
    """Wait for what another thread is about to do."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it has not come to pass"
        time.sleep(0.0005)


class Other:
    """A thread whose main tasklet waits on `inbox`: other.call(f, *args) runs f there and returns its result.

    As a context manager; the thread ends with the block.
    """

    def __init__(self, daemon=True):
        self.inbox, self.outbox = stackless.channel(), stackless.channel()
        self.error = None
        self.thread = threading.Thread(target=self._body, daemon=daemon)
        self.thread.start()
        self.id = self.call(threading.get_ident)
        self.main = self.call(stackless.getmain)

    def _body(self):
        try:
            while True:
                job = self.inbox.receive()
                if job is None:
                    return
                func, args = job
                try:
                    answer = True, func(*args)
                except Exception as error:
                    answer = False, error
                job = func = args = None
                self.outbox.send(answer)
                answer = None
        except BaseException as error:
            self.error = error

    def call(self, func, *args):
        self.inbox.send((func, args), timeout=PATIENCE)
        good, value = self.outbox.receive(timeout=PATIENCE)
        if not good:
            raise value
        return value

    def asleep(self):
        """Its main tasklet waits for the next call, and nobody else of it can run."""
        return self.main.blocked and stackless.get_thread_info(self.id)[2] == 0

    def stop(self):
        if self.thread.is_alive() and self.main.alive:
            self.inbox.send(None, timeout=PATIENCE)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()


def in_thread(func, *args):
    """Run func on a thread of its own that may use tasklets; returns its result when the thread has ended."""
    box = []

    def body():
        try:
            box.append((True, func(*args)))
        except BaseException as error:
            box.append((False, error))

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "the thread hangs\n" + gossamer.format_tasklets()
    good, value = box[0]
    if not good:
        raise value
    return value


class Victim:
    """A tasklet of the other thread, in a given state, and what becomes of it."""

    def __init__(self, other, state):
        self.other, self.log, self.channel = other, [], stackless.channel()
        self.hold, self.held = threading.Event(), threading.Event()
        self.tasklet = getattr(self, state)()
        assert self.tasklet.thread_id == other.id

    def body(self, wait):
        try:
            self.log.append((wait(), threading.get_ident() == self.other.id))
        except (ValueError, TypeError) as error:
            self.log.append((type(error), *error.args, threading.get_ident() == self.other.id))
        except gossamer.TaskletExit:
            self.log.append("killed")
            raise

    def new(self):
        return self.other.call(lambda: stackless.tasklet(self.log.append).bind(None, ("ran",)))

    def started(self, wait):
        def start():
            t = stackless.tasklet(self.body)(wait)
            t.set_context(contextvars.copy_context())  # from 3.14 on, that of its thread has been entered
            t.run()
            return t
        return self.other.call(start)

    def paused(self):
        return self.started(lambda: stackless.schedule_remove("woken"))

    def runnable(self):
        """In the ring of a thread that waits in C, so that it is there as long as we like."""
        t = self.other.call(lambda: stackless.tasklet(self.body)(lambda: "ran").remove())
        self.occupy()
        t.insert()
        return t

    def blocked(self):
        return self.started(self.channel.receive)

    def selecting(self):
        return self.started(lambda: gossamer.select([self.channel, stackless.channel()]))

    def sleeping(self):
        return self.started(lambda: gossamer.sleep(1000))

    def running(self):
        """Holds its thread in C."""
        def wait():
            self.held.set()
            assert self.hold.wait(PATIENCE)
            return stackless.schedule("scheduled")
        t = self.other.call(lambda: stackless.tasklet(self.body)(wait))
        assert self.held.wait(PATIENCE)
        return t

    def occupy(self):
        def wait():
            self.held.set()
            assert self.hold.wait(PATIENCE)
        self.other.inbox.send((wait, ()))
        assert self.held.wait(PATIENCE)
        self.occupied = True

    occupied = False

    def settle(self):
        """Let its thread go on until it sleeps again."""
        self.hold.set()
        if self.occupied:
            self.other.outbox.receive()
        until(self.other.asleep)
        return self.log
