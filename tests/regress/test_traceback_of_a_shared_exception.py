"""A bomb without a traceback raises an exception that has been raised before: its traceback begins anew, on each CPython.

On 3.14 it grew by what each raise added, and kept all those frames alive.
"""
import stackless


def test_begins_anew():
    shared = KeyError("shared")
    lengths = []

    def catcher():
        try:
            stackless.schedule_remove(None)
        except KeyError as error:
            tb, length = error.__traceback__, 0
            while tb:
                tb, length = tb.tb_next, length + 1
            lengths.append(length)

    for _ in range(5):
        t = stackless.tasklet(catcher)()
        t.run()
        t.tempval = stackless.bomb(KeyError, shared)
        t.insert()
        stackless.run()
    assert lengths == [1] * 5
