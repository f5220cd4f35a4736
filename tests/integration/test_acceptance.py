# SPDX-License-Identifier: Apache-2.0
"""What a Docker user types, through the stock docker CLI and through hoy: the same output, exit codes and errors."""
import json
import os
import re
import subprocess
import time

import pytest

import harness
from harness import wait_until

pytestmark = pytest.mark.tsan


@pytest.fixture(params=["docker", "hoy"])
def cli(request, engine):
    if request.param == "docker" and not harness.DOCKER:
        pytest.skip("no stock docker CLI on this machine")
    call = engine.docker if request.param == "docker" else engine.hoy
    call_name = request.param

    def run(*args, **kw):
        return call(*args, **kw)
    run.name = call_name
    run.engine = engine
    return run


NONE = ("--network", "none")


def test_output_and_exit_codes(cli):
    r = cli("run", "--rm", *NONE, "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (r.rc, r.out, r.err) == (7, "out\n", "err\n")
    assert cli("run", "--rm", *NONE, "busybox", "sh", "-c", "sleep 100 & kill -9 $!; wait $!").rc == 137
    assert cli("run", "--rm", *NONE, "busybox", "true").rc == 0


def test_command_missing_or_not_executable(cli):
    r = cli("run", "--rm", *NONE, "busybox", "nosuchprogram")
    assert r.rc == 127
    assert 'exec: "nosuchprogram": executable file not found in $PATH' in r.err
    r = cli("run", "--rm", *NONE, "busybox", "/etc/passwd")
    assert r.rc == 126
    assert 'exec: "/etc/passwd": permission denied' in r.err
    r = cli("run", "--rm", *NONE, "busybox", "/no/such/file")
    assert r.rc == 127
    assert "no such file or directory" in r.err
    r = cli("run", "--rm", *NONE, "busybox", "/etc")
    assert r.rc == 126
    # Nothing is left of any of them.
    assert cli("ps", "-aq").out == ""


def test_stdin_goes_through(cli):
    r = cli("run", "--rm", "-i", *NONE, "busybox", "cat", stdin=b"line one\nline two\n")
    assert (r.rc, r.out) == (0, "line one\nline two\n")
    big = os.urandom(1 << 16).hex().encode()
    r = cli("run", "--rm", "-i", *NONE, "busybox", "md5sum", stdin=big)
    assert r.out.split()[0] == __import__("hashlib").md5(big).hexdigest()


def test_much_output_is_whole(cli):
    r = cli("run", "--rm", *NONE, "busybox", "seq", "200000")
    assert r.rc == 0 and r.out == "".join(f"{i}\n" for i in range(1, 200001))


def test_detached_and_logs(cli):
    cid = cli("run", "-d", "--name", "talker", *NONE, "busybox", "sh", "-c", "echo one; echo two >&2; sleep 1000").ok()
    assert re.fullmatch(r"[0-9a-f]{64}", cid)
    wait_until(lambda: cli("logs", "talker").err == "two\n", "the container's output in its log")
    r = cli("logs", "talker")
    assert (r.out, r.err) == ("one\n", "two\n")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one\n", cli("logs", "-t", "talker").out)
    assert cli("logs", "--tail", "0", "talker").out == ""


def test_lifecycle(cli):
    cid = cli("create", "--name", "c1", *NONE, "busybox", "sleep", "1000").ok()
    assert cli("inspect", "-f", "{{.State.Status}}", "c1").ok() == "created"
    assert cli("start", "c1").ok() == "c1"
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.Running}}", "c1").ok() == "running true"
    assert cli("pause", "c1").ok() == "c1"
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.Paused}}", "c1").ok() == "paused true"
    assert "(Paused)" in cli("ps").out
    assert cli("unpause", "c1").ok() == "c1"
    assert cli("rename", "c1", "c2").rc == 0
    assert cli("ps", "--format", "{{.Names}} {{.ID}}").ok() == f"c2 {cid[:12]}"
    assert cli("restart", "-t", "0", "c2").ok() == "c2"
    assert cli("stop", "-t", "0", "c2").ok() == "c2"
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c2").ok() == "exited 137"
    r = cli("rm", "c2")
    assert (r.rc, r.out) == (0, "c2\n")
    r = cli("inspect", "c2")
    assert r.rc == 1 and "No such object: c2" in r.err and r.out.strip() == "[]"


