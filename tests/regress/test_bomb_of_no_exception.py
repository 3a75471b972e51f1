"""A bomb can be made of anything; what is not an exception becomes a TypeError when it is received.

CPython trusts its callers here and wrote a traceback into the object, an int for example.
"""
from helpers import python

CODE = '''
import stackless
caught = []
for args in [(int, 5), (1, 2, 3), (int,), (object, object()), (), (ValueError, ValueError(1), 3), (ValueError, KeyError(2))]:
    c = stackless.channel()
    stackless.tasklet(c.send)(stackless.bomb(*args))
    try: c.receive()
    except Exception as e: caught.append(type(e).__name__)
print(*caught)
'''


def test_bomb():
    assert python(CODE, env={"PYTHONMALLOC": "debug"}).stdout == "TypeError " * 5 + "ValueError ValueError\n"
