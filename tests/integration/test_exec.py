# SPDX-License-Identifier: Apache-2.0
"""exec: create, start attached and detached, inspect, resize; user, environment, directory, privileges, terminals."""
import pytest

from harness import wait_until


@pytest.fixture
def box(engine):
    r = engine.docker("run", "-d", "--net", "none", "--name", "box", "-e", "FROM_RUN=1", "busybox", "sleep", "1000")
    r.ok()
    return engine


def test_exit_codes(box):
    for code in (0, 1, 7, 42, 255):
        assert box.docker("exec", "box", "sh", "-c", f"exit {code}").rc == code
    assert box.docker("exec", "box", "sh", "-c", "kill -9 $$").rc == 137
    r = box.docker("exec", "box", "nosuch")
    assert r.rc == 127 and 'exec: "nosuch": executable file not found in $PATH' in r.out + r.err
    r = box.docker("exec", "box", "/etc/passwd")
    assert r.rc == 126


def test_streams(box):
    r = box.docker("exec", "box", "sh", "-c", "echo out; echo err >&2")
    assert (r.out, r.err) == ("out\n", "err\n")
    r = box.docker("exec", "-i", "box", "md5sum", stdin=b"x" * 1000000)
    assert r.out.startswith(__import__("hashlib").md5(b"x" * 1000000).hexdigest())
    assert box.docker("exec", "box", "cat").out == ""  # no -i: an empty stdin


def test_who_and_where(box):
    r = box.docker("exec", "-u", "user", "-w", "/tmp", "-e", "A=b", "box", "sh", "-c", "id -un; pwd; echo $A $FROM_RUN; id -G")
    assert r.out == "user\n/tmp\nb 1\n1000 2000\n"
    caps = lambda *a: box.docker("exec", *a, "box", "grep", "CapEff", "/proc/self/status").out.split()[1]
    assert caps() == "00000000a80425fb"
    assert caps("-u", "user") == "0000000000000000"
    assert int(caps("--privileged"), 16) > int(caps(), 16)
    filtered = lambda *a: box.docker("exec", *a, "box", "grep", "Seccomp:", "/proc/self/status").out.split()[1]
    assert filtered() == "2" and filtered("--privileged") == "2"  # the container's own filter stays
    assert box.docker("exec", "-u", "nosuch", "box", "true").rc != 0
    assert box.docker("exec", "-w", "/no/such/dir", "box", "true").rc != 0


def test_it_is_inside(box):
    for ns in ("mnt", "pid", "net", "ipc", "uts"):
        one = box.docker("exec", "box", "readlink", f"/proc/1/ns/{ns}").out
        assert one and one == box.docker("exec", "box", "readlink", f"/proc/self/ns/{ns}").out
    cgroup = box.docker("exec", "box", "grep", ":memory:", "/proc/self/cgroup").out
    assert box.inspect("box")["Id"] in cgroup


def test_terminal(box):
    r = box.api("POST", "/containers/box/exec", {"Cmd": ["sh", "-c", "tty; stty size"], "Tty": True, "AttachStdout": True,
                                                 "AttachStdin": True, "ConsoleSize": [33, 99]})
    xid = r.json["Id"]
    r = box.api("POST", f"/exec/{xid}/start", {"Tty": True})
    assert b"/dev/pts/" in r.body and b"33 99" in r.body, r.body


def test_detached_and_inspect(box):
    r = box.api("POST", "/containers/box/exec", {"Cmd": ["sh", "-c", "echo hi > /tmp/mark; exit 9"]})
    assert r.status == 201
    xid = r.json["Id"]
    i = box.api("GET", f"/exec/{xid}/json").json
    assert i["Running"] is False and i["ExitCode"] is None and i["ProcessConfig"]["entrypoint"] == "sh"
    assert box.api("POST", f"/exec/{xid}/start", {"Detach": True}).status == 200
    wait_until(lambda: not box.api("GET", f"/exec/{xid}/json").json["Running"], "its end")
    assert box.api("GET", f"/exec/{xid}/json").json["ExitCode"] == 9
    assert box.docker("exec", "box", "cat", "/tmp/mark").out == "hi\n"
    assert box.api("POST", f"/exec/{xid}/start", {"Detach": True}).status == 409
    r = box.api("GET", "/exec/nosuch/json")
    assert (r.status, r.message) == (404, "No such exec instance: nosuch")


