"""The old module Stacklesssocket: blocking sockets for tasklets.

    import stacklesssocket
    stacklesssocket.install()       # from now on socket.socket blocks only the calling tasklet

It is `stacklesslib.replacements.socket` under its first name.
"""

from typing import Any

from stacklesslib.replacements import socket as _socket
from stacklesslib.replacements.socket import *  # noqa: F403
from stacklesslib.replacements.socket import __all__ as __all__


def __getattr__(name: str) -> Any:
    return getattr(_socket, name)
