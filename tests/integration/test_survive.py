# SPDX-License-Identifier: Apache-2.0
"""kill -9 of hoyd at every durable step, and under load: what was acknowledged stays, what was not leaves nothing."""
import os
import pathlib
import signal

import pytest

from harness import wait_until

N = ("--net", "none")


def audit(engine):
    """Records, directories and snapshots tell of the same containers."""
    ids = {c["Id"] for c in engine.api("GET", "/containers/json?all=1").json}
    for d in (engine.data_root / "containers", engine.exec_root / "containers", engine.data_root / "snapshots"):
        found = {p.name for p in d.iterdir() if len(p.name) == 64}
        assert found <= ids, (d, found - ids)
    for cid in ids:
        assert engine.inspect(cid)["State"]["Status"] in ("created", "running", "exited", "paused", "restarting")


def die_at(engine, point, action):
    """The engine kills itself at the fault point during action(); a new one starts."""
    engine.restart(env={"HOY_FAULT": f"{point}=kill"})
    try:
        action()
    except OSError:
        pass
    except Exception as e:  # the connection broke under the HTTP client
        assert "Remote" in repr(e) or "Incomplete" in repr(e) or "BadStatus" in repr(e), e
    wait_until(lambda: engine.proc.poll() is not None, f"the engine's death at {point}")
    assert engine.proc.returncode == -signal.SIGKILL
    engine.start()
    audit(engine)


def make(engine, name, cmd=("sleep", "1000"), **host):
    r = engine.api("POST", f"/containers/create?name={name}",
                   {"Image": "busybox", "Cmd": list(cmd), "HostConfig": {"NetworkMode": "none", **host}})
    assert r.status == 201, r.body
    return r.json["Id"]


@pytest.mark.parametrize("point", ["engine.create.snapshot", "engine.create.volumes", "engine.create.row"])
def test_create(engine, point):
    die_at(engine, point, lambda: make(engine, "half", Binds=["hv:/v"]))
    r = engine.api("GET", "/containers/half/json")
    if point == "engine.create.row":
        assert r.status == 200  # recorded, though nobody was told
        assert engine.api("POST", "/containers/half/start").status == 204
    else:
        assert r.status == 404
        make(engine, "half")  # the name is free


@pytest.mark.parametrize("point", ["engine.start.recorded", "engine.start.network", "engine.start.launched", "engine.start.running"])
def test_start(engine, point):
    cid = make(engine, "st", NetworkMode="bridge")
    die_at(engine, point, lambda: engine.api("POST", f"/containers/{cid}/start"))
    s = engine.state(cid)
    if point == "engine.start.running":
        assert s["Running"] and pathlib.Path(f"/proc/{s['Pid']}").exists()
        assert engine.api("POST", f"/containers/{cid}/stop?t=0").status == 204
    else:
        assert s["Status"] == "created" and s["Pid"] == 0
    assert engine.api("POST", f"/containers/{cid}/start").status == 204
    assert engine.state(cid)["Running"]


@pytest.mark.parametrize("point", ["engine.exit.seen", "engine.exit.network", "engine.exit.recorded"])
def test_exit(engine, point):
    cid = make(engine, "ex", cmd=("sh", "-c", "exit 23"), NetworkMode="bridge")
    die_at(engine, point, lambda: engine.api("POST", f"/containers/{cid}/start"))
    s = engine.state(cid)
    assert (s["Status"], s["ExitCode"]) == ("exited", 23)
    assert engine.api("DELETE", f"/containers/{cid}").status == 204


@pytest.mark.parametrize("point", ["engine.exit.recorded", "engine.remove.marked", "engine.remove.snapshot", "engine.remove.row"])
def test_auto_remove(engine, point):
    cid = make(engine, "auto", cmd=("true",), AutoRemove=True)
    die_at(engine, point, lambda: engine.api("POST", f"/containers/{cid}/start"))
    wait_until(lambda: engine.api("GET", f"/containers/{cid}/json").status == 404, "its removal")
    audit(engine)


@pytest.mark.parametrize("point", ["engine.remove.marked", "engine.remove.snapshot", "engine.remove.row"])
def test_remove(engine, point):
    cid = make(engine, "rm1", Binds=["kept:/v"], Mounts=[{"Type": "volume", "Target": "/anonymous"}])
    volumes = {m["Name"] for m in engine.inspect(cid)["Mounts"]}
    assert len(volumes) == 2
    die_at(engine, point, lambda: engine.api("DELETE", f"/containers/{cid}"))
    assert engine.api("GET", f"/containers/{cid}/json").status == 404
    # nobody said v=1
    assert volumes <= {v["Name"] for v in engine.api("GET", "/volumes").json["Volumes"]}
    assert engine.api("DELETE", "/volumes/kept").status == 204  # nobody holds it
    make(engine, "rm1")


