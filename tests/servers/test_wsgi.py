"""A Flask application in WSGI servers whose threads are tasklets, asked by a plain client."""

import urllib.request

import pytest
from real_servers import need, program_server, run

COUNT = 200


@pytest.mark.parametrize("kind", ["waitress", "wsgiref"])
def test_flask(kind):
    need("flask", *(["waitress"] if kind == "waitress" else []))
    answers = []
    for mode in ("plain", "patched"):
        with program_server(mode, "site.py", kind, COUNT) as server:
            url = f"http://127.0.0.1:{server.port}"
            answers.append(run("plain", "fetch.py", "urllib", url, COUNT)["results"])
            with urllib.request.urlopen(f"{url}/threads", timeout=60) as answer:
                threads = int(answer.read())
    assert answers[0] == answers[1] and len(answers[0]) == COUNT and None not in answers[0]
    assert threads <= 34, "its threads are not tasklets"  # those of the pool at most


def test_both_ends_in_tasklets():
    need("flask", "requests", "waitress")
    with program_server("patched", "site.py", "waitress", COUNT) as server:
        found = run("patched", "fetch.py", "requests", f"http://127.0.0.1:{server.port}", COUNT)
    assert [result[:2] for result in found["results"]] == [[200, f"met {n}"] for n in range(COUNT)]
