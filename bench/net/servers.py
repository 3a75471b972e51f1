"""python servers.py KIND: a minimal HTTP responder of that kind on 127.0.0.1, for bench/net.py.  Prints its port.

All do the same: whatever is read is answered with ANSWER.
"""

import resource
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
BACKLOG = 4096


def ready(sock):
    print(sock.getsockname()[1], flush=True)


def blocking(accept, spawn):
    """The style in question: one ordinary function a connection."""

    def serve(connection):
        try:
            while connection.recv(4096):
                connection.sendall(ANSWER)
        except ConnectionResetError:
            pass
        connection.close()

    while True:
        spawn(serve, accept()[0])


def gossamer_server():
    import gossamer
    from gossamer.net import socket

    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    ready(listener)
    blocking(listener.accept, gossamer.spawn)


def gevent_server():
    import gevent
    from gevent import socket

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    ready(listener)
    blocking(listener.accept, gevent.spawn)


def thread_server():
    import socket
    import threading

    threading.stack_size(65536)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    ready(listener)
    blocking(listener.accept, lambda function, *args: threading.Thread(target=function, args=args, daemon=True).start())


async def protocol_server():
    import asyncio

    class Responder(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(ANSWER)

    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0, backlog=BACKLOG)
    ready(server.sockets[0])
    await server.serve_forever()


async def stream_server():
    import asyncio

    async def serve(reader, writer):
        try:
            while await reader.read(4096):
                writer.write(ANSWER)
                await writer.drain()
        except ConnectionResetError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=BACKLOG)
    ready(server.sockets[0])
    await server.serve_forever()


def under(loop, server):
    def run():
        import asyncio

        if loop == "uvloop":
            import uvloop

            asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(server())

    return run


KINDS = {
    "gossamer": gossamer_server,
    "gevent": gevent_server,
    "threads": thread_server,
    "asyncio protocol": under("asyncio", protocol_server),
    "asyncio streams": under("asyncio", stream_server),
    "uvloop protocol": under("uvloop", protocol_server),
    "uvloop streams": under("uvloop", stream_server),
}


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        KINDS[sys.argv[1]]()
    except KeyboardInterrupt:
        pass
