#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hoy beside its peers, in one interleaved run: `make bench`, or

  bench.py [--rounds N] [--peers /opt/peers] [--json FILE] [ROW...]

A row runs each subject in turn, N rounds, and prints the minimum and the median of wall time and of the server's CPU
time (cpuacct of its daemons and of its containers), and the peer's figure divided by hoy's. Only ratios of one run mean
anything. A peer that is not running is left out and named.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests" / "integration"))
os.environ.setdefault("HOY_TEST_NS", "1")
import harness  # noqa: E402

BUILD = harness.BUILD


def cpu_of(groups):
    total = 0
    for g in groups:
        for f, scale in (("cpuacct.usage", 1), ("cpu.stat", 1000)):
            try:
                text = (pathlib.Path(g) / f).read_text()
            except OSError:
                continue
            total += int(text.split()[0] if f == "cpuacct.usage" else text.split()[1]) * scale
            break
    return total


def pss_kib(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def descendants(pid):
    kids, todo = [], [pid]
    children = {}
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            ppid = int((p / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(ppid, []).append(int(p.name))
    while todo:
        p = todo.pop()
        kids.append(p)
        todo += children.get(p, [])
    return kids


def programs(*names):
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            exe = os.path.basename(os.readlink(p / "exe")).split(" ")[0]
            comm = (p / "comm").read_text().strip()
        except OSError:
            continue
        if exe in names or comm in names:
            found.append(int(p.name))
    return found


class Hoy:
    name = "hoy"

    def __init__(self):
        self.base = harness.new_base()
        self.engine = harness.Engine(self.base)
        argv = self.engine.argv
        self.engine.argv = lambda: ["unshare", "--net", "--", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *argv()]
        self.group = f"/hoybench{os.getpid()}"
        root = pathlib.Path("/sys/fs/cgroup/cpuacct")
        if not root.exists():
            root = pathlib.Path("/sys/fs/cgroup")
        self.daemon_group = root / (self.group.lstrip("/") + "-engine")
        self.daemon_group.mkdir()
        self.engine.cgroup = self.group
        self.groups = [self.daemon_group, root / self.group.lstrip("/")]
        me = self.daemon_group / "cgroup.procs"
        here = next(x for x in pathlib.Path("/proc/self/cgroup").read_text().splitlines()
                    if "cpuacct" in x or x.startswith("0::")).split(":")[2]
        me.write_text(str(os.getpid()))
        try:
            self.engine.start()
        finally:
            (root / here.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        self.engine.load_busybox()
        self.cli = [str(BUILD / "hoy")]
        self.env = self.engine.client_env()

    def cpu(self):
        return cpu_of(self.groups)

    def daemon_pids(self):
        return [self.engine.proc.pid]

    def container_pids(self):
        return [p for p in programs("hoy-monitor", "memfd:hoy-monitor")]

    def close(self):
        self.engine.close(audit=False)
        shutil.rmtree(self.base, ignore_errors=True)
        try:
            self.daemon_group.rmdir()
        except OSError:
            pass


class Dockerd:
    name = "dockerd"

    def __init__(self, peers):
        env = peers / "env.sh"
        sock = pathlib.Path("/run/peers/docker.sock")
        if not env.exists() or not sock.exists():
            raise LookupError("dockerd is not running (../shared/tools/peers.sh start)")
        self.env = {**os.environ, "DOCKER_HOST": f"unix://{sock}", "DOCKER_CONFIG": str(peers / "docker-config")}
        groups = [x for x in env.read_text().splitlines() if "BENCH_CPUACCT" in x][0].split('"')[1].split()
        self.groups = groups
        self.cli = [harness.DOCKER or str(peers / "bin/docker")]
        if subprocess.run([*self.cli, "run", "--rm", "--network", "none", "busybox", "true"], env=self.env,
                          capture_output=True).returncode:
            raise LookupError("dockerd runs no busybox container")

    def cpu(self):
        return cpu_of(self.groups)

    def daemon_pids(self):
        return programs("dockerd", "containerd")

    def container_pids(self):
        return programs("containerd-shim", "containerd-shim-runc-v2")

    def close(self):
        pass


class StockOnHoy:
    """The stock docker CLI against hoyd."""
    name = "docker CLI on hoyd"

    def __init__(self, hoy):
        self.cli, self.env, self.cpu = [harness.DOCKER], hoy.env, hoy.cpu

    def close(self):
        pass


def timed(subject, argv, quiet=True, **kw):
    cpu, start = subject.cpu(), time.perf_counter()
    p = subprocess.run([*subject.cli, *argv], env=subject.env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    wall = time.perf_counter() - start
    if p.returncode:
        raise RuntimeError(f"{subject.name}: {' '.join(argv)}: {p.stderr.decode()[-300:]}")
    return wall * 1e3, (subject.cpu() - cpu) / 1e6


def quiet(subject, *argv):
    subprocess.run([*subject.cli, *argv], env=subject.env, capture_output=True, check=False)


class Row:
    def __init__(self, name, reach, body, setup=None, teardown=None, unit="ms", subjects="engines"):
        self.name, self.reach, self.body, self.setup, self.teardown = name, reach, body, setup, teardown
        self.unit, self.subjects = unit, subjects


def run_none(s, _):
    return timed(s, ["run", "--rm", "--network", "none", "busybox", "true"])


def run_bridge(s, _):
    return timed(s, ["run", "--rm", "busybox", "true"])


def exec_setup(s):
    quiet(s, "rm", "-f", "bench-exec")
    timed(s, ["run", "-d", "--name", "bench-exec", "--network", "none", "busybox", "sleep", "100000"])


def exec_true(s, _):
    return timed(s, ["exec", "bench-exec", "true"])


def exec_teardown(s):
    quiet(s, "rm", "-f", "bench-exec")


def rm_running(s, n):
    timed(s, ["run", "-d", "--name", f"bench-rm{n}", "--network", "none", "busybox", "sleep", "100000"])
    return timed(s, ["rm", "-f", f"bench-rm{n}"])


def many(s, n):
    """100 containers started by 8 clients at once; removed off the clock."""
    names = [f"bench-many-{n}-{i}" for i in range(100)]
    cpu, start = s.cpu(), time.perf_counter()

    def one(name):
        return subprocess.run([*s.cli, "run", "-d", "--name", name, "busybox", "sleep", "100000"], env=s.env, capture_output=True)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        bad = [r for r in pool.map(one, names) if r.returncode]
    wall, used = (time.perf_counter() - start) * 1e3, (s.cpu() - cpu) / 1e6
    quiet(s, "rm", "-f", *names)
    if bad:
        raise RuntimeError(f"{s.name}: {len(bad)} of 100 failed: {bad[0].stderr.decode()[-300:]}")
    return wall, used


def ps_setup(s):
    have = subprocess.run([*s.cli, "ps", "-aq", "--filter", "label=bench-ps"], env=s.env, capture_output=True, text=True).stdout.split()

    def one(_):
        subprocess.run([*s.cli, "create", "--label", "bench-ps=1", "--network", "none", "busybox", "true"], env=s.env,
                       capture_output=True)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(500 - len(have))))


def ps_all(s, _):
    return timed(s, ["ps", "-a"])


def ps_teardown(s):
    ids = subprocess.run([*s.cli, "ps", "-aq", "--filter", "label=bench-ps"], env=s.env, capture_output=True, text=True).stdout.split()
    for i in range(0, len(ids), 100):
        quiet(s, "rm", "-f", *ids[i:i + 100])


def logs_setup(s):
    quiet(s, "rm", "-f", "bench-logs")
    subprocess.run([*s.cli, "run", "--name", "bench-logs", "--network", "none", "--log-opt", "max-size=1g", "busybox", "seq", "1000000"],
                   env=s.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)


def logs_read(s, _):
    return timed(s, ["logs", "bench-logs"])


def logs_teardown(s):
    quiet(s, "rm", "-f", "bench-logs")


def memory(s, n):
    """PSS of what one more container costs, all processes but the container's own; KiB, in both columns."""
    names = [f"bench-mem-{n}-{i}" for i in range(20)]
    before = sum(pss_kib(p) for p in s.daemon_pids()) + sum(pss_kib(p) for p in s.container_pids())
    for name in names:
        timed(s, ["run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "100000"])
    after = sum(pss_kib(p) for p in s.daemon_pids()) + sum(pss_kib(p) for p in s.container_pids())
    quiet(s, "rm", "-f", *names)
    each = (after - before) / len(names)
    return each, each


def idle(s, _):
    kib = sum(pss_kib(p) for p in s.daemon_pids())
    return kib, kib


ROWS = [
    Row("idle", "<= 6 MiB", idle, unit="KiB"),
    Row("run-none", "1/25", run_none),
    Row("run-bridge", "1/25", run_bridge),
    Row("exec", "1/20", exec_true, exec_setup, exec_teardown),
    Row("rm", "1/20", rm_running),
    Row("memory", "<= 300 KiB a container", memory, unit="KiB"),
    Row("many", "1/12", many),
    Row("ps", "1/20", ps_all, ps_setup, ps_teardown),
    Row("logs", "1/10", logs_read, logs_setup, logs_teardown),
    Row("stock-cli", "hoyd's share <= 6 ms", run_none, subjects="stock"),
    Row("runtime", "0.6 of crun", None, subjects="runtimes"),
]


def bench_runtimes(peers, rounds):
    """`RUNTIME run` of one bundle whose config.json dockerd wrote, or, without a dockerd, hoy-runtime's own default."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="hoy-bench-"))
    out = {}
    try:
        root = base / "rootfs"
        root.mkdir()
        subprocess.run(["tar", "-xf", "-", "-C", str(root)], input=harness.busybox_layer(), check=True)
        subprocess.run([str(BUILD / "hoy-runtime"), "spec"], cwd=base, check=True)
        cfg = json.loads((base / "config.json").read_text())
        cfg["process"]["args"], cfg["process"]["terminal"] = ["/bin/true"], False
        sample = peers / "docker-config.json"
        if sample.exists():
            cfg = json.loads(sample.read_text())
        (base / "config.json").write_text(json.dumps(cfg))
        subjects = {"hoy-runtime": [str(BUILD / "hoy-runtime")]}
        for n in ("crun", "runc"):
            if (peers / "bin" / n).exists():
                subjects[n] = [str(peers / "bin" / n)]
        for r in range(rounds):
            for n, cli in subjects.items():
                a, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
                p = subprocess.run([*wrap(base), *cli, "--root", str(base / ("state-" + n)), "run", f"b{os.getpid()}-{r}"], cwd=base,
                                   stdin=subprocess.DEVNULL, capture_output=True)
                wall, b = (time.perf_counter() - start) * 1e3, resource.getrusage(resource.RUSAGE_CHILDREN)
                if p.returncode:
                    raise RuntimeError(f"{n}: {p.stderr.decode()[-300:]}")
                out.setdefault(n, []).append((wall, (b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime) * 1e3))
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return out


def wrap(cwd):
    """crun of this age refuses a hybrid cgroup hierarchy: all runtimes run in a mount namespace without the v2 one, when
    `peers.sh v1ns true` has made it."""
    v1ns = pathlib.Path("/run/peers/ns/v1mnt")
    return ["nsenter", f"--mount={v1ns}", "sh", "-c", 'cd "$0" && exec "$@"', str(cwd)] if v1ns.exists() else []


def report(row, results, order):
    print(f"\n{row.name}  (reach: {row.reach})")
    base = results.get(order[0])
    for name in order:
        if name not in results:
            continue
        wall = [x[0] for x in results[name]]
        cpu = [x[1] for x in results[name]]
        line = f"  {name:22} wall min {min(wall):9.2f} median {statistics.median(wall):9.2f} {row.unit}"
        if row.unit == "ms":
            line += f"   cpu min {min(cpu):9.2f} median {statistics.median(cpu):9.2f} ms"
        if base and name != order[0] and min(x[0] for x in base) > 0:
            line += f"   = {min(wall) / min(x[0] for x in base):6.2f} x wall"
            if row.unit == "ms" and min(x[1] for x in base) > 0:
                line += f", {min(cpu) / min(x[1] for x in base):6.2f} x cpu"
        print(line, flush=True)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--rounds", type=int, default=10)
    ap.add_argument("--peers", type=pathlib.Path, default=pathlib.Path(os.environ.get("PEERS", "/opt/peers")))
    ap.add_argument("--json", type=pathlib.Path)
    ap.add_argument("rows", nargs="*")
    args = ap.parse_args()
    rows = [r for r in ROWS if not args.rows or r.name in args.rows]
    unknown = set(args.rows) - {r.name for r in ROWS}
    if unknown:
        ap.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(r.name for r in ROWS)}")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cpus, kernel {os.uname().release}, {args.rounds} rounds, interleaved")
    hoy, peer, made, kept = None, None, [], {}
    try:
        if any(r.subjects != "runtimes" for r in rows):
            hoy = Hoy()
            made.append(hoy)
            try:
                peer = Dockerd(args.peers)
                made.append(peer)
            except LookupError as e:
                print(f"left out: {e}")
        for row in rows:
            if row.subjects == "runtimes":
                results = bench_runtimes(args.peers, args.rounds)
                order = ["hoy-runtime", "crun", "runc"]
            else:
                subjects = [hoy] + ([StockOnHoy(hoy)] if row.subjects == "stock" and harness.DOCKER else []) + ([peer] if peer else [])
                order = [s.name for s in subjects]
                results = {}
                rounds = max(1, args.rounds // 4) if row.name in ("many", "memory", "logs") else args.rounds
                for s in subjects:
                    if row.setup:
                        row.setup(s)
                for n in range(rounds):
                    for s in subjects:
                        results.setdefault(s.name, []).append(row.body(s, n))
                for s in subjects:
                    if row.teardown:
                        row.teardown(s)
            report(row, results, order)
            kept[row.name] = results
    finally:
        for s in made:
            s.close()
    if args.json:
        args.json.write_text(json.dumps(kept, indent=1))


main()
