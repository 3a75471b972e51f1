# exit: 9
# out: cancelled
"""sys.exit() inside asyncio.run() inside a tasklet."""
import asyncio
import sys

import stackless


async def other():
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled", flush=True)


async def main():
    task = asyncio.ensure_future(other())
    await asyncio.sleep(0)
    if not task.done():
        sys.exit(9)


stackless.tasklet(lambda: asyncio.run(main()))()
stackless.run()
