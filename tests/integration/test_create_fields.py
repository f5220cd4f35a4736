# SPDX-License-Identifier: Apache-2.0
"""Every field of Config and HostConfig is either honoured or refused by a text that names it: none is swallowed.

The list of fields comes from schema/api.schema, so that a new field without a line here fails the first test.
"""
import os
import pathlib
import re
import struct

import pytest

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "schema" / "api.schema"


def fields(name):
    out, inside = [], False
    for line in SCHEMA.read_text().splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["object"]:
            inside = words[1] == name
        elif inside and words:
            out += fields(words[1]) if words[0] == "embed" else [words[0]]
    return out


def text(raw):
    out = b""
    while raw:
        n = struct.unpack(">I", raw[4:8])[0]
        out, raw = out + raw[8:8 + n], raw[8 + n:]
    return out.decode(errors="replace")


def run(api, cmd, host=None, config=None, networking=None):
    """Creates, starts, waits, reads the output: (output, exit code, inspect)."""
    body = {"Image": "busybox", "Cmd": ["sh", "-c", cmd], **(config or {}), "HostConfig": {"NetworkMode": "none", **(host or {})}}
    if networking:
        body["NetworkingConfig"] = networking
    r = api("POST", "/containers/create", body=body)
    assert r.status == 201, (body, r.status, r.body)
    cid = r.json["Id"]
    try:
        s = api("POST", f"/containers/{cid}/start")
        assert s.status == 204, (body, s.status, s.body)
        code = api("POST", f"/containers/{cid}/wait").json["StatusCode"]
        out = api("GET", f"/containers/{cid}/logs?stdout=1&stderr=1").body
        return text(out), code, api("GET", f"/containers/{cid}/json").json
    finally:
        api("DELETE", f"/containers/{cid}?force=1&v=1")


V1 = os.path.isdir("/sys/fs/cgroup/memory")


def own_cgroup(controller, file):
    """Reads a file of the container's own cgroup from outside its view: the path is in /proc/self/cgroup."""
    return f"cat /sys/fs/cgroup/{controller + '/' if V1 else ''}{file}"


