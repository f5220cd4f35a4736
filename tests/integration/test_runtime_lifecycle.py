# SPDX-License-Identifier: Apache-2.0
"""hoy-runtime's verbs, one after the other and in the wrong order."""
import json
import os
import pathlib
import subprocess

import pytest

from oci import ConsoleSocket, Runtime, ends, wait_until


@pytest.fixture
def rt(tmp_path):
    r = Runtime(tmp_path)
    yield r
    r.close()


def test_run_passes_output_and_exit_code(rt):
    r = rt.run(rt.config(["sh", "-c", "echo out; echo err >&2; exit 7"]))
    assert (r.rc, r.out, r.err) == (7, "out\n", "err\n")


def test_run_passes_stdin(rt):
    assert rt.run(rt.config(["cat"]), stdin=b"through\n").ok() == "through"


def test_run_killed_by_signal(rt):
    assert rt.run(rt.config(["sh", "-c", "sh -c 'kill -9 $$'; exit $?"])).rc == 137


def test_lifecycle(rt):
    cid = rt.create(rt.config(["sleep", "1000"]))
    s = rt.state(cid)
    assert s["status"] == "created" and s["pid"] > 0 and s["ociVersion"].startswith("1.")
    # The container exists, its program does not run yet.
    assert "sleep" not in pathlib.Path(f"/proc/{s['pid']}/cmdline").read_text()
    rt("start", cid).ok()
    assert rt.status(cid) == "running"
    wait_until(lambda: "sleep" in pathlib.Path(f"/proc/{s['pid']}/cmdline").read_text(), "the program")
    r = rt("start", cid)
    assert r.rc == 1 and "cannot start an already running container" in r.err
    r = rt("delete", cid)
    assert r.rc == 1 and "that is not stopped" in r.err
    rt("kill", cid, "KILL").ok()
    ends(cid, rt)
    assert rt.state(cid)["pid"] == 0
    r = rt("kill", cid, "TERM")
    assert r.rc == 1 and "container not running" in r.err
    rt("delete", cid).ok()
    r = rt("state", cid)
    assert r.rc == 1 and "does not exist" in r.err


def test_id_in_use(rt):
    cid = rt.create(rt.config(["sleep", "1000"]))
    r = rt("create", "--bundle", rt.dir / "bundles" / cid, cid)
    assert r.rc == 1 and "already exists" in r.err
    assert rt.status(cid) == "created"


@pytest.mark.parametrize("cid", ["", ".", "..", "a/b", "../x", "a b", "x" * 2000])
def test_bad_ids(rt, cid):
    _, d = rt.bundle(rt.config(["true"]))
    r = rt("run", "--bundle", d, cid)
    assert r.rc == 1 and r.err


def test_list(rt):
    cid = rt.create(rt.config(["sleep", "1000"]))
    assert rt("list", "-q").ok() == cid
    entry, = json.loads(rt("list", "--format", "json").ok())
    assert entry["id"] == cid and entry["status"] == "created"


def test_exec(rt):
    cid = rt.start(rt.config(["sleep", "1000"]))
    assert rt("exec", cid, "cat", "/proc/1/cmdline").ok().startswith("sleep")
    assert rt("exec", cid, "sh", "-c", "exit 9").rc == 9
    assert rt("exec", "--env", "A=b c", cid, "sh", "-c", "echo $A").ok() == "b c"
    assert rt("exec", "--cwd", "/tmp", cid, "pwd").ok() == "/tmp"
    assert rt("exec", "--user", "1000:1000", cid, "id", "-u").ok() == "1000"
    assert rt("exec", "-u", "1000", "-g", "7", cid, "id", "-G").ok().split() == ["0", "7"]
    # All namespaces are joined: the same links.
    pid = rt.state(cid)["pid"]
    for ns in ("pid", "mnt", "net", "ipc", "uts"):
        assert rt("exec", cid, "readlink", f"/proc/self/ns/{ns}").ok() == os.readlink(f"/proc/{pid}/ns/{ns}")
    # And the control groups.
    assert rt("exec", cid, "cat", "/proc/self/cgroup").ok() == rt("exec", cid, "cat", "/proc/1/cgroup").ok()


def test_exec_process_file(rt, tmp_path):
    cid = rt.start(rt.config(["sleep", "1000"]))
    f = tmp_path / "process.json"
    f.write_text(json.dumps({"args": ["sh", "-c", "echo $X; id -u"], "cwd": "/", "env": ["X=y", "PATH=/bin"],
                             "user": {"uid": 5, "gid": 6}}))
    assert rt("exec", "--process", f, cid).ok().split() == ["y", "5"]


