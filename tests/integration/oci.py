# SPDX-License-Identifier: Apache-2.0
"""hoy-runtime on bundles of its own: a root file system of the static busybox, a config.json to vary, and an audit."""
import array
import copy
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import uuid

from harness import BUILD, DEADLINE, run, wait_until

RUNTIME = BUILD / "hoy-runtime"
APPLETS = ["sh", "cat", "id", "ls", "true", "false", "sleep", "mount", "ps", "echo", "env", "touch", "kill", "umount", "stat",
           "hostname", "ip", "grep", "head", "tty", "pwd", "chmod", "test", "readlink", "mknod", "ulimit", "sync", "mkdir"]


def mounts():
    return sorted(line.split(" ", 2)[2] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


class Runtime:
    """One state directory, one control group parent, and what was there before."""

    def __init__(self, tmp):
        self.dir = tmp
        self.root = tmp / "state"
        self.parent = f"/hoytest-{uuid.uuid4().hex[:12]}"
        self.before = mounts()
        self.ids = []
        self.rootfs = tmp / "rootfs"
        for d in ("bin", "etc", "dev", "proc", "sys", "tmp", "root", "mnt", "home"):
            (self.rootfs / d).mkdir(parents=True)
        shutil.copy2("/bin/busybox", self.rootfs / "bin/busybox")
        for a in APPLETS:
            (self.rootfs / "bin" / a).symlink_to("busybox")
        (self.rootfs / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n")
        os.chmod(tmp, 0o755)

    def config(self, args, **process):
        r = run([RUNTIME, "spec", "--bundle", str(self.dir)])
        r.ok()
        c = json.loads((self.dir / "config.json").read_text())
        (self.dir / "config.json").unlink()
        c["process"].update({"terminal": False, "args": list(args), "noNewPrivileges": False, **process})
        c["root"] = {"path": str(self.rootfs), "readonly": False}
        return c

    def bundle(self, config, cid=None):
        cid = cid or "c" + uuid.uuid4().hex[:12]
        d = self.dir / "bundles" / cid
        d.mkdir(parents=True)
        config = copy.deepcopy(config)
        config["linux"].setdefault("cgroupsPath", f"{self.parent}/{cid}")
        (d / "config.json").write_text(json.dumps(config))
        self.ids.append(cid)
        return cid, d

    def __call__(self, *args, stdin=None, cwd=None, env=None):
        return run([str(RUNTIME), "--root", str(self.root), *map(str, args)], stdin=stdin, cwd=cwd, env=env)

    def run(self, config, *flags, stdin=None):
        cid, d = self.bundle(config)
        return self("run", *flags, "--bundle", d, cid, stdin=stdin)

    def popen(self, *args, **kw):
        return subprocess.Popen([str(RUNTIME), "--root", str(self.root), *map(str, args)], **kw)

    def create(self, config):
        cid, d = self.bundle(config)
        # The container keeps our descriptors: pipes would never end.
        p = subprocess.run([str(RUNTIME), "--root", str(self.root), "create", "--bundle", str(d), cid],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           timeout=2 * DEADLINE)
        assert p.returncode == 0
        return cid

    def start(self, config):
        cid = self.create(config)
        self("start", cid).ok()
        return cid

    def state(self, cid):
        return json.loads(self("state", cid).ok())

    def status(self, cid):
        return self.state(cid)["status"]

    def groups(self):
        """Control groups of ours that are left, in every hierarchy."""
        return [str(p) for p in pathlib.Path("/sys/fs/cgroup").glob(f"*{self.parent}/*")
                if p.is_dir()] + [str(p) for p in pathlib.Path("/sys/fs/cgroup").glob(f"{self.parent[1:]}/*") if p.is_dir()]

    def close(self):
        for cid in self.ids:
            self("delete", "--force", cid)
        left = list(self.root.iterdir()) if self.root.exists() else []
        assert not left, f"state left behind: {left}"
        wait_until(lambda: not self.groups(), "control groups to go")
        for h in ["", *(p.name for p in pathlib.Path("/sys/fs/cgroup").iterdir() if p.is_dir())]:
            p = pathlib.Path("/sys/fs/cgroup") / h / self.parent[1:]
            if p.is_dir():
                p.rmdir()
        here = [m for m in mounts() if str(self.dir) in m]
        assert not here, f"mounts left behind: {here}"


class ConsoleSocket:
    """Receives a pty's master as conmon and containerd's shim do."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(self.path)
        self.sock.listen(1)
        self.sock.settimeout(DEADLINE)

    def master(self):
        conn, _ = self.sock.accept()
        conn.settimeout(DEADLINE)
        fds = array.array("i")
        _, anc, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
        for level, kind, data in anc:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(data[:4])
        conn.close()
        self.sock.close()
        return fds[0]


def ends(cid, rt):
    wait_until(lambda: rt.status(cid) == "stopped", f"{cid} to stop")


__all__ = ["Runtime", "ConsoleSocket", "RUNTIME", "ends", "signal", "wait_until"]
