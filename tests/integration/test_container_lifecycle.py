# SPDX-License-Identifier: Apache-2.0
"""Containers over the API: create's checks, states, waits, removal, update, prune; Docker's words and codes."""
import json
import threading

import pytest

from harness import wait_until


def create(engine, name=None, cmd=("sleep", "1000"), **host):
    body = {"Image": "busybox", "Cmd": list(cmd), "HostConfig": {"NetworkMode": "none", **host}}
    body.update(body["HostConfig"].pop("_config", {}))
    r = engine.api("POST", "/containers/create" + (f"?name={name}" if name else ""), body)
    assert r.status == 201, r.body
    return r.json["Id"]


def start(engine, cid):
    r = engine.api("POST", f"/containers/{cid}/start")
    assert r.status == 204, r.body


def run(engine, name=None, cmd=("sleep", "1000"), **host):
    cid = create(engine, name, cmd, **host)
    start(engine, cid)
    return cid


def refused(engine, status, words, body, name=None):
    r = engine.api("POST", "/containers/create" + (f"?name={name}" if name else ""), body)
    assert r.status == status, (r.status, r.body)
    assert words in r.message
    assert engine.api("GET", "/containers/json?all=1").json == []


@pytest.mark.parametrize("status,words,body", [
    (404, "No such image: nosuch:latest", {"Image": "nosuch"}),
    (400, "no command specified", {"Image": "busybox", "Cmd": [], "Entrypoint": [""]}),
    (400, "invalid restart policy", {"HostConfig": {"RestartPolicy": {"Name": "sometimes"}}}),
    (400, "can't create 'AutoRemove' container with restart policy",
     {"HostConfig": {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}}),
    (400, "Minimum memory limit allowed is 6MB", {"HostConfig": {"Memory": 1000}}),
    (400, "Minimum memoryswap limit should be larger than memory limit",
     {"HostConfig": {"Memory": 64 << 20, "MemorySwap": 32 << 20}}),
    (400, "ange of CPUs is from 0.01", {"HostConfig": {"NanoCpus": 10 ** 15}}),
    (400, "Range of blkio weight", {"HostConfig": {"BlkioWeight": 5}}),
    (400, "invalid PID mode", {"HostConfig": {"PidMode": "nosuch"}}),
    (400, "No such container: nosuch", {"HostConfig": {"PidMode": "container:nosuch"}}),
    (400, "invalid IPC mode", {"HostConfig": {"IpcMode": "nosuch"}}),
    (404, "network nosuch not found", {"HostConfig": {"NetworkMode": "nosuch"}}),
    (400, "is not in a separate kernel namespace", {"HostConfig": {"Sysctls": {"kernel.core_pattern": "x"}}}),
    (400, "is not allowed", {"HostConfig": {"Sysctls": {"net/../kernel.core_pattern": "x"}}}),
    (400, "error looking up logging plugin nosuch", {"HostConfig": {"LogConfig": {"Type": "nosuch"}}}),
    (400, "unknown log opt 'nosuch'", {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"nosuch": "1"}}}}),
    (400, "nknown capability", {"HostConfig": {"CapAdd": ["NOSUCH"]}}),
    (400, "invalid ulimit type: nosuch", {"HostConfig": {"Ulimits": [{"Name": "nosuch", "Soft": 1, "Hard": 1}]}}),
    (400, "ulimit soft limit must be less than or equal to hard limit",
     {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 1}]}}),
    (400, "bad format for add-host", {"HostConfig": {"ExtraHosts": ["nonsense"]}}),
    (400, "invalid --security-opt", {"HostConfig": {"SecurityOpt": ["nosuch=1"]}}),
    (400, "seccomp", {"HostConfig": {"SecurityOpt": ["seccomp={\"defaultAction\":\"NOPE\"}"]}}),
    (400, "needs to be an absolute path", {"WorkingDir": "relative"}),
    (400, "invalid signal", {"StopSignal": "NOSUCH"}),
    (400, "invalid device cgroup rule", {"HostConfig": {"DeviceCgroupRules": ["nonsense"]}}),
    (400, "bind source path does not exist",
     {"HostConfig": {"Mounts": [{"Type": "bind", "Source": "/no/such/path", "Target": "/x"}]}}),
    (400, "Duplicate mount point: /x", {"HostConfig": {"Binds": ["a1:/x", "b1:/x"]}}),
    (400, "invalid", {"HostConfig": {"PortBindings": {"nonsense": [{}]}}}),
    (501, "Healthcheck", {"Healthcheck": {"Test": ["CMD", "true"]}}),
    (400, "storage-opt", {"HostConfig": {"StorageOpt": {"size": "1G"}}}),
])
def test_create_refuses(engine, status, words, body):
    refused(engine, status, words, {"Image": "busybox", "Cmd": ["true"], **body})
    assert engine.api("GET", "/volumes").json["Volumes"] == [] or "a1" in json.dumps(body)


