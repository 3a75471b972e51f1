"""What is dropped when a thread ends may make more tasklets for it, or another thread may bind one to it: those kept
a pointer to a scheduler that was gone."""
import threading

import gossamer
import stackless
from threads_helpers import PATIENCE, in_thread


def test_destructors_that_make_tasklets():
    made = []

    class Makes:
        def __init__(self, left):
            self.left = left

        def __del__(self):
            made.append(stackless.tasklet(len)("x"))
            if self.left:
                holder = stackless.tasklet(len)
                holder.bind(len, (Makes(self.left - 1),))
                holder.insert()

    def body():
        stackless.tasklet(len)(Makes(3))
    in_thread(body)
    assert len(made) == 4
    assert all(t.thread_id == -1 and not t.alive for t in made)
    for t in made:
        t.bind_thread()
        assert t.alive
        t.remove()


def test_bound_by_another_thread():
    """While the ending thread drops things."""
    mine, seen = stackless.tasklet(len), []

    class Waits:
        def __del__(self):
            ident = threading.get_ident()
            thread = threading.Thread(target=self.bind, args=(ident,))
            thread.start()
            thread.join(PATIENCE)

        @staticmethod
        def bind(ident):
            t = stackless.tasklet().bind(len, ("x",))
            try:
                t.bind_thread(ident)
            except ValueError as error:
                seen.append(str(error))
            seen.append(t)

    def body():
        stackless.tasklet(len)(Waits())
    in_thread(body)
    assert seen and seen[-1].thread_id == -1
    assert mine.thread_id == threading.get_ident()
