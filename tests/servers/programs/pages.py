"""pages.py COUNT [CERTIFICATE]: http.server with pages for fetch.py; /meet/N waits until COUNT have asked for it."""

import http.server
import ssl
import sys
import threading

barrier = threading.Barrier(int(sys.argv[1]))


class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        _, what, n = self.path.split("/")
        if what == "meet":
            barrier.wait(60)
            self.answer(b"met %d" % int(n), "text/plain")
        else:
            self.answer(b"%d," % int(n) * 5000, "text/x-numbers")

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])), "application/json")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1000


with Server(("localhost", 0), Pages) as server:
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()
