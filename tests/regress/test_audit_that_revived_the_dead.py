"""The audit took hold of objects that were free already, and freed them again when it let go.

On CPython 3.12 the module _asyncio shows the collector its list of free iterators, gc.get_referents hands them out as
though they lived, and the list became a ring: the next collection never ended.
"""
from helpers import python

PROGRAM = """
import asyncio, gc
from gossamer import lean

async def waits():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, 1)
    return await future

async def several():
    await asyncio.gather(*[waits() for _ in range(5)])

asyncio.run(several())
for _ in range(3):
    lean.audit()
    gc.collect()
asyncio.run(several())
print("collected")
"""


def test_collection_after_an_audit_ends():
    done = python(PROGRAM)
    assert done.stdout == "collected\n", done.stderr
