# SPDX-License-Identifier: Apache-2.0
"""logs: streams, tails, times, following over rotation, the end with the container."""
import json
import re
import struct
import threading

import pytest

from harness import wait_until


def start(engine, *cmd, name="log", **config):
    host = {"NetworkMode": "none", **config.pop("HostConfig", {})}
    r = engine.api("POST", f"/containers/create?name={name}", body={"Image": "busybox", "Cmd": list(cmd), "HostConfig": host, **config})
    assert r.status == 201, r.body
    r = engine.api("POST", f"/containers/{name}/start")
    assert r.status == 204, r.body
    return name


def finish(engine, name="log"):
    assert engine.api("POST", f"/containers/{name}/wait").status == 200


def frames(data):
    """stdcopy frames: [(stream, bytes)]."""
    out = []
    while data:
        kind, n = struct.unpack(">BxxxI", data[:8])
        assert len(data) >= 8 + n
        out.append((kind, data[8:8 + n]))
        data = data[8 + n:]
    return out


def logs(engine, query="stdout=1&stderr=1", name="log", version="/v1.51"):
    r = engine.api("GET", f"{version}/containers/{name}/logs?{query}")
    assert r.status == 200, r.body
    return r


def text(engine, query="stdout=1&stderr=1", name="log"):
    return b"".join(p for _, p in frames(logs(engine, query, name).body)).decode()


def test_streams(engine):
    start(engine, "sh", "-c", "echo out; echo err >&2; printf tail")
    finish(engine)
    got = frames(logs(engine).body)
    assert sorted(got) == [(1, b"out\n"), (1, b"tail"), (2, b"err\n")]
    assert frames(logs(engine, "stdout=1").body) == [(1, b"out\n"), (1, b"tail")]
    assert frames(logs(engine, "stderr=1").body) == [(2, b"err\n")]
    assert logs(engine).headers["content-type"] == "application/vnd.docker.multiplexed-stream"
    assert logs(engine, version="/v1.41").headers["content-type"] == "application/vnd.docker.raw-stream"


def test_a_terminal_is_raw(engine):
    start(engine, "echo", "hello", Tty=True)
    finish(engine)
    r = logs(engine)
    assert r.body == b"hello\r\n"
    assert r.headers["content-type"] == "application/vnd.docker.raw-stream"


def test_tail(engine):
    start(engine, "seq", "1", "1000")
    finish(engine)
    everything = "".join(f"{i}\n" for i in range(1, 1001))
    for tail, want in [("0", ""), ("1", "1000\n"), ("3", "998\n999\n1000\n"), ("1000", everything), ("5000", everything), ("all", everything),
                       ("x", everything), ("-1", everything)]:
        assert text(engine, "stdout=1&tail=" + tail) == want, tail


