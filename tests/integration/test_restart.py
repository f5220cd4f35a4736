# SPDX-License-Identifier: Apache-2.0
"""Restart policies: Docker's rules and back-off, manual stops remembered, engine restarts."""
import pytest

from harness import wait_until

N = ("--net", "none")


def test_on_failure_counts(engine):
    engine.docker("run", "-d", "--name", "fail", *N, "--restart", "on-failure:2", "busybox", "false").ok()
    wait_until(lambda: engine.state("fail")["Status"] == "exited" and engine.inspect("fail")["RestartCount"] == 2, "two restarts")
    assert engine.state("fail")["ExitCode"] == 1
    engine.docker("run", "-d", "--name", "fine", *N, "--restart", "on-failure", "busybox", "true").ok()
    wait_until(lambda: engine.state("fine")["Status"] == "exited", "its end")
    assert engine.inspect("fine")["RestartCount"] == 0


def test_always_comes_back(engine):
    engine.docker("run", "-d", "--name", "al", *N, "--restart", "always", "busybox", "sleep", "1000").ok()
    pid = engine.state("al")["Pid"]
    import os
    os.kill(pid, 9)
    wait_until(lambda: engine.state("al")["Pid"] not in (0, pid), "a new process")
    assert engine.inspect("al")["RestartCount"] == 1
    # A user's stop and kill stand.
    engine.docker("stop", "-t", "0", "al").ok()
    assert engine.state("al")["Status"] == "exited"
    engine.docker("start", "al").ok()
    engine.docker("kill", "al").ok()
    wait_until(lambda: engine.state("al")["Status"] == "exited", "its end")
    assert engine.inspect("al")["RestartCount"] == 0


def test_restarting_can_be_stopped_and_removed(engine):
    for i, verb in enumerate(("stop", "rm")):
        name = f"loop{i}"
        engine.docker("run", "-d", "--name", name, *N, "--restart", "always", "busybox", "false").ok()
        wait_until(lambda: engine.inspect(name)["RestartCount"] >= 3, "some restarts")  # the pause is 800 ms by now
        if verb == "stop":
            engine.docker("stop", name).ok()
            s = engine.state(name)
            assert s["Status"] == "exited" and not s["Restarting"]
        engine.docker("rm", "-f", name).ok()
        assert engine.api("GET", f"/containers/{name}/json").status == 404


def test_update_takes_the_policy_away(engine):
    engine.docker("run", "-d", "--name", "up", *N, "--restart", "always", "busybox", "sleep", "1000").ok()
    engine.docker("update", "--restart", "no", "up").ok()
    import os
    os.kill(engine.state("up")["Pid"], 9)
    wait_until(lambda: engine.state("up")["Status"] == "exited", "its end")
    assert engine.state("up")["ExitCode"] == 137


@pytest.mark.parametrize("how", ["stop", "kill9"])
def test_over_engine_restarts(engine, how):
    run = lambda name, *a: engine.docker("run", "-d", "--name", name, *N, *a).ok()
    run("always1", "--restart", "always", "busybox", "sleep", "1000")
    run("unless1", "--restart", "unless-stopped", "busybox", "sleep", "1000")
    run("plain1", "busybox", "sleep", "1000")
    run("always-stopped", "--restart", "always", "busybox", "sleep", "1000")
    run("unless-stopped1", "--restart", "unless-stopped", "busybox", "sleep", "1000")
    engine.docker("create", "--name", "never", *N, "--restart", "always", "busybox", "sleep", "1000").ok()
    engine.docker("stop", "-t", "0", "always-stopped", "unless-stopped1").ok()
    before = {n: engine.state(n)["Pid"] for n in ("always1", "unless1", "plain1")}
    getattr(engine, how)()
    engine.start()
    for n, pid in before.items():
        assert engine.state(n)["Pid"] == pid, n  # they ran on
    wait_until(lambda: engine.state("always-stopped")["Running"], "what a new engine starts again")
    assert engine.state("unless-stopped1")["Status"] == "exited"
    assert engine.state("never")["Status"] == "created"
    # While nobody looks, one with a policy and one without end.
    import os
    getattr(engine, how)()
    os.kill(before["unless1"], 9)
    os.kill(before["plain1"], 15)
    wait_until(lambda: not os.path.exists(f"/proc/{before['unless1']}"), "its end")
    engine.start()
    wait_until(lambda: engine.state("unless1")["Pid"] not in (0, before["unless1"]), "its restart")
    assert engine.state("plain1")["Running"]  # sleep as init ignores SIGTERM