# field -> [(HostConfig, command, what the output must match)]
HONOURED = {
    "Binds": [({"Binds": ["/etc/hostname:/x:ro"]}, "cat /x >/dev/null && ! touch /x 2>/dev/null && echo ok", "ok")],
    "Mounts": [({"Mounts": [{"Type": "tmpfs", "Target": "/m", "TmpfsOptions": {"SizeBytes": 1 << 20}}]},
                "grep ' /m ' /proc/mounts", r"tmpfs.*size=1024k")],
    "Tmpfs": [({"Tmpfs": {"/t": "size=2m,mode=700"}}, "grep ' /t ' /proc/mounts", r"noexec.*size=2048k.*mode=700")],
    "CapAdd": [({"CapAdd": ["NET_ADMIN"]}, "grep CapEff /proc/self/status", "00000000a80435fb")],
    "CapDrop": [({"CapDrop": ["ALL"]}, "grep CapEff /proc/self/status", "0000000000000000")],
    "CgroupnsMode": [({"CgroupnsMode": "private"}, "cat /proc/self/cgroup", r"(?m)^\d+:[^:]*:/$")],
    "Dns": [({"Dns": ["192.0.2.7"], "NetworkMode": "bridge"}, "cat /etc/resolv.conf", "nameserver 192.0.2.7")],
    "DnsOptions": [({"DnsOptions": ["ndots:3"], "NetworkMode": "bridge"}, "cat /etc/resolv.conf", "options ndots:3")],
    "DnsSearch": [({"DnsSearch": ["corp.example"], "NetworkMode": "bridge"}, "cat /etc/resolv.conf", "search corp.example")],
    "ExtraHosts": [({"ExtraHosts": ["db:192.0.2.9"], "NetworkMode": "bridge"}, "cat /etc/hosts", r"192\.0\.2\.9\s+db")],
    "GroupAdd": [({"GroupAdd": ["4242"]}, "id -G", r"\b4242\b")],
    "IpcMode": [({"IpcMode": "none"}, "grep -c ' /dev/shm ' /proc/mounts || true", "^0"),
                ({"IpcMode": "host"}, "readlink /proc/self/ns/ipc", "ipc:")],
    "OomScoreAdj": [({"OomScoreAdj": 321}, "cat /proc/self/oom_score_adj", "^321$")],
    "PidMode": [({"PidMode": "host"}, "readlink /proc/self/ns/pid", "HOST")],
    "Privileged": [({"Privileged": True}, "grep CapBnd /proc/self/status; ls /dev/kmsg", r"f{6,}[\s\S]*/dev/kmsg")],
    "ReadonlyRootfs": [({"ReadonlyRootfs": True}, "touch /x; echo $?", "^[^0]|Read-only")],
    "SecurityOpt": [({"SecurityOpt": ["no-new-privileges"]}, "grep NoNewPrivs /proc/self/status", r"1$"),
                    ({"SecurityOpt": ["seccomp=unconfined"]}, "grep Seccomp: /proc/self/status", r"0$")],
    "UTSMode": [({"UTSMode": "host"}, "readlink /proc/self/ns/uts", "HOST")],
    "ShmSize": [({"ShmSize": 3 << 20}, "grep ' /dev/shm ' /proc/mounts", "size=3072k")],
    "Sysctls": [({"Sysctls": {"net.ipv4.ip_default_ttl": "77"}}, "cat /proc/sys/net/ipv4/ip_default_ttl", "^77$")],
    "Init": [({"Init": True}, "cat /proc/1/cmdline | tr '\\0' ' '", "init|tini")],
    "MaskedPaths": [({"MaskedPaths": ["/etc/passwd"]}, "wc -c </etc/passwd", "^0$")],
    "ReadonlyPaths": [({"ReadonlyPaths": ["/etc"]}, "touch /etc/x 2>&1; true", "Read-only")],
    "CpuShares": [({"CpuShares": 512}, own_cgroup("cpu", "cpu.shares" if V1 else "cpu.weight"), r"^512$" if V1 else r"^\d+$")],
    "Memory": [({"Memory": 64 << 20}, own_cgroup("memory", "memory.limit_in_bytes" if V1 else "memory.max"), f"^{64 << 20}$")],
    "MemoryReservation": [({"MemoryReservation": 32 << 20}, own_cgroup("memory", "memory.soft_limit_in_bytes" if V1 else "memory.low"),
                           f"^{32 << 20}$")],
    "MemorySwap": [({"Memory": 64 << 20, "MemorySwap": -1}, own_cgroup("memory", "memory.limit_in_bytes" if V1 else "memory.swap.max"), ".")],
    "NanoCpus": [({"NanoCpus": 500000000}, own_cgroup("cpu", "cpu.cfs_quota_us" if V1 else "cpu.max"), r"^50000\b")],
    "CpuPeriod": [({"CpuPeriod": 50000, "CpuQuota": 25000}, own_cgroup("cpu", "cpu.cfs_period_us" if V1 else "cpu.max"), r"\b50000$")],
    "CpuQuota": [({"CpuQuota": 25000}, own_cgroup("cpu", "cpu.cfs_quota_us" if V1 else "cpu.max"), r"^25000\b")],
    "CpusetCpus": [({"CpusetCpus": "0"}, "grep Cpus_allowed_list /proc/self/status", r"\s0$")],
    "CpusetMems": [({"CpusetMems": "0"}, "grep Mems_allowed_list /proc/self/status", r"\s0$")],
    "PidsLimit": [({"PidsLimit": 77}, own_cgroup("pids", "pids.max"), "^77$")],
    "Ulimits": [({"Ulimits": [{"Name": "nofile", "Soft": 333, "Hard": 444}]}, "ulimit -Sn; ulimit -Hn", r"^333\n444$")],
    "Devices": [({"Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/nought", "CgroupPermissions": "r"}]},
                 "head -c 3 /dev/nought | wc -c", "^3$")],
    "DeviceCgroupRules": [({"DeviceCgroupRules": ["c 10:200 rwm"]}, "mknod /t c 10 200 && echo made", "made")],
    "CgroupParent": [({"CgroupParent": "OWN/fields", "CgroupnsMode": "host"}, "cat /proc/self/cgroup", "/fields/")],
    "NetworkMode": [({"NetworkMode": "none"}, "ls /sys/class/net", "^lo$")],
}
DISK = next((d for d in sorted(pathlib.Path("/sys/block").glob("*")) if os.path.exists("/dev/" + d.name)), None)
for name, file in (("BlkioDeviceReadBps", "read_bps"), ("BlkioDeviceWriteBps", "write_bps"), ("BlkioDeviceReadIOps", "read_iops"),
                   ("BlkioDeviceWriteIOps", "write_iops")):
    HONOURED[name] = [({name: [{"Path": f"/dev/{DISK.name}", "Rate": 1000000}]},
                       own_cgroup("blkio", f"blkio.throttle.{file}_device" if V1 else "io.max"), r"\b1000000\b")] if DISK else []