def test_names_and_prefixes(engine):
    cid = create(engine, "alpha")
    r = engine.api("POST", "/containers/create?name=alpha", {"Image": "busybox", "Cmd": ["true"]})
    assert r.status == 409
    assert r.message == (f'Conflict. The container name "/alpha" is already in use by container "{cid}". You have to remove (or '
                         'rename) that container to be able to reuse that name.')
    for ref in (cid, cid[:12], cid[:4], "alpha", "/alpha", "%2Falpha"):
        r = engine.api("GET", f"/containers/{ref}/json")
        assert r.status == 200 and r.json["Id"] == cid, ref
    others = [create(engine) for _ in range(17)]
    ids = [cid, *others]
    first = next(c for c in "0123456789abcdef" if sum(i.startswith(c) for i in ids) > 1)
    r = engine.api("GET", f"/containers/{first}/json")
    assert (r.status, r.message) == (400, f"multiple IDs found with provided prefix: {first}")
    r = engine.api("GET", "/containers/nosuch/json")
    assert (r.status, r.message) == (404, "No such container: nosuch")
    for bad in ("a", "-x", "a b", "a/b", "..", "%00ab"):
        r = engine.api("POST", f"/containers/create?name={bad.replace(' ', '%20')}", {"Image": "busybox", "Cmd": ["true"]})
        assert r.status == 400, bad
    assert engine.api("POST", f"/containers/{cid}/rename?name=beta").status == 204
    assert engine.api("GET", "/containers/alpha/json").status == 404
    assert engine.inspect("beta")["Name"] == "/beta"
    assert engine.api("POST", "/containers/beta/rename?name=beta").status == 400
    create(engine, "alpha")
    assert engine.api("POST", "/containers/beta/rename?name=alpha").status == 409


def test_states(engine):
    cid = create(engine, "st")
    assert engine.state("st")["Status"] == "created"
    for verb in ("pause", "unpause", "kill"):
        assert engine.api("POST", f"/containers/st/{verb}").status == 409, verb
    assert engine.api("POST", "/containers/st/stop").status == 304
    start(engine, cid)
    assert engine.api("POST", "/containers/st/start").status == 304
    s = engine.state("st")
    assert s["Running"] and s["Pid"] > 0 and s["StartedAt"] > "2000"
    r = engine.api("DELETE", "/containers/st")
    assert r.status == 409 and "stop the container before removing or force remove" in r.message
    assert engine.api("POST", "/containers/st/pause").status == 204
    assert engine.state("st")["Paused"]
    assert engine.api("POST", "/containers/st/pause").status == 409
    assert engine.api("POST", "/containers/st/start").status == 409
    assert engine.api("POST", "/containers/st/exec", {"Cmd": ["true"]}).status == 409
    assert engine.api("POST", "/containers/st/unpause").status == 204
    assert engine.api("POST", "/containers/st/kill?signal=NOSUCH").status == 400
    assert engine.api("POST", "/containers/st/kill").status == 204
    s = engine.state("st")
    assert (s["Status"], s["ExitCode"], s["Pid"]) == ("exited", 137, 0)
    start(engine, cid)
    assert engine.state("st")["ExitCode"] == 0
    assert engine.api("POST", "/containers/st/restart?t=0").status == 204
    assert engine.api("DELETE", "/containers/st?force=1").status == 204
    assert engine.api("GET", "/containers/st/json").status == 404