def test_stop_lets_the_container_end_by_itself(cli):
    cli("run", "-d", "--name", "polite", *NONE, "busybox", "sh", "-c",
        "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done").ok()
    wait_until(lambda: "ready" in cli("logs", "polite").out, "the trap to be set")
    cli("stop", "-t", "60", "polite").ok()
    assert cli("inspect", "-f", "{{.State.ExitCode}}", "polite").ok() == "3"
    assert cli("logs", "polite").out == "ready\nbye\n"


def test_wait_and_kill(cli):
    cli("run", "-d", "--name", "w1", *NONE, "busybox", "sleep", "1000").ok()
    p = cli.engine.popen("wait", "w1", client=cli.name, stdout=subprocess.PIPE, text=True)
    try:
        assert cli("kill", "-s", "KILL", "w1").ok() == "w1"
        assert p.communicate(timeout=harness.DEADLINE)[0] == "137\n"
    finally:
        harness.end(p)
    r = cli("kill", "w1")
    assert r.rc == 1 and "is not running" in r.err


def test_exec(cli):
    cli("run", "-d", "--name", "x1", *NONE, "-e", "A=1", "-w", "/tmp", "busybox", "sleep", "1000").ok()
    r = cli("exec", "x1", "sh", "-c", "echo $A $PWD; echo e >&2; exit 5")
    assert (r.rc, r.out, r.err) == (5, "1 /tmp\n", "e\n")
    assert cli("exec", "-e", "B=2", "-w", "/etc", "-u", "user", "x1", "sh", "-c", "echo $B $PWD $(id -un)").ok() == "2 /etc user"
    assert cli("exec", "-i", "x1", "cat", stdin=b"in").out == "in"
    r = cli("exec", "x1", "nosuch")
    # dockerd 26 says 126, later ones 127.
    assert r.rc in (126, 127) and 'exec: "nosuch": executable file not found in $PATH' in r.out + r.err
    assert cli("exec", "-d", "x1", "touch", "/tmp/detached").rc == 0
    wait_until(lambda: cli("exec", "x1", "test", "-e", "/tmp/detached").rc == 0, "the detached exec's file")
    r = cli("exec", "nosuch", "true")
    assert r.rc == 1 and "No such container: nosuch" in r.err


def test_env_user_workdir_hostname(cli, tmp_path):
    envfile = tmp_path / "env"
    envfile.write_text("# comment\nFROM_FILE=yes\nUNSET_HERE\n")
    out = cli("run", "--rm", *NONE, "-e", "X=a b", "--env-file", str(envfile), "-u", "user", "-w", "/new/dir", "-h", "myhost",
              "busybox", "sh", "-c", 'echo "$X|$FROM_FILE|$(id -u):$(id -g):$(id -G)|$PWD|$(hostname)|$HOME"').ok()
    assert out == "a b|yes|1000:1000:1000 2000|/new/dir|myhost|/home/user"
    assert cli("run", "--rm", *NONE, "-u", "1234:77", "busybox", "sh", "-c", "id -u; id -g").out == "1234\n77\n"
    r = cli("run", "--rm", *NONE, "-u", "nobodyhere", "busybox", "true")
    assert r.rc == 125 or r.rc == 126
    assert "unable to find user nobodyhere" in r.err


def test_entrypoint(cli):
    assert cli("run", "--rm", *NONE, "--entrypoint", "echo", "busybox", "a", "b").ok() == "a b"


def test_hosts_and_files(cli):
    out = cli("run", "--rm", *NONE, "-h", "box", "--add-host", "db:10.1.2.3", "busybox", "cat", "/etc/hosts", "/etc/hostname").ok()
    assert "10.1.2.3\tdb" in out and "127.0.0.1\tlocalhost" in out and out.endswith("box")


def test_readonly_tmpfs_shm(cli):
    r = cli("run", "--rm", *NONE, "--read-only", "--tmpfs", "/scratch:size=1m", "--shm-size", "8m", "busybox", "sh", "-c",
            "touch /x; touch /scratch/ok && df -k /dev/shm | tail -1 | awk '{print $2}'")
    assert "Read-only file system" in r.err
    assert r.out.strip() == "8192"