def test_exec_detached(rt, tmp_path):
    cid = rt.start(rt.config(["sleep", "1000"]))
    pidfile = tmp_path / "pid"
    p = rt.popen("exec", "-d", "--pid-file", pidfile, cid, "sleep", "999", stdin=subprocess.DEVNULL,
                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert p.wait(60) == 0
    cmd = pathlib.Path(f"/proc/{pidfile.read_text()}/cmdline")
    wait_until(lambda: cmd.read_bytes() == b"sleep\x00999\x00", "the detached process")


def test_no_descriptor_leaks(rt):
    """What the runtime has open never reaches the program, in run and in exec."""
    r, w = os.pipe()
    os.set_inheritable(w, True)
    try:
        assert rt.run(rt.config(["ls", "/proc/self/fd"])).ok().split() == ["0", "1", "2", "3"]
        cid = rt.start(rt.config(["sleep", "1000"]))
        assert rt("exec", cid, "ls", "/proc/self/fd").ok().split() == ["0", "1", "2", "3"]
        pid = rt.state(cid)["pid"]
        wait_until(lambda: b"sleep" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), "the program")
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    finally:
        os.close(r)
        os.close(w)


def test_preserve_fds(rt):
    cid, d = rt.bundle(rt.config(["sh", "-c", "cat <&3"]))
    r, w = os.pipe()
    os.write(w, b"kept\n")
    os.close(w)
    p = subprocess.run(["bash", "-c", f'exec "$@" 3<&{r}', "bash", str(rt_path()), "--root", str(rt.root), "run",
                        "--preserve-fds", "1", "--bundle", str(d), cid], pass_fds=[r], capture_output=True, text=True)
    os.close(r)
    assert p.stdout == "kept\n", p.stderr


def rt_path():
    from oci import RUNTIME
    return RUNTIME


def test_console_socket(rt, tmp_path):
    s = ConsoleSocket(tmp_path / "console")
    c = rt.config(["sh", "-c", "tty; stat -c %t:%T /dev/console; read x; echo got:$x"], terminal=True,
                  consoleSize={"height": 33, "width": 77})
    cid, d = rt.bundle(c)
    rt("create", "--bundle", d, "--console-socket", s.path, cid).ok()
    fd = s.master()
    import fcntl
    import struct
    import termios
    rows, cols = struct.unpack("hhhh", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))[:2]
    assert (rows, cols) == (33, 77)
    rt("start", cid).ok()
    os.write(fd, b"word\n")
    out = b""

    def more():
        nonlocal out
        try:
            out += os.read(fd, 4096)
        except OSError:
            return True
        return b"got:word" in out
    wait_until(more, "the terminal's echo")
    os.close(fd)
    assert b"/dev/pts/0" in out or b"/dev/console" in out, out
    assert b"88:0" in out, out
    ends(cid, rt)


def test_tty_needs_a_socket_when_detached(rt):
    cid, d = rt.bundle(rt.config(["true"], terminal=True))
    r = rt("create", "--bundle", d, cid)
    assert r.rc == 1 and "without setting console socket" in r.err


def test_pause_resume(rt):
    cid = rt.start(rt.config(["sleep", "1000"]))
    rt("pause", cid).ok()
    assert rt.status(cid) == "paused"
    r = rt("exec", cid, "true")
    assert r.rc == 255 and "paused" in r.err
    r = rt("pause", cid)
    assert r.rc == 1
    rt("resume", cid).ok()
    assert rt.status(cid) == "running"
    assert rt("resume", cid).rc == 1
    rt("pause", cid).ok()
    rt("delete", "--force", cid).ok()


def test_update_and_events(rt):
    c = rt.config(["sleep", "1000"])
    c["linux"]["resources"]["memory"] = {"limit": 64 << 20}
    c["linux"]["resources"]["pids"] = {"limit": 50}
    cid = rt.start(c)
    stats = json.loads(rt("events", "--stats", cid).ok())
    assert stats["type"] == "stats" and stats["id"] == cid
    assert stats["data"]["memory"]["usage"]["limit"] == 64 << 20
    assert stats["data"]["pids"]["limit"] == 50
    rt("update", "--memory", "96m", "--pids-limit", "60", cid).ok()
    rt("update", "-r", "-", cid, stdin=b'{"cpu":{"shares":512}}').ok()
    stats = json.loads(rt("events", "--stats", cid).ok())
    assert stats["data"]["memory"]["usage"]["limit"] == 96 << 20
    assert stats["data"]["pids"]["limit"] == 60


