"""time: sleep."""

import time

from .. import sleep
from ._change import Change


def changes() -> list[Change]:
    return [Change("time", time, "sleep", sleep)]
