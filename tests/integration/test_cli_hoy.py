# SPDX-License-Identifier: Apache-2.0
"""hoy's own side: finding the engine, versions, contexts, prompts, terminals, signals; what needs no engine runs without."""
import json
import os
import pathlib
import pty
import signal
import socket
import subprocess
import termios
import threading

import harness
from harness import BUILD, run, wait_until

HOY = str(BUILD / "hoy")


def bare(tmp_path, *args, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    r = run([HOY, *args], env={**clean, "DOCKER_CONFIG": str(tmp_path), **env})
    assert "Sanitizer" not in r.err and "runtime error:" not in r.err, r.err
    return r


class FakeEngine:
    """Answers one canned reply a path, and remembers what was asked."""

    def __init__(self, path, replies):
        self.path, self.replies, self.asked = str(path), replies, []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(c,), daemon=True).start()

    def talk(self, c):
        with c, c.makefile("rb") as f:
            while line := f.readline():
                method, target, _ = line.decode().split()
                n = 0
                while (h := f.readline().strip()):
                    if h.lower().startswith(b"content-length:"):
                        n = int(h.split(b":")[1])
                f.read(n)
                self.asked.append(f"{method} {target}")
                status, body = self.replies(method, target)
                c.sendall(f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                          .encode() + body)

    def close(self):
        self.sock.close()


def test_nobody_listens(tmp_path):
    r = bare(tmp_path, "-H", f"unix://{tmp_path}/none.sock", "ps")
    assert (r.rc, r.out) == (1, "")
    assert r.err == f"Cannot connect to the Docker daemon at unix://{tmp_path}/none.sock. Is the docker daemon running?\n"
    r = bare(tmp_path, "run", "x", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert r.rc == 125 and r.err.startswith("hoy: Cannot connect") and "Run 'hoy run --help'" in r.err


def test_usage_errors_need_no_engine(tmp_path):
    for args in (["--foo"], ["ps", "--foo"], ["run", "--foo"], ["run", "-m", "x", "a"]):
        r = bare(tmp_path, *args)
        assert r.rc == 125 and r.out == "" and "Usage:  hoy" in r.err, args
    for args in (["rm"], ["rename", "a"], ["foo"], ["container", "foo"]):
        assert bare(tmp_path, *args).rc == 1, args


def test_help_goes_to_stdout(tmp_path):
    for args in (["--help"], ["help"], [], ["run", "--help"], ["help", "ps"], ["container"], ["container", "ls", "--help"]):
        r = bare(tmp_path, *args)
        assert r.rc == 0 and r.out.startswith("Usage:  hoy") and r.err == "", args
        assert all(len(line) <= 100 for line in r.out.splitlines()), args
    assert "hoy container ls, hoy container list, hoy container ps, hoy ps" in bare(tmp_path, "ps", "--help").out
    assert bare(tmp_path, "help", "--man", "run").out.startswith('.TH "HOY-RUN" 1')


def test_an_older_engine_is_asked_again_in_its_version(tmp_path):
    def reply(method, target):
        if not target.startswith("/v1.41/"):
            return 400, b'{"message":"client version 1.51 is too new. Maximum supported API version is 1.41"}'
        return 200, b"[]"
    fake = FakeEngine(tmp_path / "s", reply)
    r = bare(tmp_path, "-H", f"unix://{fake.path}", "ps")
    assert r.rc == 0 and r.out.startswith("CONTAINER ID"), r
    assert fake.asked == ["GET /v1.51/containers/json", "GET /v1.41/containers/json"]
    del fake.asked[:]
    r = bare(tmp_path, "ps", "-q", DOCKER_HOST=f"unix://{fake.path}", DOCKER_API_VERSION="1.41")
    assert (r.rc, r.out, fake.asked) == (0, "", ["GET /v1.41/containers/json"])
    fake.close()


def test_contexts(tmp_path):
    fake = FakeEngine(tmp_path / "s", lambda m, t: (200, b"[]"))
    meta = tmp_path / "contexts" / "meta" / "somehash"
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps(
        {"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": f"unix://{fake.path}", "SkipTLSVerify": False}}}))
    assert bare(tmp_path, "--context", "mine", "ps").rc == 0
    assert bare(tmp_path, "ps", DOCKER_CONTEXT="mine").rc == 0
    (tmp_path / "config.json").write_text('{"currentContext":"mine","psFormat":"{{.ID}}"}')
    r = bare(tmp_path, "ps")
    assert (r.rc, r.out) == (0, "")
    assert len(fake.asked) == 3
    r = bare(tmp_path, "--context", "other", "ps")
    assert r.rc == 1 and 'context "other": context not found' in r.err
    r = bare(tmp_path, "-H", "unix:///x", "--context", "mine", "ps")
    assert r.rc == 1 and "conflicting options" in r.err
    fake.close()