def test_bind_mounts_and_volumes(cli, tmp_path):
    (tmp_path / "f").write_text("host")
    assert cli("run", "--rm", *NONE, "-v", f"{tmp_path}:/m:ro", "busybox", "sh", "-c", "cat /m/f; touch /m/x 2>&1").out.startswith("host")
    assert not (tmp_path / "x").exists()
    assert cli("volume", "create", "vol1").ok() == "vol1"
    cli("run", "--rm", *NONE, "-v", "vol1:/data", "busybox", "sh", "-c", "echo kept > /data/file").ok()
    assert cli("run", "--rm", *NONE, "--mount", "type=volume,src=vol1,dst=/d,readonly", "busybox", "cat", "/d/file").ok() == "kept"
    assert "vol1" in cli("volume", "ls", "-q").out.split()
    assert json.loads(cli("volume", "inspect", "vol1").out)[0]["Driver"] == "local"
    # Copy-up of what the image has there.
    assert "passwd" in cli("run", "--rm", *NONE, "-v", "vol2:/etc", "busybox", "ls", "/etc").out
    cli("create", "--name", "user", *NONE, "-v", "vol1:/d", "busybox", "true").ok()
    r = cli("volume", "rm", "vol1")
    assert r.rc == 1 and "volume is in use" in r.err
    cli("rm", "user").ok()
    cli("volume", "rm", "vol1", "vol2").ok()
    r = cli("volume", "inspect", "vol1")
    assert r.rc == 1 and "no such volume" in r.err.lower()


def test_anonymous_volumes_go_with_rm(cli):
    before = set(cli("volume", "ls", "-q").out.split())
    cli("run", "--rm", *NONE, "-v", "/anon", "busybox", "true").ok()
    assert set(cli("volume", "ls", "-q").out.split()) == before
    cli("create", "--name", "a1", *NONE, "-v", "/anon", "busybox", "true").ok()
    assert len(set(cli("volume", "ls", "-q").out.split()) - before) == 1
    cli("rm", "-v", "a1").ok()
    assert set(cli("volume", "ls", "-q").out.split()) == before


def test_volumes_from(cli):
    cli("create", "--name", "source", *NONE, "-v", "vf:/shared", "busybox", "true").ok()
    cli("run", "--rm", *NONE, "--volumes-from", "source", "busybox", "sh", "-c", "echo x > /shared/f").ok()
    assert cli("run", "--rm", *NONE, "--volumes-from", "source:ro", "busybox", "cat", "/shared/f").ok() == "x"
    cli("rm", "source").ok()
    cli("volume", "rm", "vf").ok()


def test_limits_show_inside(cli):
    # The same question works on both cgroup versions.
    out = cli("run", "--rm", *NONE, "-m", "64m", "--pids-limit", "50", "--ulimit", "nofile=100:200", "busybox", "sh", "-c",
              "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max; ulimit -n; ulimit -Hn").ok()
    assert out.split() == ["67108864", "100", "200"]
    r = cli("run", "--rm", *NONE, "-m", "1m", "busybox", "true")
    assert r.rc == 125 and "Minimum memory limit allowed is 6MB" in r.err


def test_oom_is_told(cli):
    cli("run", "--name", "hog", *NONE, "-m", "16m", "--memory-swap", "16m", "busybox", "sh", "-c",
        "x=$(tail -c 100m /dev/zero | tr '\\0' 'a'); echo ${#x}")
    assert cli("inspect", "-f", "{{.State.OOMKilled}}", "hog").ok() == "true"


