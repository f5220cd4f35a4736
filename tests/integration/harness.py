# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: an engine of one's own, its clients, and an auditor of what was left behind.

Nothing here sleeps to synchronise: wait_until() polls a fact with a generous deadline.
"""
import dataclasses
import http.client
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import hashlib

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOY_BUILD", TREE / "build"))
DOCKER = shutil.which("docker")
DEADLINE = float(os.environ.get("HOY_TEST_DEADLINE", "60"))


def wait_until(fact, what="the expected state", timeout=None):
    """Polls fact() until it is truthy; returns its value, or fails with what was awaited and what was seen last."""
    end = time.monotonic() + (timeout or DEADLINE)
    delay = 0.005
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}; last seen: {value!r}")
        time.sleep(delay)
        delay = min(delay * 1.5, 0.2)


@dataclasses.dataclass
class Result:
    rc: int
    out: str
    err: str

    def ok(self):
        assert self.rc == 0, f"exit code {self.rc}\nstdout: {self.out}\nstderr: {self.err}"
        return self.out.strip()


def run(argv, stdin=None, timeout=None, env=None, cwd=None):
    p = subprocess.run(argv, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                       timeout=timeout or 2 * DEADLINE, env=env, cwd=cwd)
    return Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))


class UnixHTTPConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=None):
        super().__init__("localhost", timeout=timeout or DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        return self.json["message"]


def busybox_layer():
    """A root file system from the distribution's static busybox: one layer, every applet a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        def add(name, mode=0o755, kind=tarfile.DIRTYPE, data=b"", link=""):
            i = tarfile.TarInfo(name)
            i.type, i.mode, i.mtime, i.linkname, i.size = kind, mode, 0, link, len(data)
            t.addfile(i, io.BytesIO(data))
        for d in ("bin", "etc", "dev", "proc", "sys", "root", "usr", "usr/bin", "usr/sbin", "sbin", "var", "home"):
            add(d)
        add("tmp", 0o1777)
        binary = pathlib.Path("/bin/busybox").read_bytes()
        add("bin/busybox", kind=tarfile.REGTYPE, data=binary)
        for applet in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if applet != "busybox":
                add(f"bin/{applet}", kind=tarfile.SYMTYPE, link="/bin/busybox")
        add("etc/passwd", 0o644, tarfile.REGTYPE,
            b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nuser:x:1000:1000::/home/user:/bin/sh\n"
            b"nobody:x:65534:65534:nobody:/home:/bin/false\n")
        add("etc/group", 0o644, tarfile.REGTYPE, b"root:x:0:\ndaemon:x:1:\nextra:x:2000:user\nuser:x:1000:\nnogroup:x:65534:\n")
        add("home/user")
    return out.getvalue()


def docker_archive(name, layers, config=None, extra=None):
    """A docker-archive (manifest.json form) of the given uncompressed layers."""
    cfg = {"architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine), "os": "linux",
           "created": "2026-01-01T00:00:00Z",
           "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"], **(config or {})},
           "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(x).hexdigest() for x in layers]},
           "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "hoy test harness"} for _ in layers], **(extra or {})}
    blob = json.dumps(cfg).encode()
    cfg_name = hashlib.sha256(blob).hexdigest() + ".json"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        def add(n, data):
            i = tarfile.TarInfo(n)
            i.size, i.mtime = len(data), 0
            t.addfile(i, io.BytesIO(data))
        names = []
        for n, layer in enumerate(layers):
            names.append(f"{n}/layer.tar")
            add(names[-1], layer)
        add(cfg_name, blob)
        add("manifest.json", json.dumps([{"Config": cfg_name, "RepoTags": [name] if name else None, "Layers": names}]).encode())
    return out.getvalue()


_busybox = None


def busybox_archive():
    global _busybox
    if _busybox is None:
        _busybox = docker_archive("busybox:latest", [busybox_layer()])
    return _busybox