def test_rows_are_safe_whatever_the_engine_says(tmp_path):
    bodies = [b"{", b"[{}]", b"[1,2]", b'[{"Names":null,"Ports":[{}],"Labels":5,"Created":"x"}]', b"null", b'{"message":"x"}']
    for n, body in enumerate(bodies):
        fake = FakeEngine(tmp_path / f"s{n}", lambda m, t, b=body: (200, b))
        for args in (["ps"], ["images"], ["volume", "ls"], ["network", "ls"], ["info"], ["version"], ["system", "df", "-v"],
                     ["inspect", "x"], ["port", "x"], ["top", "x"], ["history", "x"]):
            r = bare(tmp_path, "-H", f"unix://{fake.path}", *args)
            assert r.rc in (0, 1, 64), (body, args, r)
        fake.close()


def test_prune_asks(engine):
    engine.hoy("create", "--name", "left", "--network", "none", "busybox").ok()
    r = engine.hoy("container", "prune", stdin=b"n\n")
    assert r.rc == 1 and "Are you sure you want to continue? [y/N]" in r.out
    assert engine.hoy("ps", "-aq").out != ""
    r = engine.hoy("container", "prune", stdin=b"y\n")
    assert r.rc == 0 and "Deleted Containers:" in r.out and "Total reclaimed space:" in r.out
    assert engine.hoy("ps", "-aq").out == ""


def test_cidfile(engine, tmp_path):
    path = tmp_path / "cid"
    cid = engine.hoy("create", "--cidfile", str(path), "--network", "none", "busybox").ok()
    assert path.read_text() == cid
    r = engine.hoy("create", "--cidfile", str(path), "--network", "none", "busybox")
    assert r.rc != 0 and "container ID file found" in r.err
    engine.hoy("rm", cid).ok()


def test_signals_reach_the_container(engine):
    p = engine.popen("run", "--rm", "--network", "none", "busybox", "sh", "-c",
                     "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.1; done", client="hoy", stdout=subprocess.PIPE)
    try:
        out = harness.Stream(p.stdout)
        out.wait_for(b"ready")
        p.send_signal(signal.SIGUSR1)
        out.wait_for(b"got")
        assert p.wait(timeout=harness.DEADLINE) == 3
    finally:
        harness.end(p)


