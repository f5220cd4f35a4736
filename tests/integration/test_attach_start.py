# SPDX-License-Identifier: Apache-2.0
"""A client attaches, is told so, and starts the container: whatever a short process prints reaches it."""
import socket

import pytest

ROUNDS = 40


@pytest.mark.parametrize("client", ["docker", "hoy"])
def test_output_of_short_processes(engine, client):
    call = getattr(engine, client)
    for i in range(ROUNDS):
        r = call("run", "--rm", "--network", "none", "busybox", "echo", f"line {i}")
        assert (r.rc, r.out, r.err) == (0, f"line {i}\n", "")


def test_start_in_the_moment_of_the_head(engine):
    """Without a client program between: start is sent the instant the head has arrived."""
    for i in range(ROUNDS):
        r = engine.api("POST", "/containers/create", {"Image": "busybox", "Cmd": ["echo", f"line {i}"],
                                                      "HostConfig": {"NetworkMode": "none", "AutoRemove": True}})
        assert r.status == 201, r.body
        cid = r.json["Id"]
        starter = engine.connect()
        with engine.connect() as s:
            s.sendall(f"POST /containers/{cid}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n"
                      "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(1)
            starter.sendall(f"POST /containers/{cid}/start HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(4096):
                data += chunk
        text = f"line {i}\n".encode()
        assert data == b"\x01\0\0\0" + len(text).to_bytes(4, "big") + text
        assert b" 204 " in starter.recv(4096)
        starter.close()


def test_a_client_that_leaves_in_between_holds_nothing_up(engine):
    r = engine.api("POST", "/containers/create?name=left", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}})
    assert r.status == 201
    for _ in range(20):
        s = engine.connect()
        s.sendall(b"POST /containers/left/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        s.close()
    assert engine.api("POST", "/containers/left/start").status == 204
    assert engine.api("POST", "/containers/left/wait").json["StatusCode"] == 0