class Engine:
    """A hoyd with its own root, socket, bridge and cgroup parent. start() returns when it answers."""
    count = 0

    def __init__(self, base, args=(), env=None):
        Engine.count += 1
        self.base = pathlib.Path(base)
        self.base.mkdir(parents=True, exist_ok=True)
        self.tag = f"{os.getpid() % 100000}x{Engine.count}"
        self.sock = str(self.base / "hoy.sock")
        self.bridge = f"ht{self.tag}"[:15]
        octet = (os.getpid() * 7 + Engine.count) % 250 + 2
        self.bip = f"10.{octet}.{Engine.count % 250}.1/24"
        self.cgroup = f"/hoytest{self.tag}"
        self.args = list(args)
        self.env = dict(env or {})
        self.proc = None
        self.log_path = self.base / "hoyd.log"

    @property
    def data_root(self):
        return self.base / "data"

    @property
    def exec_root(self):
        return self.base / "exec"

    def argv(self):
        return [str(BUILD / "hoyd"), "--data-root", str(self.data_root), "--exec-root", str(self.exec_root),
                "--pidfile", str(self.base / "hoyd.pid"), "-H", "unix://" + self.sock, "--bridge", self.bridge,
                "--bip", self.bip, "--cgroup-parent", self.cgroup, "--config-file", str(self.base / "daemon.json"), *self.args]

    def spawn(self, env=None):
        config = self.base / "daemon.json"
        if not config.exists():
            config.write_text("{}\n")
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         env={**os.environ, **self.env, **(env or {})}, start_new_session=True)

    def alive(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"hoyd ended with {self.proc.returncode}:\n{self.log()}")
        try:
            return self.api("GET", "/_ping", timeout=10).status == 200
        except OSError:
            return False

    def start(self, env=None):
        self.spawn(env)
        wait_until(self.alive, "hoyd to answer")
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill9(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self):
        """SIGTERM: the engine ends, containers stay."""
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(timeout=DEADLINE)

    def restart(self, env=None):
        self.stop()
        return self.start(env)

    # clients
    def client_env(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
        env.update(DOCKER_HOST="unix://" + self.sock, DOCKER_CONFIG=str(self.base / "dockercfg"), HOME=str(self.base))
        return env

    def docker(self, *args, stdin=None, timeout=None):
        return run([DOCKER, *args], stdin=stdin, timeout=timeout, env=self.client_env())

    def hoy(self, *args, stdin=None, timeout=None):
        return run([str(BUILD / "hoy"), *args], stdin=stdin, timeout=timeout, env=self.client_env())

    def popen(self, *args, client="docker", **kw):
        exe = DOCKER if client == "docker" else str(BUILD / "hoy")
        return subprocess.Popen([exe, *args], env=self.client_env(), **kw)

    def connect(self, timeout=None):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(timeout or DEADLINE)
        s.connect(self.sock)
        return s

    def api(self, method, path, body=None, headers=None, timeout=None):
        c = UnixHTTPConnection(self.sock, timeout)
        try:
            h = dict(headers or {})
            if body is not None and not isinstance(body, (bytes, bytearray)):
                body = json.dumps(body).encode()
                h.setdefault("Content-Type", "application/json")
            c.request(method, path, body=body, headers=h)
            r = c.getresponse()
            return Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
        finally:
            c.close()

    def load_busybox(self):
        r = self.api("POST", "/images/load", body=busybox_archive(), headers={"Content-Type": "application/x-tar"})
        assert r.status == 200, (r.status, r.body)
        assert b"Loaded image" in r.body, r.body

    def inspect(self, name):
        r = self.api("GET", f"/containers/{name}/json")
        assert r.status == 200, (r.status, r.body)
        return r.json

    def state(self, name):
        return self.inspect(name)["State"]

    def remove_all(self):
        r = self.api("GET", "/containers/json?all=1")
        for c in r.json:
            self.api("DELETE", f"/containers/{c['Id']}?force=1&v=1")
        wait_until(lambda: not self.api("GET", "/containers/json?all=1").json, "all containers gone")

    # audit
    def leftovers(self):
        """What a stopped, emptied engine must not leave: processes, mounts, cgroups, namespaces' interfaces."""
        found = []
        base = str(self.base)
        for p in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if p.name != str(os.getpid()):
                    cmd = (p / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if base in cmd and "pytest" not in cmd:
                        found.append(f"process {p.name}: {cmd.strip()}")
            except OSError:
                continue
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            if base in line:
                found.append("mount: " + line)
        for root in pathlib.Path("/sys/fs/cgroup").glob("*"):
            d = root / self.cgroup.lstrip("/")
            for child in sorted(d.glob("**/")):
                if child != d:
                    found.append(f"cgroup: {child}")
        if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists():
            d = pathlib.Path("/sys/fs/cgroup") / self.cgroup.lstrip("/")
            found += [f"cgroup: {c}" for c in d.glob("*/")]
        return found

    def close(self, audit=True):
        """Removes every container, stops the engine, audits, deletes the tree."""
        if not self.proc or self.proc.poll() is not None:
            if audit:
                self.start()
        if self.proc.poll() is None:
            self.remove_all()
            if audit:
                wait_until(lambda: not self.busy(), "the engine's cleanup", 30)
            self.stop()
        left = []
        if audit:
            def clean():
                nonlocal left
                left = [x for x in self.leftovers()]
                return not left
            try:
                wait_until(clean, "nothing left behind", 20)
            except AssertionError:
                raise AssertionError("left behind:\n" + "\n".join(left) + "\n" + self.log()[-3000:]) from None
        self.wipe()
        log = self.log()
        for word in ("AddressSanitizer", "runtime error:", "ThreadSanitizer", "LeakSanitizer"):
            assert word not in log, log[-8000:]

    def abandon(self):
        """Ends what is left of an engine that a test gave up on, so that the next one finds the machine clean."""
        for p in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if str(self.base).encode() in (p / "cmdline").read_bytes() and int(p.name) != os.getpid():
                    os.kill(int(p.name), signal.SIGKILL)
            except OSError:
                continue
        if self.proc and hasattr(self.proc, "wait"):
            self.proc.wait()
        self.wipe()

    def busy(self):
        """Containers whose processes are still there although nobody lists them."""
        return [x for x in self.leftovers() if "hoy-monitor" in x]

    def wipe(self):
        for root in list(pathlib.Path("/sys/fs/cgroup").glob("*")) + [pathlib.Path("/sys/fs/cgroup")]:
            d = root / self.cgroup.lstrip("/")
            if d.is_dir():
                for child in sorted(d.glob("**/"), reverse=True):
                    try:
                        child.rmdir()
                    except OSError:
                        pass
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)
        subprocess.run(["rm", "-rf", "--one-file-system", str(self.data_root), str(self.exec_root)])


class Peer(Engine):
    """A reference daemon that somebody else started (HOY_TEST_PEER=/path/to/its.sock): the same tests judge it, which
    shows whether what they expect is Docker's. Nothing of it is audited, killed or deleted."""

    def __init__(self, base, sock):
        super().__init__(base)
        self.sock = sock

    class _Proc:
        returncode = None

        def poll(self):
            return None

    def start(self, env=None):
        self.proc = Peer._Proc()
        return self

    def kill9(self):
        import pytest
        pytest.skip("the peer is not ours to kill")

    def close(self, audit=True):
        self.remove_all()


def new_base():
    return tempfile.mkdtemp(prefix="hoy-it-")


class Stream(threading.Thread):
    """Collects what a process prints, so that a test can wait for a text."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe, self.data = pipe, b""
        self.start()

    def run(self):
        while True:
            chunk = os.read(self.pipe.fileno(), 65536)
            if not chunk:
                return
            self.data += chunk

    def wait_for(self, text, timeout=None):
        wait_until(lambda: text in self.data, f"{text!r} in the output (so far {self.data[-500:]!r})", timeout)


def end(proc):
    """Ends a client process this test started."""
    if proc.poll() is None:
        proc.send_signal(signal.SIGKILL)
    proc.wait()
