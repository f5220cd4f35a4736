# SPDX-License-Identifier: Apache-2.0
"""What config.json asks for, seen from inside the container."""
import json
import os
import pathlib
import socket
import subprocess

import pytest

from oci import Runtime, ends


@pytest.fixture
def rt(tmp_path):
    r = Runtime(tmp_path)
    yield r
    r.close()


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def with_userns(c, host=100000):
    c["linux"]["namespaces"].append({"type": "user"})
    c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [{"containerID": 0, "hostID": host, "size": 65536}]
    return c


def test_namespaces_are_new(rt):
    out = rt.run(rt.config(["sh", "-c", "for n in pid mnt net ipc uts; do readlink /proc/self/ns/$n; done"])).ok().split()
    for n, link in zip(("pid", "mnt", "net", "ipc", "uts"), out):
        assert link != os.readlink(f"/proc/self/ns/{n}")


def test_namespace_by_path(rt):
    a = rt.start(rt.config(["sleep", "1000"]))
    pid = rt.state(a)["pid"]
    c = rt.config(["sh", "-c", "readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; readlink /proc/self/ns/pid; echo $$"])
    for ns in c["linux"]["namespaces"]:
        if ns["type"] in ("network", "ipc", "pid"):
            ns["path"] = f"/proc/{pid}/ns/" + {"network": "net"}.get(ns["type"], ns["type"])
    net, ipc, pidns, me = rt.run(c).ok().split()
    assert net == os.readlink(f"/proc/{pid}/ns/net") and ipc == os.readlink(f"/proc/{pid}/ns/ipc")
    assert pidns == os.readlink(f"/proc/{pid}/ns/pid") and me != "1"


def test_namespace_of_the_wrong_kind(rt):
    c = rt.config(["true"])
    for ns in c["linux"]["namespaces"]:
        if ns["type"] == "ipc":
            ns["path"] = "/proc/self/ns/net"
    assert rt.run(c).rc == 1


def test_duplicate_namespace(rt):
    c = rt.config(["true"])
    c["linux"]["namespaces"].append({"type": "pid"})
    r = rt.run(c)
    assert r.rc == 1 and "duplicated ns" in r.err


def test_time_namespace(rt):
    c = rt.config(["cat", "/proc/self/timens_offsets"])
    c["linux"]["namespaces"].append({"type": "time"})
    c["linux"]["timeOffsets"] = {"monotonic": {"secs": 1000, "nanosecs": 7}}
    assert "1000" in rt.run(c).ok()


def test_user_namespace(rt):
    os.chmod(rt.rootfs, 0o755)
    out = rt.run(with_userns(rt.config(["sh", "-c", "id -u; cat /proc/self/uid_map; ls -n /dev/null; echo x > /dev/null"]))).ok()
    lines = out.splitlines()
    assert lines[0] == "0" and lines[1].split() == ["0", "100000", "65536"] and "1,   3" in lines[2]
    cid = rt.start(with_userns(rt.config(["sleep", "1000"])))
    pid = rt.state(cid)["pid"]
    assert os.stat(f"/proc/{pid}").st_uid == 100000
    assert rt("exec", cid, "id", "-u").ok() == "0"
    assert rt("exec", "-u", "1000", cid, "id", "-u").ok() == "1000"


def test_user_namespace_with_joined_network(rt):
    a = rt.start(rt.config(["sleep", "1000"]))
    pid = rt.state(a)["pid"]
    c = with_userns(rt.config(["readlink", "/proc/self/ns/net"]))
    for ns in c["linux"]["namespaces"]:
        if ns["type"] == "network":
            ns["path"] = f"/proc/{pid}/ns/net"
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "sysfs" and m["destination"] != "/sys/fs/cgroup"]
    assert rt.run(c).ok() == os.readlink(f"/proc/{pid}/ns/net")


def test_loopback_is_up(rt):
    assert "UP" in rt.run(rt.config(["ip", "link", "show", "lo"])).ok()


