# SPDX-License-Identifier: Apache-2.0
"""The API over TCP with client certificates: the stock CLI, hijacked streams, and who is kept out."""
import os
import pathlib
import socket
import ssl

import pytest

import harness

CERTS = pathlib.Path(__file__).resolve().parents[1] / "unit/http/certs"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def tls(new_engine):
    port = free_port()
    e = new_engine(args=["-H", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", str(CERTS / "ca.pem"), "--tlscert",
                         str(CERTS / "server.pem"), "--tlskey", str(CERTS / "server-key.pem")])
    e.port = port
    return e


def docker(e, *args, stdin=None):
    env = {**e.client_env(), "DOCKER_HOST": f"tcp://127.0.0.1:{e.port}"}
    return harness.run([harness.DOCKER, "--tlsverify", "--tlscacert", str(CERTS / "ca.pem"), "--tlscert", str(CERTS / "client.pem"), "--tlskey",
                        str(CERTS / "client-key.pem"), *args], stdin=stdin, env=env)


def test_the_stock_cli_over_tls(tls):
    if not harness.DOCKER:
        pytest.skip("no stock docker CLI on this machine")
    assert docker(tls, "version", "--format", "{{.Server.APIVersion}}").ok() == "1.51"
    # the end of stdin must reach the container, and its output come back whole
    for i in range(5):
        text = os.urandom(50000).hex().encode()
        r = docker(tls, "run", "--rm", "-i", "--network", "none", "busybox", "md5sum", stdin=text)
        assert (r.rc, r.out.split()[0]) == (0, __import__("hashlib").md5(text).hexdigest()), (i, r)
    r = docker(tls, "run", "--rm", "-i", "--network", "none", "busybox", "sh", "-c", "cat; echo err >&2; exit 3", stdin=b"in\n")
    assert (r.rc, r.out, r.err) == (3, "in\n", "err\n")


def context(with_cert):
    c = ssl.create_default_context(cafile=CERTS / "ca.pem")
    if with_cert:
        c.load_cert_chain(CERTS / "client.pem", CERTS / "client-key.pem")
    return c


def ask(e, wrap):
    s = socket.create_connection(("127.0.0.1", e.port), timeout=30)
    try:
        s = wrap(s)
        s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        out = b""
        while True:
            chunk = s.recv(4096)
            if not chunk:
                return out
            out += chunk
    finally:
        s.close()


def refused(e, wrap):
    try:
        return b"HTTP/1.1 200" not in ask(e, wrap)
    except OSError:
        return True


def test_who_is_kept_out(tls):
    assert ask(tls, lambda s: context(True).wrap_socket(s, server_hostname="localhost")).endswith(b"OK")
    assert refused(tls, lambda s: context(False).wrap_socket(s, server_hostname="localhost"))
    assert refused(tls, lambda s: s)
    # a client that never finishes its handshake holds up nobody
    silent = [socket.create_connection(("127.0.0.1", tls.port), timeout=30) for _ in range(20)]
    assert ask(tls, lambda s: context(True).wrap_socket(s, server_hostname="localhost")).endswith(b"OK")
    for s in silent:
        s.close()


def test_plain_tcp_only_on_loopback(new_engine):
    e = new_engine(args=["-H", f"tcp://127.0.0.1:{free_port()}"])
    assert e.api("GET", "/_ping").status == 200
    other = new_engine(args=["-H", "tcp://0.0.0.0:0"], start=False)
    other.spawn()
    harness.wait_until(lambda: other.proc.poll() is not None, "hoyd to refuse")
    assert other.proc.returncode != 0
    assert "--tlsverify" in other.log()
    other.proc = None
