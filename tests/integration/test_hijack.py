# SPDX-License-Identifier: Apache-2.0
"""Attach and exec over the raw connection: heads, frames, half-close, what the stream is when nobody upgrades."""
import json
import socket
import struct

import pytest

from harness import wait_until


@pytest.fixture
def running(engine):
    r = engine.api("POST", "/containers/create?name=hj", body={"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": "none"}})
    assert r.status == 201, r.body
    assert engine.api("POST", "/containers/hj/start").status == 204
    return "hj"


def post(engine, path, body, upgrade=True, version="v1.51"):
    s = engine.connect(60)
    text = json.dumps(body).encode()
    s.sendall(f"POST /{version}{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n".encode() +
              (b"Connection: Upgrade\r\nUpgrade: tcp\r\n" if upgrade else b"") + b"\r\n" + text)
    return s


def rest(s):
    out = b""
    while True:
        chunk = s.recv(65536)
        if not chunk:
            return out
        out += chunk


def frames(data):
    out = {}
    while data:
        kind, n = struct.unpack(">BxxxI", data[:8])
        out[kind] = out.get(kind, b"") + data[8:8 + n]
        data = data[8 + n:]
    return out


def new_exec(engine, cmd, **kw):
    r = engine.api("POST", "/containers/hj/exec", body={"Cmd": cmd, "AttachStdout": True, "AttachStderr": True, **kw})
    assert r.status == 201, r.body
    return r.json["Id"]


def test_nothing_follows_the_head_before_the_client_has_taken_it(engine, running):
    # docker-py reads the head through a buffer and loses what came with it
    for _ in range(20):
        s = post(engine, f"/exec/{new_exec(engine, ['echo', 'hello'])}/start", {"Detach": False, "Tty": False})
        head = s.recv(65536)
        assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n") and head.endswith(b"\r\n\r\n"), head
        assert frames(rest(s)) == {1: b"hello\n"}
        s.close()


@pytest.mark.parametrize("exec_tty,start_tty", [(False, False), (True, True), (True, False), (False, True)])
def test_the_start_request_decides_the_framing(engine, running, exec_tty, start_tty):
    s = post(engine, f"/exec/{new_exec(engine, ['echo', 'hello'], Tty=exec_tty)}/start", {"Tty": start_tty})
    head = s.recv(65536).decode()
    assert f"Content-Type: application/vnd.docker.{'raw' if start_tty else 'multiplexed'}-stream\r\n" in head
    data, line = rest(s), b"hello\r\n" if exec_tty else b"hello\n"
    assert data == line if start_tty else frames(data) == {1: line}
    s.close()


def test_without_upgrade_it_is_a_200(engine, running):
    s = post(engine, f"/exec/{new_exec(engine, ['sh', '-c', 'echo out; echo err >&2'])}/start", {}, upgrade=False)
    head = s.recv(65536).decode()
    assert head.startswith("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n")
    assert "Content-Length" not in head and "chunked" not in head
    assert frames(rest(s)) == {1: b"out\n", 2: b"err\n"}
    s.close()


def test_a_half_close_is_the_end_of_input_and_no_more(engine, running):
    s = post(engine, f"/exec/{new_exec(engine, ['sh', '-c', 'cat; echo done'], AttachStdin=True)}/start", {})
    assert s.recv(65536).startswith(b"HTTP/1.1 101")
    s.sendall(b"some input\n")
    s.shutdown(socket.SHUT_WR)
    assert frames(rest(s)) == {1: b"some input\ndone\n"}
    s.close()


def test_input_sent_with_the_request_is_not_lost(engine, running):
    x = new_exec(engine, ["cat"], AttachStdin=True)
    s = engine.connect(60)
    s.sendall(f"POST /v1.51/exec/{x}/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
              "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n{}early bytes\n".encode())
    s.shutdown(socket.SHUT_WR)
    data = rest(s)
    head, data = data.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101") and frames(data) == {1: b"early bytes\n"}
    s.close()


def test_old_versions_call_frames_raw(engine, running):
    s = post(engine, f"/exec/{new_exec(engine, ['echo', 'x'])}/start", {}, version="v1.41")
    assert b"application/vnd.docker.raw-stream" in s.recv(65536)
    assert frames(rest(s)) == {1: b"x\n"}
    s.close()


def test_errors_before_the_switch_are_plain_replies(engine, running):
    r = engine.api("POST", "/exec/nosuch/start", body={})
    assert (r.status, r.message) == (404, "No such exec instance: nosuch")
    x = new_exec(engine, ["true"])
    s = post(engine, f"/exec/{x}/start", {})
    rest(s)
    s.close()
    wait_until(lambda: not engine.api("GET", f"/exec/{x}/json").json["Running"], "the exec's end")
    assert engine.api("POST", f"/exec/{x}/start", body={}).status == 409
    assert engine.api("POST", "/containers/nosuch/attach?stream=1").status == 404
