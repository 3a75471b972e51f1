"""gossamer.monkey: each in a process of its own, since what is patched is patched for all."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

import gossamer.monkey

ROOT = pathlib.Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "monkey.md"


def run(code, *arguments, patch="import gossamer, gossamer.monkey\nreport = gossamer.monkey.patch()\n", status=0, **more):
    # On PYTHONPATH, if any, lies the package that is being tested.
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", patch + textwrap.dedent(code), *arguments],
                          capture_output=True, text=True, timeout=30, **more)  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done


# A tasklet that counts while others wait: whoever blocks the thread stops it.
TICKS = """
    def tick():
        global ticks
        while True:
            ticks += 1
            gossamer.sleep(0.001)

    ticks = 0
    ticker = gossamer.spawn(tick)

    def ticked():
        global ticks
        assert ticks  # its timer was due before what was waited for
        ticks = 0
"""


def test_the_page_is_the_table():
    done = run("print(*report.patched, sep='\\n')")
    patched = set(done.stdout.split("\n")) - {""}
    table = PAGE.read_text().split("## What is patched")[1].split("## What is not")[0]
    documented = set()
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        versions = re.match(r"([\d., ]+):", cells[1]) if len(cells) == 3 else None
        if len(cells) != 3 or versions and "%d.%d" % sys.version_info[:2] not in re.findall(r"[\d.]+", versions[1]):
            continue
        documented |= set(re.findall(r"`([\w.]+)`", cells[1]))
        if cells[1].startswith("handlers"):
            documented.add(cells[1])
    documented = {f"signal.{name}" if name.startswith("handlers") else name for name in documented} - {"Name"}
    patched = {f"signal.{name}" if name.startswith("handlers") else name for name in patched}
    assert documented == patched
    assert [part for part in gossamer.monkey.PARTS if f"| `{part}` |" not in table] == []


def test_nothing_is_patched_by_an_import():
    run("""
        import time, socket, gossamer, gossamer.monkey, gossamer.net.socket
        assert time.sleep is not gossamer.sleep and socket.socket is not gossamer.net.socket.socket
        assert not any(gossamer.monkey.is_patched(part) for part in gossamer.monkey.PARTS)
    """, patch="")


def test_unpatch_puts_everything_back():
    run("""
        import _thread, os, queue, select, selectors, signal, socket, ssl, subprocess, sys, threading, time
        import gossamer.monkey
        signal.signal(signal.SIGUSR1, print)
        modules = [_thread, os, queue, select, selectors, signal, socket, ssl, subprocess, threading, time,
                   selectors.PollSelector, selectors.EpollSelector, selectors.SelectSelector, ssl.SSLContext]
        before = [dict(vars(module)) for module in modules]
        for _ in range(3):
            report = gossamer.monkey.patch()
            assert len(report.patched) > 50 and all(map(gossamer.monkey.is_patched, gossamer.monkey.PARTS))
            assert time.sleep is gossamer.sleep
            assert type(signal.getsignal(signal.SIGUSR1)) is type(print)
            assert not gossamer.monkey.patch().patched  # once is enough
            thread = threading.Thread(target=time.sleep, args=(0.001,))
            thread.start(), thread.join()
            assert gossamer.monkey.unpatch() == []
            assert signal.getsignal(signal.SIGUSR1) is print
        for module, names in zip(modules, before):
            now = vars(module)
            assert {name for name in names if now.get(name) is not names[name]} <= {"__warningregistry__", "_counter"}, module
            assert not set(now) - set(names), module
    """, patch="")


def test_some_parts():
    run("""
        import time, socket, gossamer, gossamer.monkey
        old = socket.socket
        report = gossamer.monkey.patch("time")
        assert report.patched == ["time.sleep"] and socket.socket is old
        assert gossamer.monkey.is_patched("time") and not gossamer.monkey.is_patched("socket")
        gossamer.monkey.patch()
        assert socket.socket is not old
    """, patch="")


def test_who_had_imported_a_name_is_reported(tmp_path):
    (tmp_path / "early.py").write_text("from time import sleep as nap\nfrom threading import Condition, Lock\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    run("""
        import early, ssl, time, gossamer, gossamer.monkey
        real = early.nap
        report = gossamer.monkey.patch()
        assert not report
        assert sorted((m.module, m.attribute, m.original, m.part) for m in report.missed if m.module == "early") == [
            ("early", "Lock", "threading.Lock", "threading"), ("early", "nap", "time.sleep", "time")], report.missed
        assert "early.nap (from time.sleep)" in str(report) and "3 missed" in repr(report)  # and __main__.real
        assert early.nap is real
        assert ssl.create_connection.__module__ == "gossamer.net.socket"  # the standard library itself is served
        assert "ssl.create_connection (from socket.create_connection)" in map(str, report.rebound)
        gossamer.monkey.unpatch()
        assert ssl.create_connection.__module__ == "socket"
        report = gossamer.monkey.patch(rebind=True)
        assert report and early.nap is gossamer.sleep and real is gossamer.sleep
        gossamer.monkey.unpatch()
        assert early.nap is real is not gossamer.sleep
    """, patch="", env=env)


def test_what_somebody_else_has_changed_stays():
    run("""
        import time
        time.sleep = mine = lambda seconds: None
        assert gossamer.monkey.unpatch() == ["time.sleep"]
        assert time.sleep is mine
    """)


def test_misuse():
    run("""
        import pytest, threading, time
        from gossamer import monkey
        for call in (monkey.patch, monkey.is_patched):
            with pytest.raises(ValueError, match="unknown part 'sockets'; there is: time, select"):
                call("sockets")
        with pytest.raises(ValueError, match="threads must be 'tasklets' or 'real', not 'both'"):
            monkey.patch(threads="both")
        for call in (monkey.patch, monkey.unpatch):
            with pytest.raises(RuntimeError, match=r"must be called by the main tasklet of the main thread"):
                gossamer.spawn(call).join()
            with pytest.raises(RuntimeError, match=r"must be called by the main tasklet of the main thread"):
                gossamer.pool.call_async(call)
        thread = threading.Thread(target=time.sleep, args=(0.01,), name="sleepy")
        thread.start()
        with pytest.raises(RuntimeError, match=r"1 threads that are tasklets have not ended yet \\(sleepy\\); join them first"):
            monkey.unpatch()
        assert monkey.is_patched("time")
        thread.join()
        monkey.unpatch()
    """, patch="import gossamer, gossamer.pool, gossamer.monkey\nreport = gossamer.monkey.patch()\n")


def test_a_change_that_fails_leaves_nothing_behind():
    run("""
        import time, socket, pytest, gossamer.monkey
        from gossamer.monkey import _socket
        from gossamer.monkey._change import Change

        class Stubborn:
            __slots__ = ()
            __name__ = "stubborn"

        class Fails(Change):
            def make(self):
                raise AttributeError("no")

        usual = _socket.changes
        _socket.changes = lambda: usual() + [Fails("socket", socket, "socket", None)]
        before = dict(vars(socket)), time.sleep
        with pytest.raises(AttributeError):
            gossamer.monkey.patch()
        assert (dict(vars(socket)), time.sleep) == before
        assert not gossamer.monkey.is_patched("time")
    """, patch="")


# ---- threads ----


def test_threads_are_tasklets():
    run(TICKS + """
    import threading, time, queue, gossamer

    order = []
    gate = threading.Event()

    class Worker(threading.Thread):
        def run(self):
            assert threading.current_thread() is self and self.ident == threading.get_ident()
            assert self.is_alive() and self in threading.enumerate()
            gate.wait()
            order.append(self.name)

    main = threading.current_thread()
    assert main is threading.main_thread() and main.ident == threading.get_ident()
    workers = [Worker(name=f"w{i}") for i in range(50)]
    for worker in workers:
        worker.start()
    assert len(gossamer.tasklets()) == 52 and threading.active_count() == 51
    workers[0].join(0.0001)
    assert workers[0].is_alive()
    time.sleep(0.02)
    gate.set()
    for worker in workers:
        worker.join()
        assert not worker.is_alive()
    ticked()
    assert order == [f"w{i}" for i in range(50)]
    for wrong in (workers[0].start, threading.Thread().join, main.join):
        try:
            wrong()
        except RuntimeError as error:
            print(error)
        else:
            raise AssertionError(wrong)
    ticker.kill()
    assert threading.active_count() == 1
    """)


def test_errors_and_exits_of_threads():
    done = run("""
        import sys, threading, _thread
        def fails(): raise KeyError("shown")
        def leaves(): sys.exit(3)
        for target in (fails, leaves):
            thread = threading.Thread(target=target)
            thread.start(), thread.join()
        _thread.start_new_thread(fails, ())
        gossamer.run()
        seen = []
        threading.excepthook = seen.append
        thread = threading.Thread(target=fails, name="named")
        thread.start(), thread.join()
        assert seen[0].exc_type is KeyError and seen[0].thread is thread
        for bad in ((1, ()), (print, []), (print, (), 1)):
            try:
                _thread.start_new_thread(*bad)
            except TypeError:
                continue
            raise AssertionError(bad)
    """)
    assert done.stderr.count("KeyError: 'shown'") == 2 and "SystemExit" not in done.stderr


def test_the_end_of_the_program_waits_for_threads_that_are_no_daemons():
    done = run("""
        import threading, time
        def late(text):
            time.sleep(0.05)
            print(text)
        threading.Thread(target=late, args=("waited for",)).start()
        def never():
            time.sleep(1000)
            print("not this")
        threading.Thread(target=never, daemon=True).start()
    """)
    assert done.stdout == "waited for\n"


def test_real_threads_if_wanted():
    run("""
        import threading, time, gossamer, gossamer.monkey
        gossamer.monkey.patch(threads="real")
        idents = []
        thread = threading.Thread(target=lambda: idents.append((threading.get_native_id(), time.sleep(0.001))))
        thread.start()
        lock = threading.Lock()
        thread.join()
        assert idents[0][0] != threading.get_native_id() and len(gossamer.tasklets()) == 1
    """, patch="")


def test_other_threads_start_real_ones():
    run("""
        import threading
        from gossamer import pool
        def work():
            found = []
            thread = threading.Thread(target=lambda: found.append(threading.get_native_id()))
            thread.start(), thread.join()
            assert not thread.is_alive()
            return found[0], threading.get_native_id()
        new, mine = pool.call_async(work)
        assert len({new, mine, threading.get_native_id()}) == 3
    """)


def test_thread_pools_timers_and_locals():
    run(TICKS + """
    import threading, time
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(lambda n: (time.sleep(0.01), n)[1], range(40))) == list(range(40))
        ticked()
    fired = threading.Event()
    threading.Timer(0.01, fired.set).start()
    assert fired.wait(60)
    stopped = threading.Timer(1000, fired.clear)
    stopped.start(), stopped.cancel(), stopped.join()

    store = threading.local()
    store.value = "main"
    def other():
        assert not hasattr(store, "value")
        store.value = "other"
        time.sleep(0.001)
        assert store.value == "other"
    threads = [threading.Thread(target=other) for _ in range(5)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert store.value == "main"
    ticker.kill()
    """)


def test_threads_have_contexts_of_their_own():
    run("""
        import contextvars, threading, time
        variable = contextvars.ContextVar("variable", default="none")
        variable.set("main")
        seen = []
        def work(n):
            seen.append(variable.get())
            variable.set(n)
            time.sleep(0.001)
            assert variable.get() == n
        threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
        [thread.start() for thread in threads], [thread.join() for thread in threads]
        assert seen == ["none"] * 10 and variable.get() == "main"
    """)


def test_current_thread_in_a_tasklet_that_is_no_thread():
    run("""
        import gc, logging, threading
        found = []
        def who():
            me = threading.current_thread()
            assert me is threading.current_thread() and me.is_alive() and me.daemon
            assert me.name == "named" and me.ident == threading.get_ident() and "named" in repr(me)
            logging.warning("from a tasklet")
            found.append(me)
        tasklet = gossamer.spawn(who, name="named")
        tasklet.join()
        found[0].join()
        assert not found[0].is_alive() and threading.active_count() == 1
    """)


def test_locks_made_of_classes_that_were_imported_before(tmp_path):
    run("""
        from threading import Condition, Event
        from queue import Queue
        import gossamer, gossamer.monkey
        assert gossamer.monkey.patch()
        assert Condition.__module__ == "threading"
        queue, event = Queue(1), Event()
        def other():
            queue.put(1), queue.put(2)
            event.set()
        gossamer.spawn(other)
        assert queue.get() == 1 and queue.get() == 2 and event.wait(60)
    """, patch="")


def test_imports_wait_for_each_other_by_tasklet(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.02)\nvalue = 1\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    run("""
        def load():
            import slow
            return slow.value
        assert gossamer.joinall([gossamer.spawn(load) for _ in range(20)]) == [1] * 20
    """, env=env)


# ---- the other parts ----


def test_sleep_queues_select_and_pipes_let_others_run():
    run(TICKS + """
    import os, queue, select, selectors, threading, time

    time.sleep(0.02), ticked()
    simple = queue.SimpleQueue()
    threading.Timer(0.02, simple.put, ("item",)).start()
    assert simple.get() == "item"
    ticked()

    r, w = os.pipe()
    threading.Timer(0.02, os.write, (w, b"x")).start()
    assert select.select([r], [], []) == ([r], [], [])
    ticked()
    assert os.read(r, 10) == b"x"
    threading.Timer(0.02, os.write, (w, b"y")).start()
    with selectors.DefaultSelector() as selector:
        selector.register(r, selectors.EVENT_READ)
        assert selector.select()[0][0].fd == r
        ticked()
    assert os.read(r, 1) == b"y"

    sent = os.urandom(300_000)  # more than a pipe takes
    writer = threading.Thread(target=lambda: (time.sleep(0.02), os.write(w, sent), os.close(w)))
    writer.start()
    got = b""
    while data := os.read(r, 5000):
        got += data
    assert got == sent
    ticked()
    os.close(r)
    r, w = os.pipe()
    os.close(r)
    for call in (lambda: os.write(w, b"x"), lambda: os.read(999, 1), lambda: os.write(999, b"x")):
        try:
            call()
        except OSError:
            continue
        raise AssertionError
    os.set_blocking(w, False)
    ticker.kill()
    """)


def test_children():
    run(TICKS + """
    import os, subprocess, sys, time

    def python(code, **more):
        return [sys.executable, "-c", "import sys, time; time.sleep(0.05); " + code]

    done = subprocess.run(python("print(sys.stdin.read() * 2, file=sys.stderr); print('out'); sys.exit(3)"), input="in",
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\\n", "inin\\n"), done
    ticked()
    with subprocess.Popen(python("print(sys.stdin.readline().upper())"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, bufsize=1) as child:
        child.stdin.write("line\\n")
        assert child.stdout.readline() == "LINE\\n"
        ticked()
    with subprocess.Popen(python("sys.stdout.write('x' * 200000)"), stdout=subprocess.PIPE, bufsize=0) as child:
        assert len(child.stdout.read()) == 200000
    child = subprocess.Popen(python(""))
    try:
        child.wait(0.001)
    except subprocess.TimeoutExpired:
        pass
    assert child.wait() == 0
    ticked()
    assert os.system("exit 5") == 5 << 8

    for wait in (lambda pid: os.waitpid(pid, 0), lambda pid: os.waitpid(-1, 0), lambda pid: os.wait(),
                 lambda pid: os.wait3(0)[:2], lambda pid: os.wait4(pid, 0)[:2]):
        pid = os.fork()
        if pid == 0:
            time.sleep(0.02)
            os._exit(7)
        assert wait(pid) == (pid, 7 << 8)
        ticked()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
    else:
        raise AssertionError
    ticker.kill()
    """)


def test_a_fork_with_threads_that_are_tasklets():
    run("""
        import os, threading, time
        def work(n):
            time.sleep(0.01)
            done.append(n)
        done = []
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        [thread.start() for thread in threads]
        pid = os.fork()
        [thread.join() for thread in threads]
        assert sorted(done) == [0, 1, 2] and not any(thread.is_alive() for thread in threads)
        assert threading.active_count() == 1
        if pid == 0:
            os._exit(0)
        assert os.waitpid(pid, 0) == (pid, 0)
    """)


def test_signals():
    run("""
        import os, signal, threading, time
        seen = []
        def handler(number, frame):
            time.sleep(0.001)  # it may wait
            seen.append(number)
        assert signal.signal(signal.SIGUSR1, handler) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGUSR1) is handler
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(seen) < 1:
            pass  # a handler runs between two bytecodes, as ever
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        signal.signal(signal.SIGALRM, handler)
        signal.pause()
        while len(seen) < 2:
            time.sleep(0.001)
        assert seen == [signal.SIGUSR1, signal.SIGALRM]

        def raises(number, frame):
            raise InterruptedError("from the handler")
        assert signal.signal(signal.SIGALRM, raises) is handler
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        other = gossamer.spawn(time.sleep, 1000)
        try:
            time.sleep(1000)
        except InterruptedError:
            pass
        other.kill()
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGALRM) == signal.SIG_IGN

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        for wait in (lambda: signal.sigwait({signal.SIGUSR2}), lambda: signal.sigwaitinfo({signal.SIGUSR2}).si_signo,
                     lambda: signal.sigtimedwait({signal.SIGUSR2}, 100).si_signo):
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR2)).start()
            assert wait() == signal.SIGUSR2
        assert signal.sigtimedwait({signal.SIGUSR2}, 0.01) is None
    """)


def test_sockets_and_names():
    run(TICKS + """
    import select, socket, socketserver, threading

    class Upper(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(line.upper())

    socketserver.TCPServer.request_queue_size = 200
    with socketserver.ThreadingTCPServer(("localhost", 0), Upper) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        def ask(n):
            with socket.create_connection(("localhost", server.server_address[1])) as sock, sock.makefile("rwb") as file:
                file.write(b"line %d\\n" % n), file.flush()
                return file.readline()
        asking = [gossamer.spawn(ask, n) for n in range(100)]
        assert gossamer.joinall(asking) == [b"LINE %d\\n" % n for n in range(100)]
        server.shutdown()
        thread.join()
    assert socket.getaddrinfo("localhost", 80) and socket.gethostbyname("localhost").startswith("127.")
    assert isinstance(socket.getfqdn("localhost"), str) and socket.getfqdn()
    assert socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)[0] == "127.0.0.1"
    epoll = select.epoll()
    epoll.close()
    a, b = socket.socketpair()
    assert isinstance(a, socket.socket)
    ticker.kill()
    """)


def test_asyncio_beside_tasklets():
    run(TICKS + """
    import asyncio

    async def main():
        reader, writer = await asyncio.open_connection(*server.getsockname())
        writer.write(b"hello")
        await writer.drain()
        await asyncio.sleep(0.02)
        data = await reader.read(100)
        writer.close()
        return data

    import socket
    server = socket.create_server(("127.0.0.1", 0))
    def echo():
        with server.accept()[0] as connection:
            connection.sendall(connection.recv(100).upper())
    gossamer.spawn(echo)
    assert asyncio.run(main()) == b"HELLO"
    ticked()
    ticker.kill()
    """)


def test_run_with_patch(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent("""
        import sys, threading, time
        order = []
        def work(n):
            time.sleep(0.02 * n)
            order.append(n)
        threads = [threading.Thread(target=work, args=(n,)) for n in (2, 1, 0)]
        for t in threads: t.start()
        for t in threads: t.join()
        print(order, sys.argv[1:], "gossamer.monkey" in sys.modules)
    """))

    def command(*arguments):
        return subprocess.run([sys.executable, "-m", "gossamer", "run", *arguments], capture_output=True, text=True, timeout=60,
                              cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(pathlib.Path(gossamer.__file__).parents[1])})  # fmt: skip

    assert command("--patch", str(program), "a").stdout == "[0, 1, 2] ['a'] True\n"
    assert command("--patch", "-m", "program", "--patch").stdout == "[0, 1, 2] ['--patch'] True\n"
    assert command(str(program)).stdout == "[0, 1, 2] [] False\n"
    assert command("--patch").returncode == 2 and "--patch" in command("--help").stdout
