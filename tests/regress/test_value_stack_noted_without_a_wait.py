"""An acquire() that did not wait left behind where its caller's value stack ended. When the tasklet was suspended by
something else later, the collector took words above the end for references, and crashed."""

from helpers import python


def test_acquire_that_does_not_wait():
    done = python("""
        import gc
        import gossamer
        from gossamer import sync

        class Thing:
            pass

        lock, event, queue, condition = sync.Lock(), sync.Event(), sync.Queue(1), sync.Condition()
        lock.acquire()
        queue.put(0)

        def try_all(i):
            late = 0.0 * (i + 0.5)
            lock.acquire(timeout=late, blocking=Thing())
            event.wait(timeout=0.0 * (i + 0.5))
            try:
                queue.put(Thing(), Thing(), 0.0 * (i + 0.5))
            except sync.Full:
                pass
            with condition:
                condition.wait(timeout=0.0 * (i + 0.5))

        def body():
            gossamer.sleep(0.001)  # the collector knows it from now on
            for i in range(50):
                lock.acquire(timeout=0.0 * (i + 0.5), blocking=Thing())
                gossamer.schedule_remove()
                try_all(i)
                gossamer.schedule_remove()

        t = gossamer.tasklet(body)()
        while t.alive:
            gossamer.run()
            junk = [[Thing()] for _ in range(100)]
            gc.collect()
            if t.alive and not t.scheduled and not t.blocked:
                t.insert()
        print("survived")
    """, env={"PYTHONMALLOC": "debug"})
    assert done.returncode == 0 and done.stdout == "survived\n", done


def test_channel_callback_that_fails():
    done = python("""
        import gc
        import gossamer

        class Thing:
            pass

        ch = gossamer.channel()
        inside = []

        def callback(channel, tasklet, sending, willblock):
            try:
                channel.receive()  # recursive: refused, though it would block
            except RuntimeError:
                inside.append(1)

        def body():
            gossamer.sleep(0.001)
            for i in range(50):
                gossamer.set_channel_callback(callback)
                try:
                    ch.send(Thing(), timeout=0.001)
                except TimeoutError:
                    pass
                gossamer.set_channel_callback(None)
                gossamer.schedule_remove()

        t = gossamer.tasklet(body)()
        while t.alive:
            gossamer.run()
            junk = [[Thing()] for _ in range(100)]
            gc.collect()
            if t.alive and not t.scheduled and not t.blocked:
                t.insert()
        print("survived", len(inside))
    """, env={"PYTHONMALLOC": "debug"})
    assert done.returncode == 0 and done.stdout == "survived 50\n", done