def test_ps(rt):
    cid = rt.start(rt.config(["sleep", "1000"]))
    pid = rt.state(cid)["pid"]
    assert json.loads(rt("ps", "--format", "json", cid).ok()) == [pid]


def test_kill_all_and_delete_force(rt):
    c = rt.config(["sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000"])
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]
    c["mounts"][0] = {"destination": "/proc", "type": "none", "source": "/proc", "options": ["rbind"]}
    cid = rt.start(c)
    wait_until(lambda: len(json.loads(rt("ps", "--format", "json", cid).ok())) >= 3, "three processes")
    rt("delete", "--force", cid).ok()
    assert not rt.groups()
    assert rt("delete", "--force", "nosuch").rc == 0
    assert rt("delete", "nosuch").rc == 1


def test_delete_by_regex(rt):
    a, b = rt.create(rt.config(["sleep", "1000"])), rt.create(rt.config(["sleep", "1000"]))
    rt("delete", "--force", "--regex", a[:6] + "[0-9a-f]*").ok()
    assert rt("state", a).rc == 1 and rt.status(b) == "created"
    assert rt("delete", "--regex", "(").rc == 1


def test_pid_file_and_log(rt, tmp_path):
    cid, d = rt.bundle(rt.config(["sleep", "1000"]))
    p = subprocess.run([str(rt_path()), "--root", str(rt.root), "create", "--bundle", str(d), "--pid-file", str(tmp_path / "p"), cid],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert p.returncode == 0
    assert int((tmp_path / "p").read_text()) == rt.state(cid)["pid"]
    log = tmp_path / "log"
    bad, bd = rt.bundle(rt.config(["nosuch"]))
    r = rt("--log", log, "--log-format", "json", "run", "--bundle", bd, bad)
    assert r.rc == 1
    line = json.loads(log.read_text().splitlines()[-1])
    assert line["level"] == "error" and 'exec: "nosuch": executable file not found in $PATH' in line["msg"]


ERRORS = [
    (["nosuch"], 'exec: "nosuch": executable file not found in $PATH'),
    (["/nosuch"], 'exec: "/nosuch": stat /nosuch: no such file or directory'),
    (["/etc/passwd"], 'exec: "/etc/passwd": permission denied'),
    (["/tmp"], 'exec: "/tmp": is a directory'),
]


@pytest.mark.parametrize("args,text", ERRORS)
def test_error_texts(rt, args, text):
    r = rt.run(rt.config(args))
    assert r.rc == 1 and text in r.err.replace('\\"', '"')
    cid = rt.start(rt.config(["sleep", "1000"]))
    r = rt("exec", cid, *args)
    assert r.rc == 255 and text in r.err.replace('\\"', '"')


def test_error_no_interpreter(rt):
    p = rt.rootfs / "bin/script"
    p.write_text("#!/no/such/shell\n")
    p.chmod(0o755)
    r = rt.run(rt.config(["script"]))
    assert r.rc == 1 and "no such file or directory" in r.err


def test_error_cwd(rt):
    (rt.rootfs / "file").write_text("")
    r = rt.run(rt.config(["true"], cwd="/file"))
    assert r.rc == 1 and 'chdir to cwd ("/file") set in config.json failed: not a directory' in r.err.replace('\\"', '"')


def test_missing_cwd_is_made(rt):
    assert rt.run(rt.config(["pwd"], cwd="/made/for/me")).ok() == "/made/for/me"


def test_features_and_spec(rt, tmp_path):
    f = json.loads(rt("features").ok())
    assert "rro" in f["mountOptions"] and "CAP_BPF" in f["linux"]["capabilities"]
    assert set(f["hooks"]) == {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
    d = tmp_path / "s"
    d.mkdir()
    rt("spec", "--bundle", d).ok()
    assert json.loads((d / "config.json").read_text())["process"]["args"] == ["sh"]
    r = rt("spec", "--bundle", d)
    assert r.rc == 1 and "exists" in r.err


def test_self_is_protected(rt):
    """A program that runs /proc/self/exe cannot write to the runtime's file (CVE-2019-5736)."""
    p = rt.rootfs / "bin/again"
    p.write_text("#!/proc/self/exe\n")
    p.chmod(0o755)
    before = rt_path().read_bytes()
    cid = rt.start(rt.config(["sh", "-c", "while :; do for e in /proc/[0-9]*/exe; do (echo x > $e) 2>/dev/null; done; done"]))
    for _ in range(20):
        rt("exec", cid, "again", "--version")
        rt("exec", cid, "/proc/self/exe", "--version")
    assert rt_path().read_bytes() == before
