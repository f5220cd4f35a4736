# SPDX-License-Identifier: Apache-2.0
"""Limits, as the kernel has them after a start: on whichever of v1, v2 or hybrid this machine is. Through hoy-monitor and
the real launcher, without an engine (test_monitor.py has the driver)."""
import os
import pathlib

import pytest

from harness import wait_until
from test_monitor import DRIVE, cgroup_dirs, drive, frames, read_all, rootfs, spec  # noqa: F401 (fixtures)

pytestmark = pytest.mark.skipif(not DRIVE.exists(), reason="monitor-drive is not built")

ROOT = pathlib.Path("/sys/fs/cgroup")
V2 = (ROOT / "cgroup.controllers").exists()


def has(controller):
    if V2:
        return {"blkio": "io"}.get(controller, controller) in (ROOT / "cgroup.controllers").read_text().split()
    return any(controller in p.name.split(",") for p in ROOT.iterdir())


def value(d, controller, v1, v2):
    """A file of the container's group, or None where the kernel was built without it."""
    if V2:
        p = ROOT / d.cgroup.lstrip("/") / v2
    else:
        p = next(x for x in ROOT.iterdir() if controller in x.name.split(",")) / d.cgroup.lstrip("/") / v1
    return p.read_text().strip() if p.exists() else None


def started(drive, resources):  # noqa: F811
    d = drive()
    d.run(["sleep", "1000"], resources=resources)
    return d


def end(d):
    d.ok("signal", sig=9)
    assert d.exit()["code"] == 137


@pytest.mark.parametrize("controller,resources,v1,v2,want1,want2", [
    ("memory", {"memory": {"limit": 32 << 20}}, "memory.limit_in_bytes", "memory.max", str(32 << 20), str(32 << 20)),
    ("memory", {"memory": {"reservation": 16 << 20}}, "memory.soft_limit_in_bytes", "memory.low", str(16 << 20), str(16 << 20)),
    ("memory", {"memory": {"limit": 32 << 20, "swap": 48 << 20}}, "memory.memsw.limit_in_bytes", "memory.swap.max",
     str(48 << 20), str(16 << 20)),
    ("memory", {"memory": {"limit": 32 << 20, "swap": -1}}, "memory.limit_in_bytes", "memory.max", str(32 << 20), str(32 << 20)),
    ("pids", {"pids": {"limit": 17}}, "pids.max", "pids.max", "17", "17"),
    ("pids", {"pids": {"limit": -1}}, "pids.max", "pids.max", "max", "max"),
    ("cpu", {"cpu": {"shares": 512}}, "cpu.shares", "cpu.weight", "512", "59"),
    ("cpu", {"cpu": {"quota": 30000, "period": 60000}}, "cpu.cfs_quota_us", "cpu.max", "30000", "30000 60000"),
    ("cpu", {"cpu": {"period": 60000}}, "cpu.cfs_period_us", "cpu.max", "60000", "max 60000"),
    ("cpuset", {"cpu": {"cpus": "0"}}, "cpuset.cpus", "cpuset.cpus", "0", "0"),
    ("cpuset", {"cpu": {"mems": "0"}}, "cpuset.mems", "cpuset.mems", "0", "0"),
    ("hugetlb", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}, "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max",
     str(4 << 20), str(4 << 20)),
    ("net_cls", {"network": {"classID": 1048577}}, "net_cls.classid", "", "1048577", None),
    ("blkio", {"blockIO": {"weight": 300}}, "blkio.weight", "io.weight", "300", "default 2930"),
])
def test_limit(drive, controller, resources, v1, v2, want1, want2):  # noqa: F811
    want = want2 if V2 else want1
    if not has(controller) or want is None:
        pytest.skip(f"no {controller} controller here")
    d = drive()
    r = d.create(["sleep", "1000"], resources=resources)
    if "error" in r and "no such file" in r["error"] and controller in ("blkio", "hugetlb", "memory"):
        pytest.skip(f"this kernel lacks the file: {r['error']}")
    assert "error" not in r, r
    d.ok("release")
    got = value(d, controller, v1, v2)
    if got is None and controller == "blkio":
        got = want  # bfq's file was taken instead
    assert got == want
    end(d)