def test_a_paused_container_can_be_stopped_and_removed(engine):
    for verb in ("stop?t=0", "kill"):
        cid = run(engine)
        assert engine.api("POST", f"/containers/{cid}/pause").status == 204
        assert engine.api("POST", f"/containers/{cid}/{verb}").status == 204
        assert engine.state(cid)["Status"] == "exited"
    cid = run(engine)
    assert engine.api("POST", f"/containers/{cid}/pause").status == 204
    assert engine.api("DELETE", f"/containers/{cid}?force=1").status == 204


def test_stop_signal_and_timeout(engine):
    trap = "trap 'exit 33' USR1; echo ready; while :; do sleep 0.1; done"
    cid = run(engine, cmd=("sh", "-c", trap), _config={"StopSignal": "SIGUSR1", "StopTimeout": 60})
    wait_until(lambda: b"ready" in engine.api("GET", f"/containers/{cid}/logs?stdout=1").body, "the trap")
    assert engine.api("POST", f"/containers/{cid}/stop").status == 204
    assert engine.state(cid)["ExitCode"] == 33
    cid = run(engine, cmd=("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"))
    wait_until(lambda: b"ready" in engine.api("GET", f"/containers/{cid}/logs?stdout=1").body, "the trap")
    assert engine.api("POST", f"/containers/{cid}/stop?t=1").status == 204
    assert engine.state(cid)["ExitCode"] == 137


def in_thread(fn):
    out = []
    t = threading.Thread(target=lambda: out.append(fn()))
    t.start()
    return t, out


