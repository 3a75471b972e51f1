"""Main loops, which pump the event queue and run the tasklets. Real time and real threads are used, whatever is patched."""

import sys
import threading as _threading
import time as _time
import traceback
from collections.abc import Callable
from typing import Any

import gossamer
import stackless

from .app import sleep
from .events import EventQueue

__all__ = ["AsyncoreMainLoop", "MainLoop", "PollingWait", "event_queue", "mainloop", "mainloopClass", "set_mainloop", "sleep"]

_real_sleep = _time.sleep
_NO_LIMIT = 3600 * 10**6  # microseconds


class _Queue(EventQueue):
    def cancel_sleep(self) -> None:
        mainloop.interrupt_wait()


event_queue: EventQueue = _Queue()


class MainLoop:
    """Waits until there is something to do, pumps, runs the tasklets, and again."""

    max_wait_time = 0.01  # seconds

    def __init__(self) -> None:
        self.running = True
        self.event_queue = event_queue
        self.pumps: list[Callable[[], object]] = []
        self._interrupt = _threading.Event()
        self.sockets = False  # tasklets may wait for sockets: set by monkeypatch.patch_socket

    # -- pumps --

    def add_pump(self, pump: Callable[[], object]) -> None:
        """Call the function at each pump. Adding it twice has no effect."""
        if pump not in self.pumps:
            self.pumps.append(pump)

    def remove_pump(self, pump: Callable[[], object]) -> None:
        """Call it no longer. Nothing if it is not there."""
        if pump in self.pumps:
            self.pumps.remove(pump)

    def pump_pumps(self) -> None:
        """Call all of them, in the order in which they were added."""
        for pump in list(self.pumps):
            pump()

    def pump(self, run_for: float = 0) -> None:
        """Call the pumps, and the events that are due."""
        self.pump_pumps()
        self.event_queue.pump()

    # -- waiting --

    def get_wait_time(self, time: float) -> float:
        """For how many seconds there is nothing to do; `time` is the time now, for those who override this."""
        if stackless.getruncount() > 1:
            return 0.0
        due = self.event_queue.due_delay()
        return self.max_wait_time if due is None else min(self.max_wait_time, due)

    def adjust_wait_times(self, delta: float) -> None:
        """Shift all events by so many seconds, for instance after the program was stopped for a while."""
        self.event_queue.reschedule(delta)

    def interruptable_wait(self, delay: float) -> None:
        """Wait for so many seconds, or until interrupt_wait()."""
        if self.sockets:  # the scheduler waits, and runs those whose sockets become ready
            if not self._interrupt.is_set():
                gossamer.sleep(delay)
        else:
            self._interrupt.wait(delay)
        self._interrupt.clear()

    def interrupt_wait(self) -> None:
        """End the wait, or the next one. On any thread."""
        self._interrupt.set()

    def raw_sleep(self, delay: float) -> None:
        """Sleep with the whole thread."""
        _real_sleep(delay)

    def wait(self) -> None:
        """Wait while there is nothing to do."""
        delay = self.get_wait_time(self.event_queue.time())
        if delay > 0:
            self.interruptable_wait(delay)

    # -- running --

    def run_tasklets(self, run_for: int = 0) -> Any:
        """stackless.run(), with its errors in handle_error()."""
        try:
            if self.sockets and not run_for:
                return gossamer.run(budget_us=_NO_LIMIT)  # which waits for no socket
            return stackless.run(run_for)
        except Exception:
            self.handle_error(sys.exc_info())

    def handle_error(self, exc_info: Any) -> None:
        """A tasklet has failed: prints the traceback. May be overridden."""
        traceback.print_exception(*exc_info)

    def loop(self) -> None:
        """Wait, pump and run the tasklets, once."""
        self.wait()
        self.pump()
        self.run_tasklets()

    def run(self) -> None:
        """loop() until stop()."""
        while self.running:
            self.loop()

    def stop(self) -> None:
        """run() is to return at the end of this turn."""
        self.running = False


class PollingWait:
    """Mix-in for loops that wait in something which cannot be interrupted: waits in slices of 10 ms."""

    slice_time = 0.01
    break_wait = False
    event_queue: EventQueue

    def raw_wait(self, delay: float) -> None:
        """Wait for so many seconds."""
        _real_sleep(delay)

    def interruptable_wait(self, delay: float) -> None:
        """Wait for so many seconds, or until interrupt_wait()."""
        end = self.event_queue.time() + delay
        try:
            while not self.break_wait:
                left = end - self.event_queue.time()
                self.raw_wait(max(0.0, min(left, self.slice_time)))
                if left <= self.slice_time:
                    break
        finally:
            self.break_wait = False

    def interrupt_wait(self) -> None:
        """End the wait, if there is anything to do. On any thread."""
        if self.event_queue.is_due or stackless.getruncount() > 1:
            self.break_wait = True


class AsyncoreMainLoop(PollingWait, MainLoop):
    """Polls asyncore while it waits. Python has no asyncore from 3.12 on; it is imported when there is a socket to poll."""

    def raw_wait(self, delay: float) -> None:
        asyncore = sys.modules.get("asyncore")
        if asyncore is not None and asyncore.socket_map:
            asyncore.poll(delay)
        else:
            self.raw_sleep(delay)


mainloopClass = MainLoop
mainloop: MainLoop = mainloopClass()


def set_mainloop(loop: MainLoop) -> None:
    """Make it the one that stacklesslib wakes and that `magic` runs."""
    global mainloop
    mainloop = loop
