"""Servers for the tests: Debian's, started for a test and ended after it."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from real_servers import LIMIT, Server, find, free_port, need, wait_for


@pytest.fixture
def redis_server(tmp_path):
    need("redis")
    command, port = find("redis-server"), free_port()
    with Server([command, "--port", str(port), "--save", "", "--dir", str(tmp_path), "--maxclients", "2000"], port) as server:
        wait_for(server.process, port)
        yield server


@pytest.fixture
def postgres():
    need("pg8000")
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    folder = [str(versions[-1])] if versions else []
    initdb, command = find("initdb", *folder), find("postgres", *folder)
    # It refuses to run as root, and pytest's folders are not for others.
    who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    place = tempfile.mkdtemp(prefix="gossamer-pg-")
    try:
        if who:
            shutil.chown(place, "postgres", "postgres")
        data, port = os.path.join(place, "data"), free_port()
        subprocess.run([initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], check=True,
                       stdout=subprocess.DEVNULL, timeout=LIMIT, cwd=place, **who)  # fmt: skip
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "250", "fsync": "off",
                   "logging_collector": "off", "max_wal_senders": "0", "wal_level": "minimal"}  # fmt: skip
        arguments = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = pathlib.Path(place, "log")
        with open(log, "w") as errors, Server([command, "-D", data, "-p", str(port), *arguments], port, stderr=errors, cwd=place, **who) as server:
            wait_for(server.process, port, log)
            yield server
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def dnsmasq(tmp_path):
    need("dns")
    command, port = find("dnsmasq"), free_port()
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"10.1.{n // 250}.{n % 250 + 1} host{n}.example.test\n" for n in range(1000)))
    # A file of the user's own, on a port that needs no rights.
    arguments = ["--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces",
                 "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--local=/test/", "--dns-forward-max=10000", "--pid-file=",
                 "--log-facility=-", f"--user={'root' if os.geteuid() == 0 else ''}"]  # fmt: skip
    with Server([command, *arguments], port, stderr=subprocess.DEVNULL) as server:
        wait_for(server.process, port)
        yield server