HONOURED["MemorySwappiness"] = [({"MemorySwappiness": 33}, own_cgroup("memory", "memory.swappiness"), "^33$")] if V1 else []
HONOURED["OomKillDisable"] = [({"OomKillDisable": True, "Memory": 64 << 20}, own_cgroup("memory", "memory.oom_control"),
                               "oom_kill_disable 1")] if V1 else []

# Kept and shown; the effect is another test's matter, the client's, or needs a kernel that has it.
SHOWN = {
    "ContainerIDFile": "/tmp/cid", "Annotations": {"a": "b"}, "LogConfig": {"Type": "none", "Config": {}},
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}, "AutoRemove": True, "ConsoleSize": [24, 80],
    "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}]}, "PublishAllPorts": True, "VolumeDriver": "local",
    "UsernsMode": "host", "Isolation": "default", "Runtime": "runc", "BlkioWeight": 300, "BlkioWeightDevice": [{"Path": "/dev/null", "Weight": 300}],
    "LxcConf": [{"Key": "lxc.network.type", "Value": "empty"}], "CpuRealtimePeriod": 1000000, "CpuRealtimeRuntime": 1000,
}
# Taken with a warning, and not kept.
WARNED = {"CpuCount": 1, "CpuPercent": 10, "KernelMemory": 64 << 20, "KernelMemoryTCP": 64 << 20}
# Refused, by name or in Docker's words.
REFUSED = {
    "StorageOpt": ({"size": "1G"}, "storage-opt"), "Cgroup": ("container:x", "Cgroup"),
    "DeviceRequests": ([{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}], "device driver"),
    "Links": (["nosuch:alias"], "could not get container for nosuch: No such container: nosuch"), "VolumesFrom": (["nosuch"], "No such container: nosuch"), "IOMaximumIOps": (5, "maximum IOPs"), "IOMaximumBandwidth": (5, "maximum bandwidth"),
}


def test_every_field_has_a_line():
    known = set(HONOURED) | set(SHOWN) | set(REFUSED) | set(WARNED)
    assert set(fields("HostConfig")) == known


@pytest.mark.parametrize("field", sorted(HONOURED))
def test_honoured(engine, api, field):
    if not HONOURED[field]:
        pytest.skip(f"this machine has nothing for {field} to act on")
    for host, cmd, want in HONOURED[field]:
        if field == "CgroupParent":
            host = {**host, field: host[field].replace("OWN", engine.cgroup)}
        out, code, _ = run(api, cmd, host)
        if field == "CgroupParent":  # a parent that a user named stays, as in Docker
            for d in pathlib.Path("/sys/fs/cgroup").glob("*" + host[field]):
                d.rmdir()
        if want == "HOST":
            want = re.escape(os.readlink("/proc/self/ns/" + field[:3].lower()))
        assert re.search(want, out.strip()), (field, host, out, code)


@pytest.mark.parametrize("field", sorted(REFUSED))
def test_refused(api, field):
    value, word = REFUSED[field]
    r = api("POST", "/containers/create", body={"Image": "busybox", "Cmd": ["true"], "HostConfig": {field: value}})
    assert r.status in (400, 404, 501), (r.status, r.body)
    assert word in r.message, r.message
    assert api("GET", "/containers/json?all=1").json == []