@pytest.mark.parametrize("point", ["engine.rename.recorded", "engine.update.recorded"])
def test_change(engine, point):
    cid = make(engine, "old")
    verb = "rename?name=new1" if "rename" in point else "update"
    die_at(engine, point, lambda: engine.api("POST", f"/containers/{cid}/{verb}", {"CpuShares": 77}))
    if "rename" in point:
        assert engine.inspect(cid)["Name"] == "/new1" and engine.api("GET", "/containers/old/json").status == 404
        make(engine, "old")
    else:
        assert engine.inspect(cid)["HostConfig"]["CpuShares"] == 77


def test_injected_failures_leave_nothing(engine):
    for point in ("engine.create.snapshot", "engine.create.volumes"):
        engine.restart(env={"HOY_FAULT": f"{point}=ENOSPC"})
        r = engine.api("POST", "/containers/create?name=no1", {"Image": "busybox", "HostConfig": {"Binds": ["/anon"]}})
        assert r.status == 500, (point, r.body)
        assert engine.api("GET", "/containers/json?all=1").json == []
        audit(engine)
    engine.restart(env={"HOY_FAULT": "engine.start.network=EIO"})
    cid = make(engine, "no2", NetworkMode="bridge")
    assert engine.api("POST", f"/containers/{cid}/start").status == 500
    assert engine.state(cid)["Status"] == "created"
    engine.restart()


def test_containers_logs_and_clients_go_on(engine):
    p = engine.popen("run", "-i", "--name", "talk", *N, "busybox", "sh", "-c",
                     "while read x; do echo got $x; done; exit 8", stdin=-1, stdout=-1)
    p.stdin.write(b"one\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"got one\n"
    pid = engine.state("talk")["Pid"]
    engine.kill9()
    p.stdin.write(b"two\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"got two\n"
    engine.start()
    assert engine.state("talk")["Pid"] == pid
    assert engine.docker("logs", "talk").out == "got one\ngot two\n"
    assert engine.docker("exec", "talk", "echo", "still").out == "still\n"
    p.stdin.close()
    wait_until(lambda: engine.state("talk")["Status"] == "exited", "its end")
    assert engine.state("talk")["ExitCode"] == 8
    p.stdout.close()
    p.wait()


def test_end_while_no_engine_runs(engine):
    engine.docker("run", "-d", "--name", "away", *N, "busybox", "sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 44").ok()
    pid = engine.state("away")["Pid"]
    engine.kill9()
    pathlib.Path(f"/proc/{pid}/root/tmp/go").touch()
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "its end")
    engine.start()
    s = engine.state("away")
    assert (s["Status"], s["ExitCode"]) == ("exited", 44)
    assert s["FinishedAt"] > s["StartedAt"]


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_killed_monitor(engine):
    """Without its monitor a container cannot be watched: it is killed, and told as 137."""
    engine.docker("run", "-d", "--name", "orphan", *N, "busybox", "sleep", "1000").ok()
    pid = engine.state("orphan")["Pid"]
    monitor = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(monitor, signal.SIGKILL)
    wait_until(lambda: engine.state("orphan")["Status"] == "exited", "its end")
    assert engine.state("orphan")["ExitCode"] == 137
    assert not alive(pid)
    engine.docker("start", "orphan").ok()
    # The same while no engine looks.
    pid = engine.state("orphan")["Pid"]
    monitor = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    engine.kill9()
    os.kill(monitor, signal.SIGKILL)
    engine.start()
    assert engine.state("orphan")["Status"] == "exited"
    wait_until(lambda: not alive(pid), "its process gone")


def test_paused_survives(engine):
    engine.docker("run", "-d", "--name", "froz", *N, "busybox", "sleep", "1000").ok()
    engine.docker("pause", "froz").ok()
    engine.kill9()
    engine.start()
    assert engine.state("froz")["Paused"]
    engine.docker("unpause", "froz").ok()
    assert engine.docker("exec", "froz", "echo", "thawed").out == "thawed\n"


def test_second_engine_is_refused(engine, new_engine):
    other = new_engine(start=False)
    other.base.mkdir(parents=True, exist_ok=True)
    (other.base / "daemon.json").write_text("{}")
    argv = [a.replace(str(other.data_root), str(engine.data_root)) for a in other.argv()]
    import subprocess
    p = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert p.returncode != 0 and "another engine runs on the data root" in p.stderr


def test_published_ports_go_on(engine):
    import socket
    engine.docker("run", "-d", "--name", "web", "-p", "127.0.0.1:18432:80", "busybox", "sh", "-c",
                  "while :; do echo pong | nc -l -p 80; done").ok()

    def ping():
        try:
            with socket.create_connection(("127.0.0.1", 18432), timeout=5) as s:
                return s.recv(100) == b"pong\n"
        except OSError:
            return False
    wait_until(ping, "the published port")
    engine.kill9()
    wait_until(ping, "the port without an engine")
    engine.start()
    wait_until(ping, "the port after the restart")
    assert engine.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "18432"}]
    engine.docker("rm", "-f", "web").ok()
    engine.docker("run", "-d", "--name", "web", "-p", "127.0.0.1:18432:80", "busybox", "sleep", "1000").ok()
