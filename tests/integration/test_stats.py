# SPDX-License-Identifier: Apache-2.0
"""stats, top, info, version, system df, the built-in networks."""
import json
import os

import pytest

from harness import wait_until


def start(engine, *cmd, name="st", host=None, **config):
    r = engine.api("POST", f"/containers/create?name={name}", body={"Image": "busybox", "Cmd": list(cmd), "HostConfig": host or {}, **config})
    assert r.status == 201, r.body
    r = engine.api("POST", f"/containers/{name}/start")
    assert r.status == 204, r.body
    return name


def stats(engine, query, name="st"):
    r = engine.api("GET", f"/v1.51/containers/{name}/stats?{query}")
    assert r.status == 200, r.body
    return r.json


def test_one_shot(engine):
    start(engine, "sleep", "1000")
    s = stats(engine, "stream=0&one-shot=1")
    assert s["name"] == "/st" and s["id"] == engine.inspect("st")["Id"]
    assert s["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert s["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert s["cpu_stats"]["system_cpu_usage"] > 0
    assert s["cpu_stats"]["online_cpus"] == os.sysconf("SC_NPROCESSORS_ONLN")
    assert s["pids_stats"]["current"] == 1
    assert 0 < s["memory_stats"]["usage"] < s["memory_stats"]["limit"]
    assert s["memory_stats"]["stats"]
    assert s["read"].startswith("20") and s["preread"] == "0001-01-01T00:00:00Z"
    assert "eth0" in s["networks"]


def test_two_samples_tell_a_rate(engine):
    start(engine, "sh", "-c", "while :; do :; done", host={"NetworkMode": "none"})
    s = stats(engine, "stream=0")
    cpu = s["cpu_stats"]["cpu_usage"]["total_usage"] - s["precpu_stats"]["cpu_usage"]["total_usage"]
    system = s["cpu_stats"]["system_cpu_usage"] - s["precpu_stats"]["system_cpu_usage"]
    assert 0 < cpu <= system * 1.5
    assert s["preread"] < s["read"]
    assert "networks" not in s


def test_limits_show(engine):
    start(engine, "sleep", "1000", host={"Memory": 64 << 20, "PidsLimit": 50, "NetworkMode": "none"})
    s = stats(engine, "stream=0&one-shot=1")
    assert s["memory_stats"]["limit"] == 64 << 20
    assert s["pids_stats"]["limit"] == 50


def test_the_stream(engine):
    start(engine, "sleep", "1000")
    s = engine.connect()
    s.sendall(b"GET /v1.51/containers/st/stats HTTP/1.0\r\nHost: x\r\n\r\n")
    data = b""
    while data.count(b"\n{") + data.count(b"\r\n\r\n{") < 3:
        chunk = s.recv(65536)
        assert chunk
        data += chunk
    s.close()
    objects = [json.loads(x) for x in data.split(b"\r\n\r\n", 1)[1].split(b"\n")[:2]]
    assert objects[0]["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert objects[1]["precpu_stats"]["system_cpu_usage"] == objects[0]["cpu_stats"]["system_cpu_usage"]
    assert objects[1]["preread"] == objects[0]["read"]


def test_a_container_that_does_not_run_has_zeroes(engine):
    engine.api("POST", "/containers/create?name=st", body={"Image": "busybox"})
    s = stats(engine, "stream=0")
    assert s["read"] == "0001-01-01T00:00:00Z"
    assert s["cpu_stats"]["cpu_usage"]["total_usage"] == 0 and s["name"] == "/st"


def test_top(engine):
    start(engine, "sh", "-c", "sleep 1000 & wait", host={"NetworkMode": "none"})
    want = {"sh -c sleep 1000 & wait", "sleep 1000"}

    def both():
        x = engine.api("GET", "/containers/st/top").json
        return x if {p[-1] for p in x["Processes"]} == want else None
    t = wait_until(both, "both processes")
    assert t["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert all(len(p) == 8 for p in t["Processes"])
    t = engine.api("GET", "/containers/st/top?ps_args=-o%20pid,comm").json
    assert t["Titles"] == ["PID", "COMMAND"] and len(t["Processes"]) == 2
    t = engine.api("GET", "/containers/st/top?ps_args=aux").json
    assert t["Titles"][1] == "PID" and len(t["Processes"]) == 2
    r = engine.api("GET", "/containers/st/top?ps_args=-o%20comm")
    assert r.status == 500 and r.message == "Couldn't find PID field in ps output"
    r = engine.api("GET", "/containers/st/top?ps_args=--nosuchflag")
    assert r.status == 500 and r.message.startswith("ps: ")
    r = engine.api("GET", "/containers/st/top?ps_args=-o%20comm=PID%20-o%20pid")
    assert r.status == 400 and "not allowed" in r.message


def test_info_counts(engine):
    start(engine, "sleep", "1000", name="aa")
    start(engine, "sleep", "1000", name="bb")
    engine.api("POST", "/containers/bb/pause")
    engine.api("POST", "/containers/create?name=cc", body={"Image": "busybox"})
    i = engine.api("GET", "/info").json
    assert (i["Containers"], i["ContainersRunning"], i["ContainersPaused"], i["ContainersStopped"]) == (3, 1, 1, 1)
    assert i["Images"] >= 1
    assert i["OSType"] == "linux" and i["Swarm"]["LocalNodeState"] == "inactive"
    assert i["NCPU"] == os.sysconf("SC_NPROCESSORS_ONLN") and i["KernelVersion"] == os.uname().release
    assert "local" in i["Plugins"]["Volume"] and "json-file" in i["Plugins"]["Log"]
    assert i["ID"] and i["ServerVersion"]
    engine.restart()
    assert engine.api("GET", "/info").json["ID"] == i["ID"]


def test_version_names_the_engine(engine):
    v = engine.api("GET", "/version").json
    assert v["Platform"]["Name"].startswith("hoy")
    assert (v["ApiVersion"], v["MinAPIVersion"], v["Os"]) == ("1.51", "1.24", "linux")
    assert v["Components"][0]["Name"] == "Engine"
    assert v["Components"][0]["Details"]["ApiVersion"] == "1.51"


def test_df(engine):
    start(engine, "sh", "-c", "head -c 100000 /dev/zero > /f; sleep 1000", host={"Binds": ["dfvol:/v"], "NetworkMode": "none"})
    d = wait_until(lambda: (lambda x: x if x["Containers"][0]["SizeRw"] >= 100000 else None)(engine.api("GET", "/system/df").json), "the file's size")
    assert d["LayersSize"] > 1000000
    image = [i for i in d["Images"] if "busybox:latest" in i["RepoTags"]][0]
    assert image["Containers"] == 1 and image["Size"] > 1000000
    vol = [v for v in d["Volumes"] if v["Name"] == "dfvol"][0]
    assert vol["UsageData"]["RefCount"] == 1 and vol["UsageData"]["Size"] >= 0
    d = engine.api("GET", "/system/df?type=volume").json
    assert not d["Images"] and not d["Containers"] and d["Volumes"]
    engine.remove_all()
    engine.api("DELETE", "/volumes/dfvol")


def test_networks(engine):
    start(engine, "sleep", "1000")
    nets = {n["Name"]: n for n in engine.api("GET", "/networks").json}
    assert set(nets) == {"bridge", "host", "none"}
    assert nets["none"]["Driver"] == "null" and nets["bridge"]["IPAM"]["Config"][0]["Gateway"] == engine.bip.split("/")[0]
    assert all(n["Labels"] == {} for n in nets.values())
    b = engine.api("GET", "/networks/bridge").json
    cid = engine.inspect("st")["Id"]
    assert b["Containers"][cid]["Name"] == "st"
    assert b["Containers"][cid]["IPv4Address"].split("/")[0] == engine.inspect("st")["NetworkSettings"]["IPAddress"]
    assert engine.api("GET", "/networks/" + b["Id"][:12]).json["Name"] == "bridge"
    assert [n["Name"] for n in engine.api("GET", '/networks?filters={"name":["host"]}').json] == ["host"]
    assert engine.api("GET", '/networks?filters={"type":["custom"]}').json == []
    r = engine.api("GET", "/networks/nosuch")
    assert (r.status, r.message) == (404, "network nosuch not found")


@pytest.mark.parametrize("condition", ["", "not-running", "next-exit", "removed"])
def test_wait_conditions(engine, condition):
    engine.api("POST", "/containers/create?name=wt", body={"Image": "busybox", "Cmd": ["sh", "-c", "exit 5"], "HostConfig":
               {"NetworkMode": "none", "AutoRemove": condition == "removed"}})
    s = engine.connect(120)
    s.sendall(f"POST /v1.51/containers/wt/wait?condition={condition} HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(4096)
    assert head.startswith(b"HTTP/1.1 200")
    if condition not in ("", "not-running"):
        # the early 200 says that the wait is registered: the start may follow
        assert head.endswith(b"\r\n\r\n")
    assert engine.api("POST", "/containers/wt/start").status == 204
    body = head.split(b"\r\n\r\n", 1)[1]
    while True:
        chunk = s.recv(4096)
        if not chunk:
            break
        body += chunk
    want = 0 if condition in ("", "not-running") else 5
    assert json.loads(body) == {"StatusCode": want}