def test_capabilities_and_privileges(cli):
    assert cli("run", "--rm", *NONE, "busybox", "grep", "CapEff", "/proc/self/status").ok().split()[1] == "00000000a80425fb"
    assert cli("run", "--rm", *NONE, "--cap-drop", "ALL", "busybox", "grep", "CapEff", "/proc/self/status").ok().split()[1] == "0" * 16
    assert cli("run", "--rm", *NONE, "--cap-add", "NET_ADMIN", "--cap-drop", "all", "busybox", "grep", "CapEff",
               "/proc/self/status").ok().split()[1] == "0000000000001000"
    assert cli("run", "--rm", *NONE, "busybox", "mount", "-t", "tmpfs", "x", "/tmp").rc != 0
    assert cli("run", "--rm", *NONE, "--privileged", "busybox", "mount", "-t", "tmpfs", "x", "/tmp").rc == 0
    assert cli("run", "--rm", *NONE, "--security-opt", "no-new-privileges", "busybox", "grep", "NoNewPrivs",
               "/proc/self/status").ok().split()[1] == "1"
    assert cli("run", "--rm", *NONE, "busybox", "grep", "^Seccomp:", "/proc/self/status").ok().split()[1] == "2"
    assert cli("run", "--rm", *NONE, "--security-opt", "seccomp=unconfined", "busybox", "grep", "^Seccomp:",
               "/proc/self/status").ok().split()[1] == "0"
    assert cli("run", "--rm", *NONE, "busybox", "sh", "-c", "cat /proc/kcore | head -c 1 | wc -c; ls /proc/acpi 2>/dev/null | wc -l").ok().split() == ["0", "0"]


def test_sysctl_and_devices(cli):
    assert cli("run", "--rm", *NONE, "--sysctl", "net.ipv4.ip_forward=1", "busybox", "cat", "/proc/sys/net/ipv4/ip_forward").ok() == "1"
    assert cli("run", "--rm", *NONE, "--device", "/dev/full:/dev/myfull", "busybox", "sh", "-c",
               "echo x > /dev/myfull 2>/dev/null || echo refused; ls -l /dev/myfull | cut -c1").ok().split() == ["refused", "c"]


def test_namespaces_shared_with_another(cli):
    cli("run", "-d", "--name", "first", "--ipc", "shareable", *NONE, "busybox", "sleep", "1000").ok()
    out = cli("run", "--rm", "--network", "container:first", "--pid", "container:first", "--ipc", "container:first", "busybox",
              "sh", "-c", "readlink /proc/self/ns/net; readlink /proc/1/ns/net; ps | grep -c 'sleep 1000'").ok().split("\n")
    assert out[0] == out[1] and int(out[2]) >= 1


def test_host_namespaces(cli):
    if isinstance(cli.engine, harness.Peer):
        pytest.skip("the peer lives in another network namespace")
    mine = os.readlink("/proc/self/ns/net")
    assert cli("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net").ok() == mine
    assert cli("run", "--rm", *NONE, "--uts", "host", "busybox", "hostname").ok() == os.uname().nodename
    assert cli("run", "--rm", *NONE, "--pid", "host", "busybox", "sh", "-c", "test -d /proc/%d && echo seen" % os.getpid()).ok() == "seen"


def test_init_reaps(cli):
    out = cli("run", "--rm", *NONE, "--init", "busybox", "sh", "-c", "cat /proc/1/comm; ps -o pid,comm").ok()
    assert "init" in out.split()[0]


def test_rm_running_needs_force(cli):
    cli("run", "-d", "--name", "r1", *NONE, "busybox", "sleep", "1000").ok()
    r = cli("rm", "r1")
    assert r.rc == 1 and "cannot remove" in r.err and "container is running" in r.err
    assert cli("rm", "-f", "r1").ok() == "r1"


def test_names_and_conflicts(cli):
    cid = cli("create", "--name", "same", *NONE, "busybox", "true").ok()
    r = cli("create", "--name", "same", *NONE, "busybox", "true")
    assert r.rc == 1
    assert (f'Conflict. The container name "/same" is already in use by container "{cid}". '
            "You have to remove (or rename) that container to be able to reuse that name.") in r.err
    r = cli("create", "--name", "bad/name", *NONE, "busybox", "true")
    assert r.rc == 1 and "Invalid container name (bad/name)" in r.err
    r = cli("start", "nosuch")
    assert r.rc == 1 and "No such container: nosuch" in r.err


