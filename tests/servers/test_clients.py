"""Clients as they come from PyPI, in tasklets, against real servers."""

import pytest
from real_servers import CERTIFICATE, compare, need, program_server


def test_requests_with_http_server():
    need("requests")
    with program_server("plain", "pages.py", 200) as server:
        compare("fetch.py", 200, "requests", f"http://localhost:{server.port}", 200)


def test_urllib3_with_http_server():
    need("urllib3")
    with program_server("plain", "pages.py", 200) as server:
        compare("fetch.py", 200, "urllib3", f"http://localhost:{server.port}", 200)


@pytest.mark.skipif(CERTIFICATE is None, reason="this Python comes without the package test, whose certificate is used")
@pytest.mark.parametrize("library", ["requests", "urllib3"])
def test_over_tls(library):
    need(library)
    with program_server("plain", "pages.py", 100, CERTIFICATE) as server:
        compare("fetch.py", 100, library, f"https://localhost:{server.port}", 100, CERTIFICATE)


def test_urllib_with_http_server_in_tasklets():
    """Both ends."""
    with program_server("patched", "pages.py", 200) as server:
        compare("fetch.py", 200, "urllib", f"http://localhost:{server.port}", 200)


def test_redis(redis_server):
    compare("keys.py", 200, redis_server.port, 200)


def test_pg8000_with_postgresql(postgres):
    compare("rows.py", 100, postgres.port, 100)


def test_dnspython_with_dnsmasq(dnsmasq):
    with program_server("plain", "relay.py", dnsmasq.port, 300) as relay:
        compare("names.py", 300, dnsmasq.port, 300, relay.port)
