"""A signal whose C handler runs on another thread did not end the sleep of the main thread, nor did one that came in
the moment between its last look and its sleep: the Python handler ran when somebody woke it for another reason."""

import os
import signal
import subprocess
import sys
import textwrap


def run(code):
    code = textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


HEAD = """
    import os, signal, sys, threading, time
    import gossamer

    go, never = threading.Event(), gossamer.channel()

    class Heard(Exception):
        pass

    def handler(number, frame):
        raise Heard

    def other():
        gossamer.getcurrent()
        go.wait()
        time.sleep(DELAY)
        os.kill(os.getpid(), signal.SIGUSR1)  # to the process: this thread takes it
        threading.Event().wait()

    threading.Thread(target=other, daemon=True).start()
    signal.signal(signal.SIGUSR1, handler)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
"""

BODY = """
    go.set()
    try:
        never.receive()
    except Heard:
        print("heard")
    print(signal.set_wakeup_fd(-1))
"""


def test_while_it_sleeps_for_long():
    done = run(HEAD.replace("DELAY", "0.1") + BODY)
    assert done.stdout == "heard\n-1\n", done


def test_at_once():
    done = run(HEAD.replace("DELAY", "0") + BODY)
    assert done.stdout == "heard\n-1\n", done


def test_the_programs_own_descriptor_gets_its_byte():
    own = """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    go.set()
    try:
        never.receive()
    except Heard:
        print(os.read(reader, 10) == bytes([signal.SIGUSR1]), signal.set_wakeup_fd(-1) == writer)
    """
    done = run(HEAD.replace("DELAY", "0.1") + own)
    assert done.stdout == "True True\n", done


def test_a_child_of_fork_has_descriptors_of_its_own():
    fork = """
    go.set()
    try:
        never.receive()  # it has opened them
    except Heard:
        pass
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            gossamer.sleep(50)
        except Heard:
            os._exit(0)
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    done = run(HEAD.replace("DELAY", "0.1") + fork)
    assert done.stdout == "0\n", done


WAITER = """
    import gossamer.net.socket as socket
    here, there = socket.socketpair()
    gossamer.spawn(here.recv, 1)
"""


def test_while_tasklets_wait_for_descriptors():
    """It sleeps in their poller then."""
    done = run(HEAD.replace("DELAY", "0.1") + WAITER + BODY)
    assert done.stdout == "heard\n-1\n", done


def test_the_descriptor_is_heard_in_that_sleep():
    send = """
    def later():
        time.sleep(0.1)
        os.write(there.fileno(), b"x")

    threading.Thread(target=later).start()
    got = gossamer.spawn(lambda: here.recv(1))
    gossamer.run()
    print(got.join())
    """
    done = run(HEAD.replace("DELAY", "50") + WAITER.replace("    gossamer.spawn(here.recv, 1)\n", "") + send)
    assert done.stdout == "b'x'\n", done