def test_user_groups_umask_home(rt):
    c = rt.config(["sh", "-c", "id -u; id -g; id -G; umask; echo $HOME"])
    c["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27}
    out = rt.run(c).ok().split("\n")
    assert out[0] == "1000" and out[1] == "1001" and set(out[2].split()) == {"1001", "5", "6"}
    assert out[3] == "0027" and out[4] == "/home"


def test_capabilities(rt):
    c = rt.config(["cat", "/proc/self/status"])
    caps = ["CAP_CHOWN", "CAP_KILL", "CAP_NOT_THERE"]
    c["process"]["capabilities"] = {"bounding": caps, "effective": caps, "permitted": caps}
    s = status_of(rt.run(c).ok())
    assert [int(s[k], 16) for k in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb")] == [0x21, 0x21, 0x21, 0, 0]
    c["process"]["user"] = {"uid": 1000, "gid": 1000}
    s = status_of(rt.run(c).ok())
    assert int(s["CapEff"], 16) == 0 and int(s["CapBnd"], 16) == 0x21
    c["process"]["capabilities"].update(inheritable=caps, ambient=caps)
    s = status_of(rt.run(c).ok())
    assert int(s["CapEff"], 16) == 0x21 and int(s["CapAmb"], 16) == 0x21


def test_no_capabilities_at_all(rt):
    c = rt.config(["cat", "/proc/self/status"])
    del c["process"]["capabilities"]
    s = status_of(rt.run(c).ok())
    assert int(s["CapBnd"], 16) == 0 and int(s["CapEff"], 16) == 0


@pytest.mark.parametrize("nnp", [False, True])
def test_seccomp(rt, nnp):
    c = rt.config(["sh", "-c", "chmod 600 /tmp; echo $?; grep -E 'Seccomp:|NoNewPrivs|CapEff' /proc/self/status"])
    c["process"]["noNewPrivileges"] = nnp
    c["process"]["user"] = {"uid": 1000, "gid": 1000}
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
                             "syscalls": [{"names": ["chmod", "fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}]}
    r = rt.run(c)
    assert os.strerror(99) in r.err
    assert "Seccomp:\t2" in r.out and f"NoNewPrivs:\t{int(nnp)}" in r.out
    # CAP_SYS_ADMIN was only held until the filter was in.
    assert "CapEff:\t0000000000000000" in r.out


def test_seccomp_listener(rt, tmp_path):
    path = tmp_path / "agent"
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(1)
    s.settimeout(60)
    c = rt.config(["sh", "-c", "echo on"])
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(path), "listenerMetadata": "m",
                             "syscalls": [{"names": ["mknod"], "action": "SCMP_ACT_NOTIFY"}]}
    cid, d = rt.bundle(c)
    p = rt.popen("run", "--bundle", d, cid, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    conn, _ = s.accept()
    msg, fds, _, _ = socket.recv_fds(conn, 65536, 4)
    doc = json.loads(msg)
    assert len(fds) == 1 and doc["metadata"] == "m" and doc["state"]["id"] == cid and doc["fds"] == ["seccompFd"]
    out, _ = p.communicate(timeout=60)
    assert out == b"on\n"
    os.close(fds[0])


def test_masked_and_readonly_paths(rt):
    (rt.rootfs / "secret").write_text("secret")
    (rt.rootfs / "hidden").mkdir()
    (rt.rootfs / "hidden/file").write_text("x")
    (rt.rootfs / "ro").mkdir()
    c = rt.config(["sh", "-c", "cat /secret; ls /hidden; echo y > /hidden/z; echo z > /ro/f; echo w > /proc/sys/kernel/domainname"])
    c["linux"]["maskedPaths"] += ["/secret", "/hidden", "/not/there"]
    c["linux"]["readonlyPaths"] += ["/ro", "/not/there/either"]
    r = rt.run(c)
    assert r.out == "" and r.err.count("Read-only file system") == 3
    assert not (rt.rootfs / "ro/f").exists()


def test_mask_does_not_trust_the_containers_null(rt):
    """/dev/null of the image is a file with a secret in it: the mask must be the real null device (CVE-2025-31133)."""
    (rt.rootfs / "secret").write_text("secret")
    c = rt.config(["cat", "/secret"])
    c["mounts"] = [m for m in c["mounts"] if m["destination"] in ("/proc", "/sys")]
    (rt.rootfs / "dev/null").symlink_to("/etc/passwd")
    c["linux"]["maskedPaths"] = ["/secret"]
    r = rt.run(c)
    assert "secret" not in r.out and "root" not in r.out
    (rt.rootfs / "dev/null").unlink()


def test_readonly_root(rt):
    c = rt.config(["sh", "-c", "echo x > /f; echo y > /dev/shm/f && echo shm"])
    c["root"]["readonly"] = True
    r = rt.run(c)
    assert "Read-only file system" in r.err and r.out == "shm\n"


def test_bind_mounts(rt, tmp_path):
    src = tmp_path / "src"
    src.mkdir()
    (src / "f").write_text("content")
    c = rt.config(["sh", "-c", "cat /mnt/f /one; echo new > /mnt/g; echo $?; grep ' /mnt ' /proc/self/mountinfo"])
    c["mounts"] += [{"destination": "/mnt", "type": "bind", "source": str(src), "options": ["rbind", "ro", "nosuid", "nodev", "noexec"]},
                    {"destination": "/one", "type": "bind", "source": str(src / "f"), "options": ["bind", "rprivate"]}]
    r = rt.run(c)
    assert r.out.startswith("contentcontent1\n") and "ro,nosuid,nodev,noexec" in r.out
    assert not (src / "g").exists()
    assert (rt.rootfs / "one").is_file()


def test_bind_source_missing(rt):
    c = rt.config(["true"])
    c["mounts"].append({"destination": "/mnt", "type": "bind", "source": "/no/such/source", "options": ["bind"]})
    r = rt.run(c)
    assert r.rc == 1 and "/no/such/source" in r.err and "no such file or directory" in r.err


def test_mount_target_stays_in_the_root(rt, tmp_path):
    """Links of the image lead nowhere but into the image."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (rt.rootfs / "abs").symlink_to(victim)
    (rt.rootfs / "up").symlink_to("../" * 12 + str(victim)[1:])
    c = rt.config(["sh", "-c", "echo x > /abs/sub/f; echo y > /up/sub2/f"])
    for d in ("/abs/sub", "/up/sub2"):
        c["mounts"].append({"destination": d, "type": "tmpfs", "source": "tmpfs"})
    rt.run(c).ok()
    assert list(victim.iterdir()) == []


def test_dangling_link_as_target(rt, tmp_path):
    """/etc/resolv.conf of many images points to a place that does not exist yet."""
    f = tmp_path / "resolv"
    f.write_text("nameserver 192.0.2.1\n")
    (rt.rootfs / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    c = rt.config(["cat", "/etc/resolv.conf"])
    c["mounts"].append({"destination": "/etc/resolv.conf", "type": "bind", "source": str(f), "options": ["rbind", "ro"]})
    assert rt.run(c).ok() == "nameserver 192.0.2.1"


def test_nothing_is_mounted_inside_proc(rt, tmp_path):
    c = rt.config(["true"])
    c["mounts"].append({"destination": "/proc/sys", "type": "bind", "source": str(tmp_path), "options": ["bind"]})
    r = rt.run(c)
    assert r.rc == 1 and "inside /proc" in r.err
    # Through a link of the image, too.
    (rt.rootfs / "trick").symlink_to("/proc")
    c = rt.config(["true"])
    c["mounts"].append({"destination": "/trick/fs", "type": "tmpfs", "source": "tmpfs"})
    r = rt.run(c)
    assert r.rc == 1 and "inside /proc" in r.err


def test_proc_on_a_link_is_refused(rt):
    (rt.rootfs / "proc").rmdir()
    (rt.rootfs / "proc").symlink_to("/tmp")
    r = rt.run(rt.config(["true"]))
    assert r.rc == 1 and "ordinary directory" in r.err


def test_tmpcopyup(rt):
    d = rt.rootfs / "data"
    (d / "sub").mkdir(parents=True)
    (d / "sub/f").write_text("copied")
    os.chmod(d / "sub/f", 0o666)
    os.chown(d / "sub/f", 7, 8)
    (d / "link").symlink_to("sub/f")
    c = rt.config(["sh", "-c", "cat /data/link; stat -c %u:%g:%a /data/sub/f; echo changed > /data/sub/f"])
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]})
    assert rt.run(c).ok() == "copied7:8:666"
    assert (d / "sub/f").read_text() == "copied"


def test_idmapped_mount(rt, tmp_path):
    src = tmp_path / "idm"
    src.mkdir()
    (src / "f").write_text("")
    c = rt.config(["stat", "-c", "%u:%g", "/mnt/f"])
    c["mounts"].append({"destination": "/mnt", "type": "bind", "source": str(src), "options": ["bind"],
                        "uidMappings": [{"containerID": 0, "hostID": 2000, "size": 100}],
                        "gidMappings": [{"containerID": 0, "hostID": 3000, "size": 100}]})
    r = rt.run(c)
    if "invalid argument" in r.err or "operation not supported" in r.err:
        pytest.skip("the file system of the test's directory cannot be idmapped")
    assert r.ok() == "2000:3000"


@pytest.mark.parametrize("prop,field", [("shared", "shared:"), ("slave", ""), ("private", ""), ("unbindable", "unbindable")])
def test_rootfs_propagation(rt, prop, field):
    c = rt.config(["sh", "-c", "grep -E '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ / ' /proc/self/mountinfo | head -n1"])
    c["linux"]["rootfsPropagation"] = prop
    assert field in rt.run(c).ok()


def test_devices(rt):
    c = rt.config(["sh", "-c", "stat -c '%t:%T %a %u:%g' /dev/x /dev/null /dev/tty; ls -l /dev/ptmx /dev/fd; echo z > /dev/null"])
    c["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 3, "gid": 4}]
    out = rt.run(c).ok().splitlines()
    assert out[0] == "1:5 640 3:4" and out[1] == "1:3 666 0:0" and out[2] == "5:0 666 0:0"
    assert sorted(x.split(" -> ")[1] for x in out[3:]) == ["/proc/self/fd", "pts/ptmx"]


def test_device_cgroup(rt):
    c = rt.config(["sh", "-c", "mknod /tmp/mem c 1 1 && head -c1 /tmp/mem; head -c1 /dev/zero | wc -c; rm -f /tmp/mem"])
    c["process"]["capabilities"] = {k: ["CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_DAC_OVERRIDE"] for k in ("bounding", "effective", "permitted")}
    r = rt.run(c)
    assert "Operation not permitted" in r.err and "/tmp/mem" in r.err
    (rt.rootfs / "tmp/mem").unlink(missing_ok=True)


def test_rlimits(rt):
    c = rt.config(["sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c"],
                  rlimits=[{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
    assert rt.run(c).ok().split() == ["64", "128", "0"]


def test_rlimit_that_cannot_be_raised_degrades(rt):
    hard = (1 << 30) + 1
    c = rt.config(["sh", "-c", "ulimit -Hn"], rlimits=[{"type": "RLIMIT_NOFILE", "soft": 32, "hard": hard}])
    r = rt.run(c)
    # Either it can be raised here, or there is one warning and the container runs.
    if r.rc == 0 and int(r.out) != hard:
        assert "cannot be raised" in r.err
    else:
        assert r.rc == 0 or "operation not permitted" in r.err


def test_duplicate_rlimit(rt):
    one = {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}
    r = rt.run(rt.config(["true"], rlimits=[one, one]))
    assert r.rc == 1 and "twice" in r.err


def test_oom_score_adj(rt):
    assert rt.run(rt.config(["cat", "/proc/self/oom_score_adj"], oomScoreAdj=123)).ok() == "123"


def test_sysctl(rt):
    c = rt.config(["cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"])
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4097"}
    assert rt.run(c).ok().split() == ["1", "4097"]


@pytest.mark.parametrize("key", ["kernel.core_pattern", "net/../kernel/core_pattern", "vm.swappiness", "kernel.hostname"])
def test_sysctl_of_the_host_is_refused(rt, key):
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    c = rt.config(["true"])
    c["linux"]["sysctl"] = {key: "|/bin/x"}
    r = rt.run(c)
    assert r.rc == 1 and "sysctl" in r.err
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_hostname(rt):
    c = rt.config(["sh", "-c", "hostname; cat /proc/sys/kernel/domainname"])
    c["hostname"], c["domainname"] = "inside", "example.org"
    assert rt.run(c).ok().split() == ["inside", "example.org"]


def test_hooks(rt, tmp_path):
    log = tmp_path / "hooks"
    os.chmod(tmp_path, 0o755)

    def hook(name):
        return {"path": "/bin/sh", "args": ["sh", "-c", f'read s; echo "{name} $X $s" >> {log}'], "env": ["X=env", "PATH=/bin:/usr/bin"]}
    c = rt.config(["sleep", "1000"])
    c["annotations"] = {"org.example.key": "value"}
    c["hooks"] = {k: [hook(k)] for k in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")}
    inside = rt.rootfs / "hooked"
    c["hooks"]["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "cat > /hooked"]}]
    cid = rt.create(c)
    pid = rt.state(cid)["pid"]
    assert [x.split()[0] for x in log.read_text().splitlines()] == ["prestart", "createRuntime", "createContainer"]
    assert not inside.exists()
    rt("start", cid).ok()
    assert json.loads(inside.read_text())["status"] == "created"
    rt("kill", cid, "KILL").ok()
    ends(cid, rt)
    rt("delete", cid).ok()
    lines = log.read_text().splitlines()
    assert [x.split()[0] for x in lines] == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    for line in lines:
        name, env, doc = line.split(" ", 2)
        doc = json.loads(doc)
        assert env == "env" and doc["id"] == cid and doc["annotations"] == {"org.example.key": "value"}
        assert doc["pid"] == (0 if name == "poststop" else pid)


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer"])
def test_failing_hook_stops_the_start(rt, kind):
    c = rt.config(["touch", "/ran"])
    c["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]}
    r = rt.run(c)
    assert r.rc == 1 and f"error running {kind} hook #0: exit status 3" in r.err
    assert not (rt.rootfs / "ran").exists()
    assert not rt.groups()


def test_hook_timeout(rt):
    c = rt.config(["true"])
    c["hooks"] = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]}
    r = rt.run(c)
    assert r.rc == 1 and "hook ran past specified timeout of 1.0s" in r.err


def test_cgroup_limits_and_namespace(rt):
    c = rt.config(["sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup"])
    c["linux"]["resources"]["memory"] = {"limit": 32 << 20}
    out = rt.run(c).ok()
    assert rt.parent not in out   # a namespace of its own: its group is the root
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "cgroup"]
    assert rt.parent in rt.run(c).ok()


def test_scheduling(rt):
    c = rt.config(["cat", "/proc/self/stat"], scheduler={"policy": "SCHED_BATCH", "nice": 5},
                  ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6})
    fields = rt.run(c).ok().rsplit(")", 1)[1].split()
    assert fields[16] == "5" and fields[38] == "3"


def test_personality(rt):
    c = rt.config(["busybox", "uname", "-m"])
    c["linux"]["personality"] = {"domain": "LINUX32"}
    assert rt.run(c).ok() in ("i686", "armv8l")


def test_no_pivot(rt):
    c = rt.config(["ls", "/"])
    assert "bin" in rt.run(c, "--no-pivot").ok().split()


def test_intel_rdt_is_refused(rt):
    c = rt.config(["true"])
    c["linux"]["intelRdt"] = {"closID": "x"}
    r = rt.run(c)
    assert r.rc == 1 and "intelRdt is not supported" in r.err


@pytest.mark.parametrize("change", [
    lambda c: c.update(ociVersion="2.0"),
    lambda c: c["process"].update(cwd="relative"),
    lambda c: c["process"].update(args=[]),
    lambda c: c["linux"].update(rootfsPropagation="sideways"),
    lambda c: c["linux"]["namespaces"].append({"type": "nosuch"}),
    lambda c: c["process"].update(oomScoreAdj=5000),
    lambda c: c["mounts"].append({"destination": "/"  , "type": "tmpfs"}),
    lambda c: c["linux"].update(devices=[{"path": "/dev/q", "type": "q"}]),
    lambda c: c.update(hooks={"prestart": [{"path": "relative"}]}),
])
def test_wrong_specs_are_refused_and_leave_nothing(rt, change):
    c = rt.config(["true"])
    change(c)
    r = rt.run(c)
    assert r.rc == 1 and r.err
    assert not rt.groups()


def test_failed_start_leaves_nothing(rt):
    r = rt.run(rt.config(["nosuch"]))
    assert r.rc == 1
    assert not rt.groups() and not list(rt.root.iterdir())

