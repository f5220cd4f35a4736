# SPDX-License-Identifier: Apache-2.0
"""The API as bytes: routing, versions, headers, error bodies, and clients that do not keep to HTTP."""
import json
import re
import socket
import threading

import pytest

from harness import wait_until

COMMON = {"api-version": "1.51", "ostype": "linux", "docker-experimental": "false"}


def raw(engine, data, half_close=True, timeout=30):
    """Sends bytes on a fresh connection; all that comes back until the server closes."""
    s = engine.connect(timeout)
    try:
        s.sendall(data)
        if half_close:
            s.shutdown(socket.SHUT_WR)
        out = b""
        while True:
            try:
                chunk = s.recv(65536)
            except ConnectionResetError:
                return out
            if not chunk:
                return out
            out += chunk
    finally:
        s.close()


def test_ping(engine, api):
    r = api("GET", "/_ping")
    assert (r.status, r.body) == (200, b"OK")
    for k, v in {**COMMON, "builder-version": "1", "swarm": "inactive", "pragma": "no-cache",
                 "cache-control": "no-cache, no-store, must-revalidate", "content-type": "text/plain; charset=utf-8"}.items():
        assert r.headers[k] == v, k
    assert re.fullmatch(r"Docker/[0-9.]+ \(linux\)", r.headers["server"])
    r = api("HEAD", "/_ping")
    assert (r.status, r.body, r.headers["content-length"]) == (200, b"", "0")
    assert api("GET", "/v1.24/_ping").status == 200


def test_every_reply_carries_the_common_headers(api):
    for method, path in [("GET", "/version"), ("GET", "/nope"), ("GET", "/containers/none/json"), ("POST", "/containers/create")]:
        r = api(method, path)
        for k, v in COMMON.items():
            assert r.headers[k] == v, (method, path, k)


def test_versions(api):
    assert api("GET", "/v1.51/version").status == 200
    assert api("GET", "/v1.24/version").json["MinAPIVersion"] == "1.24"
    r = api("GET", "/v1.52/version")
    assert (r.status, r.message) == (400, "client version 1.52 is too new. Maximum supported API version is 1.51")
    r = api("GET", "/v1.23/version")
    assert r.status == 400
    assert r.headers["content-type"] == "text/plain; charset=utf-8"
    assert r.body == (b"client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
                      b"newer version\n")
    assert api("GET", "/v2/version").status == 400
    assert api("GET", "/v1.x/version").status == 404


@pytest.mark.parametrize("method,path", [
    ("GET", "/"), ("GET", "/nope"), ("PUT", "/version"), ("POST", "/_ping"), ("DELETE", "/containers/json/x/y/z/json"),
    ("GET", "/v1.51"), ("GET", "/v1.51/"), ("BREW", "/info"), ("GET", "/containers/create"), ("GET", "//version")])
def test_unknown_routes_are_404(api, method, path):
    r = api(method, path)
    assert r.status == 404
    assert r.headers["content-type"] == "application/json"
    if method != "HEAD" and path != "/containers/json/x/y/z/json":
        assert r.body == b'{"message":"page not found"}\n'


def test_options_is_200_anywhere(api):
    assert api("OPTIONS", "/containers/json").status == 200
    assert api("OPTIONS", "/nope").status == 200


def test_names_with_slashes_and_escapes(api):
    # images' names hold slashes, raw or escaped; a container's name may come with its slash
    for path in ("/images/a/b/c:d/json", "/images/a%2Fb%2Fc:d/json"):
        r = api("GET", path)
        assert (r.status, r.message) == (404, "No such image: a/b/c:d"), path
    r = api("GET", "/containers//none/json")
    assert r.status == 404 and "No such container" in r.message
    r = api("GET", "/containers/a%2F..%2Fb/json")
    assert r.status == 404 and "No such container" in r.message
    assert api("GET", "/images/%zz/json").status == 400
    assert api("GET", "/images/x%00y/json").status == 400


