# SPDX-License-Identifier: Apache-2.0
"""events: order, attributes, since and until, filters; the stream's end."""
import pytest
import json
import threading
import time
import urllib.parse

from harness import wait_until

pytestmark = pytest.mark.tsan

CONTAINER = {"Image": "busybox", "Cmd": ["true"], "Labels": {"color": "red"}, "HostConfig": {"NetworkMode": "none"}}


def create(engine, name, **kw):
    r = engine.api("POST", f"/containers/create?name={name}", body={**CONTAINER, **kw})
    assert r.status == 201, r.body
    return r.json["Id"]


def past(engine, since, until=None, **filters):
    q = {"since": since, "until": until or f"{time.time() + 0.001:.9f}"}
    if filters:
        q["filters"] = json.dumps(filters)
    r = engine.api("GET", "/v1.51/events?" + urllib.parse.urlencode(q))
    assert r.status == 200, r.body
    return [json.loads(x) for x in r.body.splitlines()]


def actions(events):
    return [(e["Type"], e["Action"]) for e in events]


def test_a_life_in_order(engine):
    since = f"{time.time():.9f}"
    cid = create(engine, "ev")
    engine.api("POST", "/containers/ev/start")
    engine.api("POST", "/containers/ev/wait")
    assert engine.api("POST", "/containers/ev/rename?name=ev2").status == 204
    assert engine.api("DELETE", "/containers/ev2").status == 204
    got = past(engine, since, container=[cid])
    assert [e["Action"] for e in got] == ["create", "start", "die", "rename", "destroy"]
    first, die, rename = got[0], got[2], got[3]
    assert first["status"] == "create" and first["id"] == cid and first["from"] == "busybox"
    assert first["scope"] == "local" and first["Actor"]["ID"] == cid
    assert first["Actor"]["Attributes"] == {"color": "red", "image": "busybox", "name": "ev"}
    assert die["Actor"]["Attributes"]["exitCode"] == "0"
    assert "execDuration" in die["Actor"]["Attributes"]
    assert rename["Actor"]["Attributes"]["oldName"] == "/ev" and rename["Actor"]["Attributes"]["name"] == "ev2"
    assert all(e["timeNano"] // 10 ** 9 == e["time"] for e in got)
    assert [e["timeNano"] for e in got] == sorted(e["timeNano"] for e in got)


def test_every_verb_tells(engine):
    since = f"{time.time():.9f}"
    cid = create(engine, "ev", Cmd=["sleep", "1000"])
    for call in ("start", "pause", "unpause", "restart?t=0", "stop?t=0"):
        assert engine.api("POST", f"/containers/ev/{call}").status == 204, call
    got = [e["Action"] for e in past(engine, since, container=[cid])]
    for want in ("create", "start", "pause", "unpause", "kill", "die", "stop", "restart"):
        assert want in got, want


def test_the_volumes_of_a_container_tell(engine):
    since = f"{time.time():.9f}"
    cid = create(engine, "ev", HostConfig={"NetworkMode": "none", "Binds": ["evol:/v:ro"]})
    assert engine.api("POST", "/containers/ev/start").status == 204
    engine.api("POST", "/containers/ev/wait")
    got = past(engine, since, type=["volume"])
    assert [e["Action"] for e in got] == ["create", "mount", "unmount"]
    assert all(e["Actor"]["ID"] == "evol" for e in got)
    at = got[1]["Actor"]["Attributes"]
    assert (at["container"], at["destination"], at["driver"], at["read/write"]) == (cid, "/v", "local", "false")
    assert got[2]["Actor"]["Attributes"] == {"container": cid, "driver": "local"}


def test_a_start_that_fails_gives_its_volumes_back(engine):
    since = f"{time.time():.9f}"
    create(engine, "ev", Cmd=["/nosuch"], HostConfig={"NetworkMode": "none", "Binds": ["evol2:/v"]})
    assert engine.api("POST", "/containers/ev/start").status == 400
    assert [e["Action"] for e in past(engine, since, type=["volume"])] == ["create", "mount", "unmount"]


def test_a_prune_of_containers_tells(engine):
    since = f"{time.time():.9f}"
    create(engine, "ev")
    assert engine.api("POST", "/containers/prune").status == 200
    got = past(engine, since, type=["container"])
    assert [e["Action"] for e in got] == ["create", "destroy", "prune"]
    assert int(got[2]["Actor"]["Attributes"]["reclaimed"]) >= 0


def test_exec_tells(engine):
    cid = create(engine, "ev", Cmd=["sleep", "1000"])
    engine.api("POST", "/containers/ev/start")
    since = f"{time.time():.9f}"
    x = engine.api("POST", "/containers/ev/exec", body={"Cmd": ["sh", "-c", "exit 3"]}).json["Id"]
    assert engine.api("POST", f"/exec/{x}/start", body={"Detach": True}).status == 200
    got = wait_until(lambda: [e for e in past(engine, since, container=[cid]) if e["Action"] == "exec_die"], "exec_die")
    assert got[0]["Actor"]["Attributes"]["execID"] == x
    assert got[0]["Actor"]["Attributes"]["exitCode"] == "3"
    names = [e["Action"] for e in past(engine, since, container=[cid])]
    assert names[0].startswith("exec_create: sh -c exit 3") and names[1].startswith("exec_start: sh -c exit 3")
    assert len(past(engine, since, event=["exec_create"])) == 1


def test_filters(engine):
    since = f"{time.time():.9f}"
    a, b = create(engine, "eva"), create(engine, "evb", Labels={})
    engine.api("POST", "/containers/eva/start")
    engine.api("POST", "/containers/eva/wait")
    assert {e["id"] for e in past(engine, since, type=["container"])} == {a, b}
    assert actions(past(engine, since, event=["start", "die"])) == [("container", "start"), ("container", "die")]
    assert {e["id"] for e in past(engine, since, label=["color=red"])} == {a}
    assert {e["id"] for e in past(engine, since, label=["color"])} == {a}
    assert past(engine, since, label=["color=blue"]) == []
    assert {e["id"] for e in past(engine, since, container=["evb"])} == {b}
    assert {e["id"] for e in past(engine, since, container=[a[:12]])} == {a}
    assert {e["id"] for e in past(engine, since, image=["busybox"], type=["container"])} == {a, b}
    assert past(engine, since, image=["debian"]) == []
    assert past(engine, since, type=["volume"]) == []
    assert past(engine, since, scope=["swarm"]) == []


def test_images_and_volumes_tell(engine):
    since = f"{time.time():.9f}"
    engine.api("POST", "/images/busybox/tag?repo=evt&tag=1")
    engine.api("DELETE", "/images/evt:1")
    engine.api("POST", "/volumes/create", body={"Name": "evvol"})
    engine.api("DELETE", "/volumes/evvol")
    got = past(engine, since)
    assert ("image", "tag") in actions(got) and ("image", "untag") in actions(got)
    tag = [e for e in got if e["Action"] == "tag"][0]
    assert tag["Actor"]["Attributes"]["name"] == "evt:1" and tag["Actor"]["ID"].startswith("sha256:")
    vol = [e for e in got if e["Type"] == "volume"]
    assert [e["Action"] for e in vol] == ["create", "destroy"]
    assert vol[0]["Actor"] == {"ID": "evvol", "Attributes": {"driver": "local"}}
    assert "status" not in vol[0]


class Listener(threading.Thread):
    def __init__(self, engine, query=""):
        super().__init__(daemon=True)
        self.s, self.data, self.over = engine.connect(120), b"", False
        self.s.sendall(f"GET /v1.51/events?{query} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        self.start()

    def run(self):
        while True:
            chunk = self.s.recv(65536)
            if not chunk:
                break
            self.data += chunk
        self.over = True

    @property
    def events(self):
        body = self.data.split(b"\r\n\r\n", 1)
        return [json.loads(x) for x in body[1].split(b"\n")[:-1]] if len(body) == 2 else []


def test_a_listener_hears_as_it_happens(engine):
    listeners = [Listener(engine) for _ in range(3)]
    for x in listeners:
        wait_until(lambda x=x: b"\r\n\r\n" in x.data, "the early 200")
    assert engine.api("GET", "/info").json["NEventsListener"] == 3
    cid = create(engine, "ev")
    for x in listeners:
        wait_until(lambda x=x: [e for e in x.events if e.get("id") == cid and e["Action"] == "create"], "the event")
        x.s.shutdown(2)
    wait_until(lambda: engine.api("GET", "/info").json["NEventsListener"] == 0, "the listeners to be forgotten")


def test_until_ends_the_stream(engine):
    x = Listener(engine, f"until={time.time() + 1:.3f}")
    wait_until(lambda: b"\r\n\r\n" in x.data, "the early 200")
    cid = create(engine, "ev")
    wait_until(lambda: x.over, "the end of the stream")
    assert [e["id"] for e in x.events] == [cid]


def test_only_the_last_256_are_kept(engine):
    since = f"{time.time():.9f}"
    for i in range(150):
        engine.api("POST", f"/images/busybox/tag?repo=evmany&tag={i}")
        engine.api("DELETE", f"/images/evmany:{i}")
    got = past(engine, since, type=["image"])
    assert len(got) == 256
    assert got[-1]["Action"] == "untag"


def test_content_negotiation(engine):
    r = engine.api("GET", "/v1.51/events?since=1&until=2", headers={"Accept": "application/json-seq"})
    assert r.headers["content-type"] == "application/json-seq"
    r = engine.api("GET", "/v1.51/events?since=1&until=2")
    assert r.headers["content-type"] == "application/json"
