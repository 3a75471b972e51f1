"""socket: the class, and the functions that make sockets or look up names."""

import socket

from ..net import socket as cooperative
from ._change import Change

NAMES = (
    "socket", "create_connection", "create_server", "fromfd", "socketpair",
    "getaddrinfo", "getfqdn", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo",
)  # fmt: skip


def changes() -> list[Change]:
    return [Change("socket", socket, name, getattr(cooperative, name)) for name in NAMES if hasattr(socket, name)]