def test_ps_columns_and_filters(cli):
    cid = cli("run", "-d", "--name", "p1", "-l", "k=v", *NONE, "busybox", "sleep", "1000").ok()
    cli("create", "--name", "q1", *NONE, "busybox", "echo", "a long argument list to be cut somewhere").ok()
    lines = cli("ps", "-a").out.splitlines()
    assert lines[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert len(lines) == 3
    row = next(x for x in lines if x.endswith(" p1"))
    assert row.startswith(cid[:12] + "   busybox   \"sleep 1000\"") and " Up " in row
    assert cli("ps", "-q", "--no-trunc").ok() == cid
    assert cli("ps", "-aq", "--filter", "status=created").ok() != cid[:12]
    assert cli("ps", "-q", "--filter", "label=k=v").ok() == cid[:12]
    assert cli("ps", "-aq", "--filter", "name=^/q1$").rc == 0
    r = cli("ps", "--filter", "nosuch=1")
    assert r.rc == 1 and "invalid filter 'nosuch'" in r.err


def test_inspect_format(cli):
    cli("create", "--name", "i1", "-e", "Z=1", "-l", "a=b", *NONE, "busybox", "sleep", "5").ok()
    assert cli("inspect", "-f", "{{.Path}} {{.Args}} {{.Name}}", "i1").ok() == "sleep [5] /i1"
    assert cli("inspect", "-f", "{{json .Config.Labels}}", "i1").ok() == '{"a":"b"}'
    assert cli("inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", "i1").out.startswith("Z=1\nPATH=")
    assert cli("inspect", "-f", "{{.HostConfig.NetworkMode}}", "i1").ok() == "none"
    assert cli("inspect", "--type", "image", "-f", "{{index .RepoTags 0}}", "busybox").ok() == "busybox:latest"


def test_top(cli):
    cli("run", "-d", "--name", "t1", *NONE, "busybox", "sleep", "4242").ok()
    out = cli("top", "t1").out.splitlines()
    assert out[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert any("sleep 4242" in x for x in out[1:])


def test_stats(cli):
    cli("run", "-d", "--name", "s1", *NONE, "busybox", "sleep", "1000").ok()
    out = cli("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "s1").ok()
    assert out == "s1 1"


def test_attach_sees_output(cli):
    cli("run", "-d", "--name", "at", *NONE, "busybox", "sh", "-c",
        "while ! test -e /go; do echo waiting; sleep 0.1; done; echo got it; exit 4").ok()
    p = cli.engine.popen("attach", "--no-stdin", "at", client=cli.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        out = harness.Stream(p.stdout)
        out.wait_for(b"waiting")
        cli("exec", "at", "touch", "/go").ok()
        assert p.wait(timeout=harness.DEADLINE) == 4
        out.wait_for(b"got it")
    finally:
        harness.end(p)


def test_attach_gives_input(cli):
    cli("create", "-i", "--name", "in", *NONE, "busybox", "sh", "-c", "read x; echo got $x; exit 4").ok()
    r = cli("start", "-ai", "in", stdin=b"hello\n")
    assert (r.out, r.rc) == ("got hello\n", 4)


def test_update(cli):
    cli("run", "-d", "--name", "u1", *NONE, "-m", "64m", "busybox", "sleep", "1000").ok()
    cli("update", "-m", "128m", "--memory-swap", "-1", "--restart", "on-failure:3", "u1").ok()
    assert cli("inspect", "-f", "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}", "u1").ok() == "134217728 on-failure"
    assert cli("exec", "u1", "sh", "-c",
               "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max").ok() == "134217728"


def test_restart_policy(cli):
    cli("run", "-d", "--name", "again", "--restart", "on-failure:2", *NONE, "busybox", "sh", "-c", "exit 9").ok()
    wait_until(lambda: cli("inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "again").ok() == "exited 2", "two restarts")
    assert cli("inspect", "-f", "{{.State.ExitCode}}", "again").ok() == "9"


def test_prune(cli):
    cli("run", "--name", "done", *NONE, "busybox", "true").ok()
    out = cli("container", "prune", "-f").out
    assert out.startswith("Deleted Containers:\n") and "Total reclaimed space:" in out
    assert cli("ps", "-aq").out == ""


def test_images_and_tags(cli):
    lines = cli("images").out.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert cli("tag", "busybox", "mine:v1").rc == 0
    assert cli("images", "-q", "mine").ok() == cli("images", "-q", "busybox").ok()
    r = cli("rmi", "mine:v1")
    assert (r.rc, r.out) == (0, "Untagged: mine:v1\n")
    r = cli("rmi", "mine:v1")
    assert r.rc == 1 and "No such image: mine:v1" in r.err
    r = cli("tag", "busybox", "UPPER:case")
    assert r.rc == 1 and "invalid reference format" in r.err
    assert "hoy test harness" in cli("history", "--no-trunc", "busybox").out


def test_save_and_load(cli, tmp_path):
    tar = tmp_path / "x.tar"
    cli("tag", "busybox", "saved:1").ok()
    cli("save", "-o", str(tar), "saved:1").ok()
    cli("rmi", "saved:1").ok()
    assert "Loaded image: saved:1" in cli("load", "-i", str(tar)).out
    assert cli("run", "--rm", *NONE, "saved:1", "echo", "again").ok() == "again"
    cli("rmi", "saved:1").ok()


def test_image_in_use(cli):
    cli("create", "--name", "uses", *NONE, "busybox", "true").ok()
    r = cli("rmi", cli("images", "-q", "busybox").ok())
    assert r.rc == 1 and "conflict" in r.err
    r = cli("rmi", "busybox")
    assert r.rc == 1 and "conflict: unable to remove repository reference" in r.err


def test_unknown_image_and_flags(cli):
    r = cli("run", "--rm", "--pull", "never", "nosuchimage:1", "true")
    assert r.rc == 125 and "No such image: nosuchimage:1" in r.err
    r = cli("run", "--nosuchflag", "busybox")
    assert r.rc == 125 and "unknown flag: --nosuchflag" in r.err
    r = cli("nosuchcommand")
    assert r.rc != 0


def test_events(cli):
    start = time.time()
    cli("run", "--rm", "--name", "ev", *NONE, "busybox", "true").ok()
    out = cli("events", "--since", f"{start - 1:.3f}", "--until", f"{time.time() + 1:.3f}", "--filter", "container=ev",
              "--format", "{{.Action}}").out.split("\n")
    seen = [x for x in out if x in ("create", "attach", "start", "die", "destroy")]
    assert seen == ["create", "attach", "start", "die", "destroy"]


def test_info_and_version(cli):
    assert cli("info", "--format", "{{.OSType}} {{.Driver}}").ok() == "linux overlay2"
    assert cli("version", "--format", "{{.Server.APIVersion}}").ok() == "1.51"
    assert "Server" in cli("version").out


def test_cidfile(cli, tmp_path):
    f = tmp_path / "cid"
    cli("run", "-d", "--cidfile", str(f), *NONE, "busybox", "sleep", "1000").ok()
    assert cli("inspect", "-f", "{{.Id}}", f.read_text()).ok() == f.read_text()
    r = cli("run", "--cidfile", str(f), *NONE, "busybox", "true")
    assert r.rc == 125


def test_tty(cli):
    """-t through a real terminal: script(1) gives the client one."""
    exe = harness.DOCKER if cli.name == "docker" else str(harness.BUILD / "hoy")
    p = subprocess.run(["script", "-qec", f"{exe} run --rm -it --network none busybox sh -c 'test -t 0 && test -t 1 && stty size && echo tty; exit 6'",
                        "/dev/null"], env=cli.engine.client_env(), stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * harness.DEADLINE)
    assert b"tty\r\n" in p.stdout, p.stdout
    assert p.returncode == 6


def test_container_survives_the_engine(cli):
    e = cli.engine
    cli("run", "-d", "--name", "keeps", *NONE, "busybox", "sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done").ok()
    pid = cli("inspect", "-f", "{{.State.Pid}}", "keeps").ok()
    wait_until(lambda: cli("logs", "keeps").out.count("\n") > 3, "some output")
    e.kill9()
    assert os.path.exists(f"/proc/{pid}")
    e.start()
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "keeps").ok() == f"running {pid}"
    n = cli("logs", "keeps").out.count("\n")
    wait_until(lambda: cli("logs", "keeps").out.count("\n") > n, "more output after the restart")
    lines = cli("logs", "keeps").out.split()
    assert lines == [str(i) for i in range(1, len(lines) + 1)]
    assert cli("exec", "keeps", "echo", "alive").ok() == "alive"
    assert cli("stop", "-t", "0", "keeps").ok() == "keeps"
