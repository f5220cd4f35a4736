# SPDX-License-Identifier: Apache-2.0
"""The seed's example, to the letter: a container on a bridge of the host's own, by --lxc-conf."""
import os
import pty
import select
import re
import time

import pytest

import harness
from harness import run, wait_until

SEED = ["--lxc-conf=lxc.network.type=veth", "--lxc-conf=lxc.network.ipv4=172.16.21.112/16",
        "--lxc-conf=lxc.network.ipv4.gateway=172.16.255.254", "--lxc-conf=lxc.network.link=br0",
        "--lxc-conf=lxc.network.name=eth0", "--lxc-conf=lxc.network.flags=up"]
CONF = [dict(zip(("Key", "Value"), x.split("=", 1)[1].split("=", 1))) for x in SEED]


@pytest.fixture
def br0():
    run(["ip", "link", "add", "br0", "type", "bridge"]).ok()
    run(["ip", "addr", "add", "172.16.255.254/16", "dev", "br0"]).ok()
    run(["ip", "link", "set", "br0", "up"]).ok()
    yield
    run(["ip", "link", "del", "br0"]).ok()


class Terminal:
    """A client on a terminal of its own."""

    def __init__(self, engine, *args):
        pid, self.fd = pty.fork()
        if pid == 0:
            try:
                os.execve(str(harness.BUILD / "hoy"), ["hoy", *args], engine.client_env())
            finally:
                os._exit(127)
        self.pid, self.data = pid, b""

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, pattern):
        deadline = time.monotonic() + harness.DEADLINE
        while not (m := re.search(pattern.encode(), self.data)):
            left = deadline - time.monotonic()
            assert left > 0, (pattern, self.data)
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.data += os.read(self.fd, 65536)
                except OSError:
                    raise AssertionError(f"ended before {pattern}: {self.data!r}") from None
        self.data = self.data[m.end():]
        return m

    def close(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_over_the_api(engine, br0):
    r = engine.api("POST", "/containers/create?name=seed", {
        "Image": "busybox", "Cmd": ["sleep", "600"], "Tty": True, "OpenStdin": True,
        "HostConfig": {"NetworkMode": "none", "LxcConf": CONF}})
    assert r.status == 201, r.body
    r = engine.api("POST", "/containers/seed/start")
    assert r.status == 204, r.body
    assert engine.inspect("seed")["HostConfig"]["LxcConf"] == CONF
    check_inside(lambda *a: engine.docker("exec", "seed", *a).ok())
    assert "1 packets received" in run(["busybox", "ping", "-c", "1", "-w", "30", "172.16.21.112"]).ok()
    # The other end goes with the container.
    engine.docker("rm", "-f", "seed").ok()
    wait_until(lambda: "master br0" not in run(["bridge", "link", "show"]).out, "the port to leave br0")
    assert "172.16.255.254/16" in run(["ip", "addr", "show", "dev", "br0"]).ok()


def check_inside(sh):
    assert "inet 172.16.21.112/16 brd 172.16.255.255" in sh("ip", "-4", "addr", "show", "dev", "eth0")
    assert "default via 172.16.255.254 dev eth0" in sh("ip", "route")
    links = sh("ip", "-o", "link")
    assert len(links.splitlines()) == 2 and "lo" in links
    assert "inet addr:172.16.21.112  Bcast:172.16.255.255  Mask:255.255.0.0" in sh("ifconfig", "eth0")
    assert "master br0" in run(["bridge", "link", "show"]).ok()


def test_to_the_letter(engine, br0):
    t = Terminal(engine, "run", "-i", "-t", "--net=none", "--name", "seed", *SEED, "busybox", "/bin/sh")
    t.wait_for("# ")
    t.send("for i in 1 2 3; do sleep 1000 & done; ps; echo done=$?\n")
    t.wait_for(r"1 root .* /bin/sh")
    t.wait_for("sleep 1000")
    t.wait_for("done=0")
    check_inside(lambda *a: engine.docker("exec", "seed", *a).ok())
    ps = engine.hoy("ps").ok().splitlines()
    assert re.split(r"  +", ps[0].strip()) == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert "busybox" in ps[1] and '"/bin/sh"' in ps[1] and "Up " in ps[1] and ps[1].rstrip().endswith("seed")
    # Leave it, come back, and end it.
    t.send("\x10\x11")
    assert t.close() == 0
    t = Terminal(engine, "attach", "seed")
    t.send("echo back=$((40+2))\n")
    t.wait_for("back=42")
    t.send("exit 7\n")
    assert t.close() == 7
    wait_until(lambda: engine.state("seed")["Status"] == "exited", "its end")


def test_missing_bridge(engine):
    r = engine.api("POST", "/containers/create?name=seed", {
        "Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none", "LxcConf": CONF}})
    assert r.status == 201, r.body
    r = engine.api("POST", "/containers/seed/start")
    assert r.status == 500 and "failed to attach to 'br0'" in r.message
    assert not engine.state("seed")["Running"]


@pytest.mark.parametrize("key, value, text", [
    ("lxc.network.link", "br0", "before the network type"),
    ("nodot", "1", "Illegal Key passed into LXC Configurations"),
    ("lxc.network.type", "carrier-pigeon", "unknown network type"),
    ("lxc.hook.start", "/bin/true", "not supported"),
])
def test_refused_when_created(engine, key, value, text):
    r = engine.api("POST", "/containers/create", {
        "Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none", "LxcConf": [{"Key": key, "Value": value}]}})
    assert r.status == 400 and text in r.message, r.body


def test_survives_the_engine(engine, br0):
    engine.api("POST", "/containers/create?name=seed", {
        "Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none", "LxcConf": CONF}})
    assert engine.api("POST", "/containers/seed/start").status == 204
    engine.kill9()
    assert "1 packets received" in run(["busybox", "ping", "-c", "1", "-w", "30", "172.16.21.112"]).ok()
    engine.start()
    check_inside(lambda *a: engine.docker("exec", "seed", *a).ok())


def test_device_of_the_hosts_comes_back(engine):
    run(["ip", "link", "add", "lent0", "type", "veth", "peer", "name", "lent1"]).ok()
    try:
        conf = [{"Key": "lxc.network.type", "Value": "phys"}, {"Key": "lxc.network.link", "Value": "lent0"},
                {"Key": "lxc.network.name", "Value": "phys0"}, {"Key": "lxc.network.flags", "Value": "up"},
                {"Key": "lxc.network.ipv4", "Value": "10.99.0.1/24"}]
        r = engine.api("POST", "/containers/create?name=lender", {
            "Image": "busybox", "Cmd": ["sleep", "600"], "HostConfig": {"NetworkMode": "none", "LxcConf": conf}})
        assert r.status == 201, r.body
        for engine_dies in (False, True):
            assert engine.api("POST", "/containers/lender/start").status == 204
            assert "inet 10.99.0.1/24" in engine.docker("exec", "lender", "ip", "addr", "show", "dev", "phys0").ok()
            assert run(["ip", "link", "show", "dev", "lent0"]).rc != 0
            if engine_dies:
                engine.kill9()
                engine.start()
            engine.docker("kill", "lender").ok()
            wait_until(lambda: run(["ip", "link", "show", "dev", "lent0"]).rc == 0, "the device to come back")
            wait_until(lambda: not engine.state("lender")["Running"], "its end")
    finally:
        run(["ip", "link", "del", "lent1"])