def test_a_terminal_can_be_left_and_found_again(engine):
    master, slave = pty.openpty()
    p = engine.popen("run", "-it", "--name", "tty", "--network", "none", "busybox", "sh", client="hoy", stdin=slave, stdout=slave,
                     stderr=slave)
    os.close(slave)
    seen = b""

    def until(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(master, 4096)
    try:
        os.write(master, b"echo $((40+2))\n")
        until(b"42\r\n")
        os.write(master, b"\x10\x11")
        assert p.wait(timeout=harness.DEADLINE) == 0
        assert engine.state("tty")["Running"]
    finally:
        harness.end(p)
        os.close(master)
    engine.hoy("rm", "-f", "tty").ok()
    wait_until(lambda: engine.hoy("ps", "-aq").out == "", "the container gone")


def test_completion(tmp_path):
    def reply(method, target):
        path = target.split("/", 2)[2].split("?")[0]
        return 200, json.dumps({
            "containers/json": [{"Names": ["/web", "/other/db"]}, {"Names": ["/worker"]}],
            "images/json": [{"RepoTags": ["busybox:latest", "<none>:<none>"]}, {"RepoTags": None}],
            "volumes": {"Volumes": [{"Name": "data"}]},
        }.get(path, [])).encode()

    def ask(*words):
        r = bare(tmp_path, "__complete", "-H", f"unix://{fake.path}", *words)
        assert (r.rc, r.err) == (0, ""), r
        return r.out.split()

    fake = FakeEngine(tmp_path / "s", reply)
    assert ask("stop", "w") == ["web", "worker"]
    assert ask("container", "rm", "-f", "web", "wo") == ["worker"]
    assert ask("run", "--rm", "") == ["busybox:latest"]
    assert ask("run", "busybox", "") == []
    assert ask("run", "--name", "") == []
    assert ask("volume", "rm", "") == ["data"]
    assert {"web", "busybox:latest", "data"} <= set(ask("inspect", ""))
    fake.close()
    assert ask("ru") == ["run"]
    assert ask("volume", "") == ["create", "inspect", "ls", "prune", "rm"]
    assert ask("ps", "--no") == ["--no-trunc"]
    assert "--tlsverify" in bare(tmp_path, "__complete", "--").out
    r = bare(tmp_path, "-H", "unix:///nonexistent", "__complete", "-H", "unix:///nonexistent", "rm", "")
    assert (r.rc, r.out) == (0, "")
    for shell in "bash", "zsh", "fish":
        r = bare(tmp_path, "completion", shell)
        assert r.rc == 0 and "hoy __complete" in r.out.replace('"${words[0]}"', "hoy").replace('"${words[1]}"', "hoy")
        assert "~" not in r.out
    r = bare(tmp_path, "completion", "csh")
    assert (r.rc, r.out) == (1, "") and "unknown shell" in r.err
    script = bare(tmp_path, "completion", "bash").out + f"""
COMP_LINE="{HOY} volume l"; COMP_POINT=${{#COMP_LINE}}; _hoy_complete; echo "${{COMPREPLY[@]}}"
"""
    assert run(["bash", "-c", script]).ok() == "ls"


def test_closed_descriptors(tmp_path):
    """The connection must not become descriptor 0 or 1: the engine would read our output as a request."""
    fake = FakeEngine(tmp_path / "s", lambda m, t: (200, b"[]"))
    r = run(["sh", "-c", f"exec {HOY} -H unix://{fake.path} ps <&- >&-"], env={**os.environ, "DOCKER_CONFIG": str(tmp_path)})
    assert r.rc == 0 and len(fake.asked) == 1, (r, fake.asked)
    fake.close()


def test_the_terminal_is_restored_when_a_signal_ends_us(engine):
    engine.hoy("run", "-d", "--name", "sig", "--network", "none", "busybox", "sleep", "1000").ok()
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    try:
        p = engine.popen("exec", "-it", "sig", "cat", client="hoy", stdin=slave, stdout=slave, stderr=slave)
        wait_until(lambda: termios.tcgetattr(slave) != before, "a raw terminal")
        p.send_signal(signal.SIGTERM)
        assert p.wait(timeout=harness.DEADLINE) == -signal.SIGTERM
        assert termios.tcgetattr(slave) == before
    finally:
        harness.end(p)
        os.close(master)
        os.close(slave)
        engine.hoy("rm", "-f", "sig").ok()


def test_the_program_links_little():
    libs = run(["ldd", HOY]).out
    assert all(x not in libs for x in ("ssl", "crypto", "curl", "archive", "sqlite")), libs
    assert pathlib.Path(HOY).exists()
