"""site.py SERVER COUNT: a Flask application with the pages of pages.py, in waitress or wsgiref."""

import os
import sys
import threading

import flask

kind, count = sys.argv[1], int(sys.argv[2])
app = flask.Flask("site")
barrier = threading.Barrier(count)


@app.get("/meet/<int:n>")
def meet(n):
    barrier.wait(60)
    assert flask.request.path == f"/meet/{n}"  # its own request, not that of another one
    return flask.Response(f"met {n}", mimetype="text/plain")


@app.get("/data/<int:n>")
def data(n):
    return flask.Response(f"{n}," * 5000, content_type="text/x-numbers")


@app.post("/echo")
def echo():
    return flask.jsonify(flask.request.get_json())


@app.get("/threads")
def threads():
    return str(len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1)


if kind == "waitress":
    import waitress.server

    server = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=count, backlog=1000, connection_limit=5000)
    print(server.effective_port, flush=True)
    server.run()
else:
    import socketserver
    import wsgiref.simple_server

    class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
        request_queue_size = 1000

    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, *args):
            pass

    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, Server, Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