def test_refusals(box):
    assert box.api("POST", "/containers/nosuch/exec", {"Cmd": ["true"]}).status == 404
    r = box.api("POST", "/containers/box/exec", {"Cmd": []})
    assert (r.status, r.message) == (400, "No exec command specified")
    assert box.api("POST", "/containers/box/exec", {"Cmd": ["true"], "DetachKeys": "nonsense"}).status == 400
    xid = box.api("POST", "/containers/box/exec", {"Cmd": ["true"]}).json["Id"]
    assert box.api("POST", "/containers/box/stop?t=0").status == 204
    assert box.api("POST", f"/exec/{xid}/start", {"Detach": True}).status == 409
    assert box.api("POST", "/containers/box/exec", {"Cmd": ["true"]}).status == 409


def test_execs_end_with_their_container(box):
    xid = box.api("POST", "/containers/box/exec", {"Cmd": ["sleep", "1000"]}).json["Id"]
    assert box.api("POST", f"/exec/{xid}/start", {"Detach": True}).status == 200
    assert box.inspect("box")["ExecIDs"] == [xid]
    assert box.api("POST", "/containers/box/kill").status == 204
    wait_until(lambda: not box.api("GET", f"/exec/{xid}/json").json["Running"], "its end")


def test_execs_survive_the_engine(box):
    """kill -9 under an attached exec: its stream goes on to the end."""
    p = box.popen("exec", "-i", "box", "sh", "-c", "echo begun; read x; echo got $x", stdin=-1, stdout=-1)
    assert p.stdout.readline() == b"begun\n"
    box.kill9()
    p.stdin.write(b"word\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"got word\n"
    p.stdin.close()
    p.stdout.close()
    p.wait()
    box.start()
    assert box.docker("exec", "box", "echo", "again").out == "again\n"


def test_the_program_is_not_found_through_our_descriptors(box, tmp_path):
    """A program named /proc/self/fd/N/../… must not be a host's file: execve follows the link before it closes anything."""
    script = tmp_path / "outside"
    script.write_text("#!/bin/sh\necho escaped\n")
    script.chmod(0o755)
    tmp_path.chmod(0o755)
    for fd in range(3, 24):
        r = box.docker("exec", "box", f"/proc/self/fd/{fd}" + "/.." * 24 + str(script))
        assert r.rc in (126, 127) and "escaped" not in r.out, fd


def test_limits_and_privileges_are_the_containers(engine):
    engine.docker("run", "-d", "--net", "none", "--name", "bound", "--ulimit", "nofile=100:200", "--security-opt",
                  "no-new-privileges", "busybox", "sleep", "1000").ok()
    assert engine.docker("exec", "bound", "sh", "-c", "ulimit -Sn; ulimit -Hn").out == "100\n200\n"
    for args in ([], ["--privileged"]):
        assert engine.docker("exec", *args, "bound", "sed", "-n", "s/^NoNewPrivs:.//p", "/proc/self/status").out == "1\n"


def test_oom_score_is_the_containers(engine):
    with open(f"/proc/{engine.proc.pid}/oom_score_adj", "w") as f:
        f.write("300")  # as a unit file's OOMScoreAdjust=, which containers must not get
    for name, score in (("victim", 500), ("plain", 0)):
        engine.docker("run", "-d", "--net", "none", "--name", name, f"--oom-score-adj={score}", "busybox", "sleep", "1000").ok()
        for pid in ("1", "self"):
            assert engine.docker("exec", name, "cat", f"/proc/{pid}/oom_score_adj").out == f"{score}\n"
