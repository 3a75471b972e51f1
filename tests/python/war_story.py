"""The story that Gossamer began with: game code in tasklets, blocking network calls on worker threads, and a value that
arrived as None. A local HTTP server sends long bodies in chunks; worker threads read them by blocking I/O and hand each
piece to tasklets on main through channels, while tasklets die and weak reference callbacks run.

    python war_story.py CHUNKS [WORKERS]

prints the figures as one line of JSON; an altered, lost or doubled byte ends it with an error.
"""
import gc
import hashlib
import http.client
import http.server
import json
import resource
import sys
import threading
import time
import weakref

import gossamer

PIECES = 250  # chunks a body


def piece(body, i):
    """Chunk i of a body: its number, and bytes that belong to no other."""
    return b"%d/%d:" % (body, i) + hashlib.sha1(b"%d %d" % (body, i)).digest() * (1 + (body + i) % 5)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = int(self.path[1:])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, PIECES, 25):
            block = b""
            for i in range(start, start + 25):
                data = piece(body, i)
                block += b"%x\r\n%s\r\n" % (len(data) + 4, len(data).to_bytes(4, "big") + data)
            self.wfile.write(block)
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *what):
        pass


def download(address, jobs, errors):
    """A worker thread: plain blocking code, with no tasklet but its own main."""
    try:
        for body, channel in jobs:
            connection = http.client.HTTPConnection(*address)
            connection.request("GET", "/%d" % body)
            response = connection.getresponse()
            for _ in range(PIECES):
                channel.send(response.read(int.from_bytes(response.read(4), "big")))
            channel.send_exception(StopIteration)
            assert response.read() == b""
            connection.close()
            connection = response = channel = None
    except BaseException as error:
        errors.append(error)
        raise


class Noise:
    """Dies with its tasklet; its weak reference callback and its __del__ use channels and make tasklets."""
    ended = 0

    def __init__(self, pipe):
        self.pipe = pipe
        self.ref = weakref.ref(self, self.gone)

    @staticmethod
    def gone(ref):
        Noise.ended += 1
        gossamer.spawn(len, "x")

    def __del__(self):
        if len(self.pipe) < self.pipe.capacity:
            self.pipe.send("noise")
        for _ in range(len(self.pipe) // 2):
            self.pipe.receive()


def consume(body, channel, pipe):
    """A tasklet: checks each piece. At each of them another tasklet dies, and at some the garbage goes."""
    refs = []
    for i, data in enumerate(channel):
        if data != piece(body, i):
            raise AssertionError(f"chunk {i} of body {body} is {data!r:.80}")
        noise = Noise(pipe)
        refs.append(noise.ref)
        t = gossamer.spawn(lambda kept: gossamer.schedule(), noise)
        del noise
        if i % 3 == 0:
            gossamer.schedule()
            t.kill()
        if i % 16 == 0:
            del refs[:-4]
        if i % 500 == 499:
            gc.collect(0)
    return i + 1


def play(chunks, workers=4):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    jobs, pipe, errors = gossamer.channel(), gossamer.BufferedChannel(64), []
    threads = [threading.Thread(target=download, args=(server.server_address, jobs, errors)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    began, arrived, high = time.perf_counter(), 0, []
    bodies = -(-chunks // PIECES)

    def one(body):
        channel = gossamer.channel()
        jobs.send((body, channel))
        return consume(body, channel, pipe)

    for first in range(0, bodies, workers):
        batch = [gossamer.spawn(one, body) for body in range(first, min(first + workers, bodies))]
        arrived += sum(gossamer.joinall(batch))
        high.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    seconds = time.perf_counter() - began
    for _ in threads:
        jobs.send_exception(StopIteration)
    for thread in threads:
        thread.join()
    gossamer.run()
    server.shutdown()
    server.server_close()
    serving.join()
    assert not errors, errors
    assert arrived == bodies * PIECES, f"{arrived} of {bodies * PIECES} chunks have arrived"
    del pipe
    return {"chunks": arrived, "died": Noise.ended, "seconds": round(seconds, 2), "slots": gossamer._gossamer._stats()["slots"],
            "kib_after_a_tenth": high[len(high) // 10], "kib_at_the_end": high[-1]}


if __name__ == "__main__":
    print(json.dumps(play(int(sys.argv[1]), *map(int, sys.argv[2:]))))