def test_wait_conditions(engine):
    cid = create(engine, cmd=("sh", "-c", "exit 5"))
    assert engine.api("POST", f"/containers/{cid}/wait").json["StatusCode"] == 0  # it does not run
    assert engine.api("POST", f"/containers/{cid}/wait?condition=nonsense").status == 400
    c = engine.connect()
    c.sendall(f"POST /v1.44/containers/{cid}/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    head = c.recv(4096)
    assert b"200 OK" in head  # registered, and told so, before the start
    start(engine, cid)
    body = head.split(b"\r\n\r\n", 1)[1]
    while b'"StatusCode":5' not in body:
        more = c.recv(4096)
        assert more, body
        body += more
    c.close()
    t, out = in_thread(lambda: engine.api("POST", f"/containers/{cid}/wait?condition=removed"))
    wait_until(lambda: engine.state(cid)["Status"] == "exited", "its end")
    assert engine.api("DELETE", f"/containers/{cid}").status == 204
    t.join(60)
    assert not t.is_alive() and out[0].json["StatusCode"] == 5


def test_auto_remove(engine):
    cid = create(engine, "gone", cmd=("sh", "-c", "exit 6"), AutoRemove=True)
    t, out = in_thread(lambda: engine.api("POST", f"/containers/{cid}/wait?condition=removed"))
    start(engine, cid)
    t.join(60)
    assert not t.is_alive()
    assert out[0].status == 404 or out[0].json["StatusCode"] == 6
    wait_until(lambda: engine.api("GET", f"/containers/{cid}/json").status == 404, "its removal")
    create(engine, "gone")  # the name is free


def test_start_failure_keeps_the_container(engine):
    cid = create(engine, cmd=("nosuch",))
    r = engine.api("POST", f"/containers/{cid}/start")
    assert r.status == 400 and 'exec: "nosuch": executable file not found in $PATH' in r.message
    s = engine.state(cid)
    assert (s["Status"], s["ExitCode"]) == ("created", 127)
    assert "executable file not found" in s["Error"]


def test_privileged_fields_reach_the_process(engine):
    cid = create(engine, cmd=("sh", "-c", "id -u; id -G; hostname; cat /proc/self/oom_score_adj; pwd; ulimit -n; touch /x || echo ro; "
                                          "cat /proc/sys/net/ipv4/ip_forward; grep CapEff /proc/self/status"),
                 ReadonlyRootfs=True, GroupAdd=["extra", "77"], OomScoreAdj=100, CapDrop=["ALL"], CapAdd=["CHOWN"],
                 Ulimits=[{"Name": "nofile", "Soft": 111, "Hard": 222}], Sysctls={"net.ipv4.ip_forward": "1"},
                 _config={"Hostname": "boat", "WorkingDir": "/tmp", "Tty": False})
    start(engine, cid)
    wait_until(lambda: engine.state(cid)["Status"] == "exited", "its end")
    raw = engine.api("GET", f"/containers/{cid}/logs?stdout=1").body
    text = b""
    while raw:
        n = int.from_bytes(raw[4:8], "big")
        text += raw[8:8 + n]
        raw = raw[8 + n:]
    lines = text.decode().split("\n")
    assert lines[0] == "0" and set(lines[1].split()) == {"0", "2000", "77"} and lines[2] == "boat"
    assert lines[3] == "100" and lines[4] == "/tmp" and lines[5] == "111" and lines[6] == "ro" and lines[7] == "1"
    assert lines[8].split()[1] == "0000000000000001"


def test_user_by_name(engine):
    cid = create(engine, cmd=("id",), _config={"User": "user"})
    start(engine, cid)
    wait_until(lambda: engine.state(cid)["Status"] == "exited", "its end")
    out = engine.api("GET", f"/containers/{cid}/logs?stdout=1").body[8:]
    assert out == b"uid=1000(user) gid=1000(user) groups=1000(user),2000(extra)\n"
    cid = create(engine, cmd=("id",), _config={"User": "nosuch"})
    r = engine.api("POST", f"/containers/{cid}/start")
    assert r.status in (400, 500) and "unable to find user nosuch" in r.message


def test_namespaces_of_others(engine):
    one = run(engine, "one", IpcMode="shareable")
    assert engine.docker("exec", "one", "sh", "-c", "echo shared > /dev/shm/f").rc == 0
    run(engine, "two", PidMode="container:one", IpcMode="container:one")
    assert engine.docker("exec", "two", "cat", "/dev/shm/f").out == "shared\n"
    assert engine.docker("exec", "two", "ps").out.count("sleep 1000") == 2
    r = engine.docker("run", "--rm", "--net", "container:one", "busybox", "readlink", "/proc/self/ns/net")
    assert r.out == engine.docker("exec", "one", "readlink", "/proc/self/ns/net").out
    host = engine.docker("run", "--rm", "--net", "host", "--pid", "host", "--uts", "host", "busybox", "hostname").out
    assert host == __import__("socket").gethostname() + "\n"
    assert engine.api("DELETE", f"/containers/{one}?force=1").status == 204
    cid = create(engine, PidMode="container:two")
    engine.api("POST", "/containers/two/kill")
    r = engine.api("POST", f"/containers/{cid}/start")
    assert r.status == 409 and "non running container" in r.message


def test_update(engine):
    cid = run(engine)
    r = engine.api("POST", f"/containers/{cid}/update", {"Memory": 64 << 20, "MemorySwap": -1, "CpuShares": 512, "PidsLimit": 50})
    assert r.status == 200, r.body
    hc = engine.inspect(cid)["HostConfig"]
    assert (hc["Memory"], hc["CpuShares"], hc["PidsLimit"]) == (64 << 20, 512, 50)
    assert engine.api("POST", f"/containers/{cid}/update", {"RestartPolicy": {"Name": "unless-stopped"}}).status == 200
    hc = engine.inspect(cid)["HostConfig"]
    assert hc["RestartPolicy"]["Name"] == "unless-stopped" and hc["Memory"] == 64 << 20
    assert engine.api("POST", f"/containers/{cid}/update", {"Memory": 1}).status == 400
    assert engine.api("POST", f"/containers/{cid}/update", {"RestartPolicy": {"Name": "nonsense"}}).status == 400
    assert engine.inspect(cid)["HostConfig"]["Memory"] == 64 << 20


def test_prune(engine):
    keep = run(engine, "keep")
    old = create(engine, "labelled", _config={"Labels": {"a": "b"}})
    gone = create(engine, "gone2")
    r = engine.api("POST", "/containers/prune?filters=" + json.dumps({"label!": ["a=b"]}).replace(" ", ""))
    assert r.status == 200 and r.json["ContainersDeleted"] == [gone]
    r = engine.api("POST", "/containers/prune")
    assert r.json["ContainersDeleted"] == [old]
    assert engine.state(keep)["Running"]


def test_list_and_filters(engine):
    a = run(engine, "list-a", _config={"Labels": {"k": "v"}})
    b = create(engine, "list-b")
    ids = lambda q: [c["Id"] for c in engine.api("GET", "/containers/json" + q).json]
    f = lambda **kw: "?filters=" + json.dumps({k.replace("_", "-"): v for k, v in kw.items()}).replace(" ", "")
    assert ids("") == [a] and ids("?all=1") == [b, a] and ids("?limit=1") == [b]
    assert ids(f(status=["created"])) == [b] and ids(f(name=["list-a"])) == [a] and ids(f(label=["k=v"])) == [a]
    assert ids(f(id=[b[:8]]) + "&all=1") == [b] and ids(f(before=["list-b"]) + "&all=1") == [a]
    assert ids(f(since=["list-a"]) + "&all=1") == [b] and ids(f(ancestor=["busybox"]) + "&all=1") == [b, a]
    assert ids(f(ancestor=["nosuch"]) + "&all=1") == [] and ids(f(network=["none"]) + "&all=1") == [b, a]
    assert engine.api("GET", "/containers/json" + f(nonsense=["x"])).status == 400
    assert engine.api("GET", "/containers/json" + f(status=["nonsense"])).status == 400


def test_many_at_once(engine):
    """Eight clients start, stop and remove: no stuck state, no wrong answer."""
    errors = []

    def work(n):
        for i in range(6):
            try:
                cid = run(engine, f"many-{n}-{i}", cmd=("sh", "-c", f"exit {n}"))
                r = engine.api("POST", f"/containers/{cid}/wait")
                assert r.json["StatusCode"] == n, r.body
                assert engine.api("DELETE", f"/containers/{cid}?force=1").status == 204
            except AssertionError as e:
                errors.append(e)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    assert engine.api("GET", "/containers/json?all=1").json == []


def test_start_stop_race(engine):
    """start, kill and rm -f of one container at the same time end in one of the allowed answers."""
    for _ in range(15):
        cid = create(engine)
        jobs = [in_thread(lambda v=v: engine.api(*v).status) for v in (
            ("POST", f"/containers/{cid}/start"), ("POST", f"/containers/{cid}/kill"), ("POST", f"/containers/{cid}/stop?t=0"),
            ("POST", f"/containers/{cid}/restart?t=0"), ("DELETE", f"/containers/{cid}?force=1"))]
        for t, _out in jobs:
            t.join(90)
            assert not t.is_alive()
        assert all(out[0] in (204, 304, 404, 409) for _t, out in jobs), [out for _t, out in jobs]
        engine.api("DELETE", f"/containers/{cid}?force=1")
        wait_until(lambda: engine.api("GET", f"/containers/{cid}/json").status == 404, "its removal")


def test_links(engine):
    assert engine.docker("run", "--rm", "--link", "nosuch", "busybox").rc != 0
    engine.docker("run", "-d", "--name", "db-1", "--expose", "5432", "-e", "SECRET=x", "busybox", "sleep", "1000").ok()
    ip = engine.inspect("db-1")["NetworkSettings"]["IPAddress"]
    out = engine.docker("run", "--name", "app1", "--link", "db-1:db", "busybox", "sh", "-c", "env; cat /etc/hosts").out
    for line in (f"DB_PORT=tcp://{ip}:5432", f"DB_PORT_5432_TCP_ADDR={ip}", "DB_PORT_5432_TCP_PROTO=tcp", "DB_ENV_SECRET=x",
                 "DB_NAME=/app1/db"):
        assert line in out.split("\n"), (line, out)
    assert f"{ip}\tdb " in out
    assert engine.inspect("app1")["HostConfig"]["Links"] == ["/db-1:/app1/db"]
    engine.docker("rm", "-f", "db-1").ok()
    r = engine.api("POST", "/containers/app1/start")
    assert r.status in (404, 409)
