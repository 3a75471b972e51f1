"""select, and the classes of selectors, which are changed in place: others have imported them, or made subclasses."""

import select
import selectors

from ..net import select as cooperative
from ._change import Change


def changes() -> list[Change]:
    found = [Change("select", select, name, getattr(cooperative, name)) for name in ("select", "poll", "epoll")
             if hasattr(select, name)]  # fmt: skip
    found.append(Change("select", selectors.SelectSelector, "_select", cooperative.select))
    for name, kind in (("PollSelector", "poll"), ("EpollSelector", "epoll")):
        if hasattr(selectors, name):
            found.append(Change("select", getattr(selectors, name), "_selector_cls", getattr(cooperative, kind)))
    return found
