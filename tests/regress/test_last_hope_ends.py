"""A thread slept on when the last one that could have woken it had been made after all others had gone to sleep."""
import threading

import gossamer
from threads_helpers import PATIENCE
from helpers import python


def test_thread_that_came_later():
    done = python("""
        import threading
        import gossamer

        go, later = threading.Event(), []

        def last():
            go.wait()

        def second():
            until_asleep()
            later.append(threading.Thread(target=last))
            later[0].start()            # nobody has looked at the threads since

        def until_asleep():
            while not gossamer.getmain_of_first.blocked:
                pass

        gossamer.getmain_of_first = gossamer.main
        threading.Thread(target=second).start()

        def let_go():
            while len(later) < 1 or second_lives():
                pass
            go.set()

        def second_lives():
            return threading.active_count() > 2 + 1
        threading.Thread(target=let_go).start()
        try:
            gossamer.channel().receive()
        except gossamer.DeadlockError as error:
            print(error)
    """, timeout=PATIENCE)
    assert done.stdout == "Deadlock: the last runnable tasklet cannot be blocked.\n"