def test_timestamps_since_until(engine):
    start(engine, "sh", "-c", "for i in 1 2 3 4 5; do echo $i; usleep 20000; done")
    finish(engine)
    lines = text(engine, "stdout=1&timestamps=1").splitlines()
    assert [x.split(" ")[1] for x in lines] == list("12345")
    stamps = [x.split(" ")[0] for x in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", s) for s in stamps)
    assert stamps == sorted(stamps)
    assert text(engine, f"stdout=1&since={stamps[2]}") == "3\n4\n5\n"
    assert text(engine, f"stdout=1&until={stamps[2]}") == "1\n2\n3\n"
    assert text(engine, f"stdout=1&since={stamps[1]}&until={stamps[3]}") == "2\n3\n4\n"
    assert text(engine, "stdout=1&since=1&until=2") == ""
    assert text(engine, "stdout=1&since=0&until=0") == "1\n2\n3\n4\n5\n"


def test_details(engine):
    start(engine, "echo", "x", Labels={"b": "two words", "a": "1"}, Env=["E=v"],
          HostConfig={"LogConfig": {"Type": "json-file", "Config": {"labels": "a,b", "env": "E"}}})
    finish(engine)
    assert text(engine, "stdout=1&details=1") == "E=v,a=1,b=two+words x\n"
    assert re.fullmatch(r"\S+Z E=v,a=1,b=two\+words x\n", text(engine, "stdout=1&details=1&timestamps=1"))


def test_long_lines_and_odd_bytes(engine):
    start(engine, "sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'a\\tb\\\\\"<>&\\001\\303\\251\\n'")
    finish(engine)
    got = frames(logs(engine, "stdout=1").body)
    assert b"".join(p for _, p in got) == b"x" * 40000 + b"\n" + b'a\tb\\"<>&\x01\xc3\xa9\n'
    assert max(len(p) for _, p in got) <= 16385


class Follower(threading.Thread):
    def __init__(self, engine, query, name="log"):
        super().__init__(daemon=True)
        self.engine, self.query, self.name_, self.data, self.over = engine, query, name, b"", False
        self.s = engine.connect(120)
        self.s.sendall(f"GET /v1.51/containers/{name}/logs?{query} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        self.start()

    def run(self):
        while True:
            chunk = self.s.recv(65536)
            if not chunk:
                break
            self.data += chunk
        self.over = True

    @property
    def text(self):
        body = self.data.split(b"\r\n\r\n", 1)
        if len(body) < 2:
            return ""
        whole, out = body[1], b""
        while len(whole) >= 8:
            n = struct.unpack(">BxxxI", whole[:8])[1]
            if len(whole) < 8 + n:
                break
            out += whole[8:8 + n]
            whole = whole[8 + n:]
        return out.decode()


def test_follow_sees_lines_as_they_come_and_ends_with_the_container(engine):
    start(engine, "sh", "-c", "read a; echo got $a; read b; echo got $b", OpenStdin=True)
    f = Follower(engine, "stdout=1&stderr=1&follow=1")
    wait_until(lambda: b"\r\n\r\n" in f.data, "the early 200")
    s = engine.connect()
    s.sendall(b"POST /v1.51/containers/log/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert s.recv(4096).startswith(b"HTTP/1.1 101")
    s.sendall(b"one\n")
    wait_until(lambda: f.text == "got one\n", "the first line")
    assert not f.over
    s.sendall(b"two\n")
    wait_until(lambda: f.over, "the end of the stream")
    assert f.text == "got one\ngot two\n"
    s.close()


def test_follow_from_a_tail(engine):
    start(engine, "sh", "-c", "seq 1 5; read a; seq 6 8", OpenStdin=True)
    wait_until(lambda: text(engine, "stdout=1").endswith("5\n"), "five lines")
    f = Follower(engine, "stdout=1&follow=1&tail=2")
    wait_until(lambda: f.text == "4\n5\n", "the tail")
    engine.api("POST", "/containers/log/kill")
    wait_until(lambda: f.over, "the end")
    assert f.text == "4\n5\n"


def test_follow_of_a_stopped_container_ends_at_once(engine):
    start(engine, "echo", "x")
    finish(engine)
    assert text(engine, "stdout=1&follow=1") == "x\n"


def test_a_follower_that_leaves_is_forgotten(engine):
    start(engine, "sleep", "1000")
    followers = [Follower(engine, "stdout=1&follow=1") for _ in range(20)]
    for f in followers:
        wait_until(lambda f=f: b"\r\n\r\n" in f.data, "the early 200")

    def fds():
        return len(__import__("os").listdir(f"/proc/{engine.proc.pid}/fd"))
    most = fds()
    for f in followers:
        f.s.shutdown(2)
    wait_until(lambda: fds() <= most - 20, "their descriptors to be closed")


def test_rotation_loses_nothing_that_is_kept(engine):
    conf = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "50"}}}
    start(engine, "sh", "-c", "read go; seq 1 5000", OpenStdin=True, HostConfig=conf)
    f = Follower(engine, "stdout=1&follow=1")
    wait_until(lambda: b"\r\n\r\n" in f.data, "the early 200")
    s = engine.connect()
    s.sendall(b"POST /v1.51/containers/log/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert s.recv(4096).startswith(b"HTTP/1.1 101")
    s.sendall(b"go\n")
    finish(engine)
    wait_until(lambda: f.over, "the end")
    want = "".join(f"{i}\n" for i in range(1, 5001))
    assert f.text == want
    assert text(engine, "stdout=1") == want
    assert text(engine, "stdout=1&tail=1000") == "".join(f"{i}\n" for i in range(4001, 5001))
    s.close()


def test_old_files_go(engine):
    conf = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "10k", "max-file": "2"}}}
    start(engine, "seq", "1", "5000", HostConfig=conf)
    finish(engine)
    got = text(engine, "stdout=1").splitlines()
    assert got[-1] == "5000"
    assert 50 < len(got) < 1000
    assert got == [str(i) for i in range(int(got[0]), 5001)]


def test_the_none_driver_cannot_be_read(engine):
    start(engine, "echo", "x", HostConfig={"LogConfig": {"Type": "none"}})
    finish(engine)
    r = engine.api("GET", "/containers/log/logs?stdout=1")
    assert (r.status, r.message) == (501, "configured logging driver does not support reading")


def test_the_log_survives_the_engine(engine):
    start(engine, "sh", "-c", "read a; echo one; read b; echo two; sleep 1000", OpenStdin=True)
    engine.kill9()
    engine.start()
    s = engine.connect()
    s.sendall(b"POST /v1.51/containers/log/attach?stream=1&stdin=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
    assert s.recv(4096).startswith(b"HTTP/1.1 101")
    f = Follower(engine, "stdout=1&follow=1")
    s.sendall(b"x\n")
    wait_until(lambda: f.text == "one\n", "the first line")
    s.sendall(b"y\n")
    wait_until(lambda: f.text == "one\ntwo\n", "the second line")
    s.close()


def test_json_file_on_disk_is_dockers(engine):
    start(engine, "echo", "hello")
    finish(engine)
    with open(engine.inspect("log")["LogPath"]) as f:
        rec = json.loads(f.readline())
    assert list(rec) == ["log", "stream", "time"]
    assert (rec["log"], rec["stream"]) == ("hello\n", "stdout")