def test_content_types(api):
    body = json.dumps({"Image": "busybox"}).encode()
    r = api("POST", "/containers/create", body=body, headers={"Content-Type": "text/plain"})
    assert (r.status, r.message) == (400, "unsupported Content-Type header (text/plain): must be 'application/json'")
    r = api("POST", "/containers/create", body=body)
    assert (r.status, r.message) == (400, "malformed Content-Type header (): mime: no media type")
    r = api("POST", "/containers/create", body=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert r.status == 201
    api("DELETE", "/containers/" + r.json["Id"])


@pytest.mark.parametrize("body,text", [
    (b"", "EOF"), (b"{", "invalid JSON"), (b"[]", "cannot unmarshal array"), (b"{}{}", "after"), (b'{"Image":1}', "cannot unmarshal number"),
    (b'{"Image":"x"} trailing', "after"), (b'{"Image":"\xff"}', ""), (b'{"a":' * 100 + b"1" + b"}" * 100, ""),
    (b'{"HostConfig":{"Memory":99999999999999999999}}', ""), (b'{"HostConfig":{"Memory":1.5}}', ""), (b'{"Env":"x"}', ""),
    (b'{"Image":"a","Image":"b"}', ""), (b"nul", "invalid"), (b"\0", "invalid")])
def test_bad_json_is_400(api, body, text):
    r = api("POST", "/containers/create", body=body, headers={"Content-Type": "application/json"})
    assert r.status == 400, r.body
    assert text in r.message


def test_too_large_a_body_is_refused(api):
    body = b'{"Image":"' + b"a" * (9 << 20) + b'"}'
    r = api("POST", "/containers/create", body=body, headers={"Content-Type": "application/json"})
    assert r.status == 400
    assert "too large" in r.message


HOST = b"Host: docker\r\n"


@pytest.mark.parametrize("data,status", [
    (b"GET /_ping HTTP/1.1\nHost: a\n\n", 400),
    (b"GET /_ping HTTP/1.1\r\n\r\n", 400),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    (b"GET  /_ping HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + b" fold: x\r\n\r\n", 400),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + b"X : y\r\n\r\n", 400),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + b"X: \x00\r\n\r\n", 400),
    (b"POST /build HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /build HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400),
    (b"POST /build HTTP/1.1\r\n" + HOST + b"Content-Length: -4\r\n\r\n", 400),
    (b"POST /build HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    (b"POST /containers/create HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (b"GET /_ping HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"\x16\x03\x01\x00\xa5\x01\r\n\r\n", 400),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70000 + b"\r\n\r\n", 431),
    (b"GET /_ping HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 200 + b"\r\n", 431)])
def test_malformed_requests(engine, data, status):
    out = raw(engine, data)
    assert out.startswith(b"HTTP/1.1 %d " % status), out[:200]
    assert b"Connection: close" in out.split(b"\r\n\r\n")[0]
    assert engine.api("GET", "/_ping").status == 200


def test_smuggled_requests_are_not_served(engine):
    # what follows a refused request must not be taken for another one
    inner = b"GET /version HTTP/1.1\r\n" + HOST + b"\r\n"
    out = raw(engine, b"POST /build HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(inner) + inner)
    assert out.count(b"HTTP/1.1 ") == 1
    assert b"ApiVersion" not in out


def test_pipelining_and_keep_alive(engine):
    one = b"GET /_ping HTTP/1.1\r\n" + HOST + b"\r\n"
    last = b"GET /_ping HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    out = raw(engine, one * 9 + last, half_close=False)
    assert out.count(b"HTTP/1.1 200 OK") == 10
    assert out.count(b"Connection: close") == 1


def test_half_requests_and_silent_clients_cost_nothing(engine):
    held = [engine.connect() for _ in range(50)]
    for i, s in enumerate(held):
        s.sendall((b"GET /_ping HTTP/1.1\r\nHost: a\r\nX: y")[:i])
    assert engine.api("GET", "/_ping").status == 200
    for s in held:
        s.close()

    def threads():
        return len(list((pathlib_proc(engine)).iterdir()))
    wait_until(lambda: threads() < 40, "the threads of closed connections to end")


def pathlib_proc(engine):
    import pathlib
    return pathlib.Path(f"/proc/{engine.proc.pid}/task")


def test_a_truncated_body_is_no_request(engine):
    out = raw(engine, b"POST /containers/create HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"Im")
    assert out.startswith(b"HTTP/1.1 400 ")
    assert engine.api("GET", "/containers/json?all=1").json == []


def test_many_clients_at_once(engine):
    bad = []

    def client():
        for _ in range(20):
            if engine.api("GET", "/version").status != 200:
                bad.append(1)
    threads = [threading.Thread(target=client) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad


def test_what_is_missing_says_so(api):
    for method, path in [("POST", "/auth"), ("POST", "/build"), ("GET", "/images/search?term=x"), ("POST", "/images/busybox/push"),
                         ("POST", "/networks/create"), ("POST", "/session")]:
        r = api(method, path)
        assert r.status == 501, path
        assert r.message
    r = api("POST", "/images/create?fromImage=nosuch&tag=latest")
    assert r.status == 404 and r.message.startswith("No such image: nosuch:latest ")
    for path in ("/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"):
        r = api("GET", path)
        assert r.status == 503
        assert r.message.startswith("This node is not a swarm manager.")
