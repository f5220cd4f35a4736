# SPDX-License-Identifier: Apache-2.0
"""hoy-init, which --init puts before the container's program: as PID 1 of a pid namespace, with tini's manners."""
import os
import signal
import subprocess

import pytest

import harness
from harness import BUILD, wait_until

INIT = str(BUILD / "hoy-init")


def in_pidns(args, **kw):
    return subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", INIT, *args], **kw)


@pytest.mark.parametrize("script,code", [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_exit_codes(script, code):
    assert in_pidns(["--", "sh", "-c", script]).wait(harness.DEADLINE) == code


@pytest.mark.parametrize("args,code,text", [
    (["nosuch-program"], 127, "exec nosuch-program failed: No such file or directory"),
    (["/etc/passwd"], 126, "exec /etc/passwd failed: Permission denied"),
    ([], 1, "Usage"), (["-p", "x", "true"], 1, "signal number"), (["-e", "300", "true"], 1, "-e"),
])
def test_failures(args, code, text):
    p = in_pidns(args, stderr=subprocess.PIPE, text=True)
    _, err = p.communicate(timeout=harness.DEADLINE)
    assert p.returncode == code
    assert text in err


def test_version_and_remapped_codes():
    assert subprocess.run([INIT, "--version"], capture_output=True, text=True).stdout.startswith("hoy-init version ")
    assert in_pidns(["-e", "143", "-e", "5", "--", "sh", "-c", "exit 5"]).wait(harness.DEADLINE) == 0
    assert in_pidns(["-e", "143", "--", "sh", "-c", "exit 5"]).wait(harness.DEADLINE) == 5


def test_the_program_ignores_no_signal():
    """hoy-init ignores SIGTTIN and SIGTTOU for itself; a shell with job control could not work with that."""
    p = in_pidns(["--", "sed", "-n", "s/^SigIgn://p", "/proc/self/status"], stdout=subprocess.PIPE, text=True)
    out, _ = p.communicate(timeout=harness.DEADLINE)
    assert int(out, 16) & (1 << signal.SIGTTIN - 1 | 1 << signal.SIGTTOU - 1) == 0


def test_orphans_are_reaped():
    """A thousand orphans: without a reaper they would stay as zombies."""
    script = ("i=0; while [ $i -lt 1000 ]; do (sleep 0 & ) ; i=$((i+1)); done; "
              "n=1; while [ $n -gt 0 ]; do n=$(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l); done; echo clean")
    p = in_pidns(["--", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    out, _ = p.communicate(timeout=2 * harness.DEADLINE)
    assert out == "clean\n" and p.returncode == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGRTMIN + 3])
def test_signals_are_forwarded(sig):
    script = f"trap 'echo got; exit 9' {int(sig)}; echo ready; while :; do sleep 0.05; done"
    p = in_pidns(["--", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    child = wait_until(lambda: open(f"/proc/{p.pid}/task/{p.pid}/children").read().split(), "init")
    os.kill(int(child[0]), sig)
    assert p.stdout.readline() == "got\n"
    assert p.wait(harness.DEADLINE) == 9


def test_group(tmp_path):
    script = "trap 'exit 3' TERM; sh -c 'trap \"echo child; exit 0\" TERM; echo ready; while :; do sleep 0.05; done' & wait; wait; exit 4"
    p = in_pidns(["-g", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    child = open(f"/proc/{p.pid}/task/{p.pid}/children").read().split()
    os.kill(int(child[0]), signal.SIGTERM)
    assert p.wait(harness.DEADLINE) == 3