@pytest.mark.parametrize("field", sorted(SHOWN))
def test_shown(api, field):
    host = {"NetworkMode": "bridge" if field.startswith("P") else "none", field: SHOWN[field]}
    r = api("POST", "/containers/create", body={"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
    assert r.status == 201, (r.status, r.body)
    got = api("GET", f"/containers/{r.json['Id']}/json").json["HostConfig"].get(field)
    assert got == SHOWN[field]


@pytest.mark.parametrize("field", sorted(WARNED))
def test_warned(api, field):
    r = api("POST", "/containers/create", body={"Image": "busybox", "Cmd": ["true"], "HostConfig": {field: WARNED[field]}})
    assert r.status == 201, (r.status, r.body)
    assert len(r.json["Warnings"]) == 1, r.json
    assert not api("GET", f"/containers/{r.json['Id']}/json").json["HostConfig"].get(field)


def test_config_fields(api):
    out, code, ins = run(api, "echo $A; id -u; id -g; pwd; hostname; cat /proc/sys/kernel/domainname",
                         config={"Env": ["A=env value"], "User": "7:8", "WorkingDir": "/made/for it", "Hostname": "box",
                                 "Domainname": "corp.example", "Labels": {"l": "1"}, "StopSignal": "SIGQUIT", "StopTimeout": 3,
                                 "OnBuild": ["RUN x"], "Shell": ["/bin/ash", "-c"], "OpenStdin": True, "StdinOnce": True, "AttachStdout": True})
    assert out.splitlines() == ["env value", "7", "8", "/made/for it", "box", "corp.example"], out
    c = ins["Config"]
    assert (c["Labels"], c["StopSignal"], c["StopTimeout"], c["OnBuild"], c["Shell"]) == ({"l": "1"}, "SIGQUIT", 3, ["RUN x"], ["/bin/ash", "-c"])
    assert c["OpenStdin"] and c["StdinOnce"] and c["AttachStdout"] and not c["AttachStdin"]


def test_names_match_without_case(api):
    r = api("POST", "/containers/create", body={"image": "busybox", "cmd": "true", "hostconfig": {"networkmode": "none", "memory": 64 << 20}})
    assert r.status == 201, r.body
    ins = api("GET", f"/containers/{r.json['Id']}/json").json
    assert (ins["Path"], ins["HostConfig"]["Memory"], ins["HostConfig"]["NetworkMode"]) == ("true", 64 << 20, "none")
    r = api("POST", "/containers/create", body=b'{"Image":"busybox","HostConfig":{"Privileged":false,"privileged":true}}',
            headers={"Content-Type": "application/json"})
    assert r.status == 400
    assert "given twice" in r.message


def test_platform(api):
    body = {"Image": "busybox", "Cmd": ["true"]}
    arch = api("GET", "/images/busybox/json").json["Architecture"]
    assert api("POST", f"/containers/create?platform=linux/{arch}", body=body).status == 201
    other = "arm64" if arch == "amd64" else "amd64"
    r = api("POST", f"/containers/create?platform=linux/{other}", body=body)
    assert r.status == 404
    assert r.message == (f"image with reference busybox was found but does not match the specified platform: "
                         f"wanted linux/{other}, actual: linux/{arch}")
    r = api("POST", "/containers/create?platform=nonsense", body=body)
    assert (r.status, r.message) == (400, '"nonsense": unknown operating system or architecture: invalid argument')


# What dockerd answers to bodies that are no request (the names of Go structs apart).
BODIES = [
    (b"{", "invalid JSON: unexpected EOF"),
    (b"hello", "invalid JSON: invalid character 'h' looking for beginning of value"),
    (b"{}{}", "unexpected content after JSON"),
    (b'{"Image":"x"} x', "unexpected content after JSON"),
    (b"[]", "invalid JSON: json: cannot unmarshal array into Go value of type "),
    (b'{"Image":1}', "invalid JSON: json: cannot unmarshal number into Go struct field "),
    (b'{"HostConfig":{"Memory":"1g"}}', "invalid JSON: json: cannot unmarshal string into Go struct field "),
    (b'{"HostConfig":{"BlkioWeight":70000}}', "invalid JSON: json: cannot unmarshal number 70000 into Go struct field "),
    (b'{"Image":"UPPER","Cmd":["x"]}', "invalid reference format: repository name (library/UPPER) must be lowercase"),
    (b'{"Image":":::","Cmd":["x"]}', "invalid reference format"),
]


@pytest.mark.parametrize("body,want", BODIES, ids=[b.decode() for b, _ in BODIES])
def test_bodies_that_are_no_request(api, body, want):
    r = api("POST", "/containers/create", body=body, headers={"Content-Type": "application/json"})
    assert r.status == 400, (r.status, r.body)
    assert r.message.startswith(want), r.message
    assert api("GET", "/containers/json?all=1").json == []


@pytest.mark.parametrize("host", [{"VolumesFrom": ["nosuch"]}, {"PidMode": "container:nosuch"}, {"IpcMode": "container:nosuch"}])
def test_another_container_is_missing(api, host):
    """400, not 404: at a 404 the client pulls the image."""
    r = api("POST", "/containers/create", body={"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
    assert (r.status, r.message) == (400, "No such container: nosuch")


def test_a_body_without_its_type(api):
    for ctype in ("text/plain", "application/x-tar"):
        r = api("POST", "/containers/create", body=b'{"Image":"busybox"}', headers={"Content-Type": ctype})
        assert (r.status, r.message) == (400, f"unsupported Content-Type header ({ctype}): must be 'application/json'")
