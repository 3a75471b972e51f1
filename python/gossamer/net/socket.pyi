import socket as _stdlib
from socket import *
from typing import Any

class socket(_stdlib.socket):  # type: ignore[no-redef]
    def accept(self) -> tuple[socket, Any]: ...