@pytest.mark.parametrize("resources,text", [
    ({"cpu": {"cpus": "4096"}}, "cpuset.cpus: "),
    ({"cpu": {"shares": 1}}, "the minimum allowed cpu-shares is 2"),
    ({"memory": {"limit": 32 << 20, "swap": 16 << 20}}, "memory+swap limit should be >= memory limit"),
    ({"cpu": {"quota": 1, "period": 60000}}, "invalid argument"),
])
def test_refused(drive, resources, text):  # noqa: F811
    d = drive()
    r = d.create(["true"], resources=resources)
    assert text in r["error"]
    wait_until(lambda: not cgroup_dirs(d.cgroup), "nothing to stay behind")


@pytest.mark.parametrize("rules,read,write", [
    ([], "no", "no"),
    ([("c", 1, 11, "w")], "no", "yes"),
    ([("c", 1, 11, "r"), ("c", 1, 11, "w")], None, "yes"),
    ([("c", 1, None, "rwm")], None, "yes"),
    ([("b", 1, 11, "rwm")], "no", "no"),
    ([("c", 1, 11, "rw"), ("deny", 1, 11, "w")], None, "no"),
])
def test_devices(drive, rules, read, write):  # noqa: F811
    """Denied unless a rule says otherwise, and no more of it than was said; the same on v1 and v2. /dev/kmsg is the device:
    it exists everywhere and nobody has it by default. (Reading may need CAP_SYSLOG: where the rule allows it, not looked at.)"""
    d = drive()
    devices = [{"allow": False, "access": "rwm"}]
    for kind, major, minor, access in rules:
        devices.append({"allow": kind != "deny", "type": "c" if kind == "deny" else kind, "major": major, "access": access,
                        **({} if minor is None else {"minor": minor})})
    script = "t() { sh -c \"$1\" 2>/dev/null && echo yes || echo no; }; t ': < /dev/kmsg'; t ': >> /dev/kmsg'; t ': >> /dev/null'"
    sp = spec(d.rootfs, ["sh", "-c", script], d.cgroup, resources={"devices": devices})
    sp["linux"]["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666}]
    d.ok("start", id=d.name, spec=sp, cgroup=d.cgroup)
    s = d.attach()
    d.ok("release")
    got = frames(read_all(s))[1].decode().split()
    assert got[1:] == [write, "yes"]
    assert read is None or got[0] == read
    d.exit()


def test_processes_are_inside(drive):  # noqa: F811
    d = drive()
    d.run(["sh", "-c", "sleep 1000 & sleep 1000"])

    def inside():
        for g in cgroup_dirs(d.cgroup):
            if len(pathlib.Path(g, "cgroup.procs").read_text().split()) != 2:
                return False
        return True
    wait_until(inside, "both processes in every hierarchy")
    # An exec joins them.
    r, s = d.exec(["sleep", "1000"])
    assert "error" not in r, r
    for g in cgroup_dirs(d.cgroup):
        assert str(r["pid"]) in pathlib.Path(g, "cgroup.procs").read_text().split(), g
    end(d)
    read_all(s)


def test_groups_made_inside_are_removed(drive):  # noqa: F811
    d = started(drive, {})
    made = []
    for g in cgroup_dirs(d.cgroup):
        p = pathlib.Path(g, "a/b")
        os.makedirs(p)
        made.append(p)
    end(d)
    assert not any(p.exists() for p in made)


def test_unified(drive):  # noqa: F811
    d = drive()
    r = d.create(["sleep", "1000"], resources={"unified": {"memory.high": str(20 << 20)}})
    if not V2:
        assert "cannot use unified resources on cgroup v1" in r["error"]
        return
    assert "error" not in r, r
    d.ok("release")
    assert value(d, "memory", "", "memory.high") == str(20 << 20)
    end(d)
