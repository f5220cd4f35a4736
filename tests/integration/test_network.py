# SPDX-License-Identifier: Apache-2.0
"""The default bridge from outside: published ports by every way in, isolation, the modes, and an engine that dies."""
import ctypes
import json
import re
import socket
import subprocess
import threading

import pytest

from harness import DEADLINE, run, wait_until

PAGE = "root:x:0:0:root"
WEB = ["busybox", "httpd", "-f", "-p", "80", "-h", "/etc"]


def fetch(host, port, timeout=5):
    """The page, or None when nobody serves there (yet)."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as s:
            s.sendall(b"GET /passwd HTTP/1.0\r\n\r\n")
            data = b""
            while chunk := s.recv(65536):
                data += chunk
        return data.decode()
    except OSError:
        return None


def serves(host, port):
    wait_until(lambda: PAGE in (fetch(host, port) or ""), f"{host}:{port} to serve")


def refused(host, port):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=30).close()


def gateway(engine):
    return engine.bip.split("/")[0]


def address(engine, name):
    return engine.inspect(name)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]


def socket_inside(engine, name, kind, port):
    """A bound socket in the container's network; the test itself answers there."""
    made = []

    def make():
        with open(f"/proc/{engine.state(name)['Pid']}/ns/net") as ns:
            assert ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0) == 0
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(DEADLINE)
        s.bind(("0.0.0.0", port))
        made.append(s)
    t = threading.Thread(target=make)
    t.start()
    t.join()
    return made[0]


def host_port(engine, name, key="80/tcp"):
    return int(engine.inspect(name)["NetworkSettings"]["Ports"][key][0]["HostPort"])


def start_web(engine, *args, name="web"):
    return engine.docker("run", "-d", "--name", name, *args, *WEB).ok()


@pytest.fixture(scope="module")
def outside(module_engine):
    """A machine beside this one, 198.51.100.2; here is 198.51.100.1. It knows the way to the containers' subnet."""
    p = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec cat"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"

    def there(*argv):
        return run(["nsenter", f"--net=/proc/{p.pid}/ns/net", *argv])
    run(["ip", "link", "add", "ext0", "type", "veth", "peer", "name", "ext1", "netns", str(p.pid)]).ok()
    run(["ip", "addr", "add", "198.51.100.1/24", "dev", "ext0"]).ok()
    run(["ip", "link", "set", "ext0", "up"]).ok()
    there("ip", "addr", "add", "198.51.100.2/24", "dev", "ext1").ok()
    there("ip", "link", "set", "ext1", "up").ok()
    yield there
    p.stdin.close()
    p.wait()
    run(["ip", "link", "del", "ext0"])


def get(host, port, wait=30):
    """A command that prints the page."""
    return ["busybox", "sh", "-c", f"printf 'GET /passwd HTTP/1.0\\r\\n\\r\\n' | busybox nc -w {wait} {host} {port}"]


def test_published_port_by_every_way_in(engine, docker, outside):
    start_web(engine, "-p", "18080:80")
    serves("127.0.0.1", 18080)
    serves(gateway(engine), 18080)
    serves("198.51.100.1", 18080)
    serves(address(engine, "web"), 80)
    # From a neighbour machine, from another container, and from the container itself.
    assert PAGE in outside(*get("198.51.100.1", 18080)).ok()
    for host in (gateway(engine), "198.51.100.1"):
        assert PAGE in docker("run", "--rm", "busybox", *get(host, 18080)).ok()
        assert PAGE in docker("exec", "web", *get(host, 18080)).ok()
    assert docker("port", "web").ok() == "80/tcp -> 0.0.0.0:18080"
    docker("rm", "-f", "web").ok()
    refused("127.0.0.1", 18080)


def test_only_published_ports_are_reachable_from_outside(engine, docker, outside):
    start_web(engine, "-p", "18081:80")
    ip = address(engine, "web")
    outside("ip", "route", "replace", ip, "via", "198.51.100.1").ok()
    docker("exec", "-d", "web", "busybox", "httpd", "-f", "-p", "81", "-h", "/etc").ok()
    serves(ip, 81)
    assert PAGE in outside(*get("198.51.100.1", 18081)).ok()
    # Neither an unpublished port nor a published one past its host port.
    for port in (80, 81):
        assert PAGE not in outside(*get(ip, port, 2)).out
    # The way out: the neighbour does not know the bridge's subnet, so the packet bears our address.
    assert "2 packets received" in docker("exec", "web", "ping", "-c", "2", "-w", "30", "198.51.100.2").ok()


def test_host_address_and_protocols(engine, docker):
    start_web(engine, "-p", "127.0.0.1:18082:80", "-p", "80", "-p", "18100-18102:90-92", "-p", "18053:53/udp")
    serves("127.0.0.1", 18082)
    refused(gateway(engine), 18082)
    ports = engine.inspect("web")["NetworkSettings"]["Ports"]
    bound = {b["HostPort"]: b["HostIp"] for b in ports["80/tcp"]}
    assert bound.pop("18082") == "127.0.0.1"
    (random_port, ip), = bound.items()
    assert ip == "0.0.0.0" and int(random_port) >= 1024
    serves("127.0.0.1", int(random_port))
    assert [ports[f"{p}/tcp"][0]["HostPort"] for p in (90, 91, 92)] == ["18100", "18101", "18102"]
    # UDP there and back.
    with socket_inside(engine, "web", socket.SOCK_DGRAM, 53) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(DEADLINE)
        s.connect(("127.0.0.1", 18053))
        s.send(b"question")
        data, sender = server.recvfrom(100)
        assert data == b"question"
        server.sendto(b"answer", sender)
        assert s.recv(100) == b"answer"


def test_conflicts(engine, docker):
    start_web(engine, "-p", "18083:80")
    r = docker("run", "--name", "second", "-p", "18083:80", *WEB)
    assert r.rc == 125
    assert re.search(r"driver failed programming external connectivity on endpoint second \([0-9a-f]{64}\): "
                     r"Bind for 0.0.0.0:18083 failed: port is already allocated", r.err)
    assert engine.state("second")["Status"] == "created"
    # With another host address it is the same port.
    assert docker("run", "--rm", "-p", "127.0.0.1:18083:80", "busybox", "true").rc == 125
    # A host program cannot take it either, and what a host program has is not given out.
    with socket.socket() as s:
        with pytest.raises(OSError):
            s.bind(("0.0.0.0", 18083))
            s.listen()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 18084))
        s.listen()
        r = docker("run", "--rm", "-p", "18084:80", "busybox", "true")
        assert r.rc == 125 and "address already in use" in r.err
    docker("run", "--rm", "-p", "18084:80", "busybox", "true").ok()
    docker("rm", "-f", "web").ok()
    docker("start", "second").ok()
    serves("127.0.0.1", 18083)


def test_addresses_are_given_back(engine, docker):
    seen = set()
    for _ in range(6):
        seen.add(docker("run", "--rm", "busybox", "ip", "-o", "-4", "addr", "show", "dev", "eth0").ok().split()[3])
    # A namespace takes its time to go, so a neighbour may come first; but they do come back.
    assert len(seen) <= 6 and all(x.endswith("/24") for x in seen)
    names = [f"c{i}" for i in range(4)]
    for n in names:
        docker("run", "-d", "--name", n, "busybox", "sleep", "600").ok()
    ips = [address(engine, n) for n in names]
    assert len(set(ips)) == 4
    mac = engine.inspect("c0")["NetworkSettings"]["Networks"]["bridge"]["MacAddress"]
    assert mac == "02:42:" + ":".join(f"{int(x):02x}" for x in ips[0].split("."))
    docker("rm", "-f", *names).ok()
    wait_until(lambda: not [x for x in json.loads(run(["ip", "-j", "link", "show", "master", engine.bridge]).out or "[]")],
               "no port left on the bridge")


def test_modes(engine, docker):
    links = docker("run", "--rm", "--network", "none", "busybox", "ip", "-o", "link").ok()
    assert "lo:" in links and "eth0" not in links
    assert "127.0.0.1" in docker("run", "--rm", "--network", "none", "busybox", "ip", "addr", "show", "dev", "lo").ok()
    assert engine.bridge in docker("run", "--rm", "--network", "host", "busybox", "ip", "-o", "link").ok()
    start_web(engine)
    assert PAGE in docker("run", "--rm", "--network", "container:web", "busybox", *get("127.0.0.1", 80)).ok()
    r = docker("run", "--rm", "--network", "container:nobody", "busybox", "true")
    assert r.rc == 125 and "No such container: nobody" in r.err
    assert "default via " + gateway(engine) in docker("exec", "web", "ip", "route").ok()


def test_given_mac(engine, docker):
    out = docker("run", "--rm", "--mac-address", "92:d0:c6:0a:29:33", "busybox", "ip", "link", "show", "dev", "eth0").ok()
    assert "92:d0:c6:0a:29:33" in out


def test_kill_9_and_restart(engine, docker):
    start_web(engine, "-p", "18085:80")
    serves("127.0.0.1", 18085)
    # A long connection outlives the engine and its return.
    ip = address(engine, "web")
    with socket_inside(engine, "web", socket.SOCK_STREAM, 90) as server:
        server.listen()
        s = socket.create_connection((ip, 90), timeout=DEADLINE)
        peer, _ = server.accept()
    try:
        def echo(text):
            s.sendall(text)
            assert peer.recv(100) == text
            peer.sendall(text)
            assert s.recv(100) == text
        echo(b"before\n")
        stop = threading.Event()
        failures, served = [], [0]

        def hammer():
            while not stop.is_set():
                if PAGE in (fetch("127.0.0.1", 18085, 30) or ""):
                    served[0] += 1
                else:
                    failures.append(served[0])
        t = threading.Thread(target=hammer)
        t.start()
        try:
            wait_until(lambda: served[0] > 3, "some pages before")
            engine.kill9()
            mark = served[0]
            wait_until(lambda: served[0] > mark + 3, "pages while the engine is dead")
            echo(b"while dead\n")
            engine.start()
            mark = served[0]
            wait_until(lambda: served[0] > mark + 3, "pages after the engine's return")
        finally:
            stop.set()
            t.join()
        assert not failures, failures
        echo(b"after\n")
    finally:
        s.close()
        peer.close()
    assert address(engine, "web") == ip and host_port(engine, "web") == 18085
    r = docker("run", "--rm", "-p", "18085:80", "busybox", "true")
    assert r.rc == 125 and "port is already allocated" in r.err
    docker("run", "-d", "--name", "other", "busybox", "sleep", "600").ok()
    assert address(engine, "other") != ip
    docker("rm", "-f", "web", "other").ok()
    refused("127.0.0.1", 18085)


def test_port_of_a_container_that_ended_while_the_engine_was_dead(engine, docker):
    start_web(engine, "-p", "18086:80")
    serves("127.0.0.1", 18086)
    pid = engine.state("web")["Pid"]
    engine.kill9()
    run(["kill", "-9", str(pid)]).ok()
    engine.start()
    wait_until(lambda: engine.state("web")["Status"] == "exited", "its end to be known")
    docker("run", "-d", "--name", "next", "-p", "18086:80", *WEB).ok()
    serves("127.0.0.1", 18086)


def test_containers_cannot_reach_the_hosts_loopback(engine, docker):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 18087))
        s.settimeout(0)
        docker("run", "--rm", "--privileged", "busybox", "sh", "-c",
               "ip addr del 127.0.0.1/8 dev lo; ip link set lo down; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; "
               f"ip route add 127.0.0.1/32 via {gateway(engine)} dev eth0; echo x | nc -u -w 1 127.0.0.1 18087; ip route").ok()
        with pytest.raises(BlockingIOError):
            s.recv(10)


def test_icc_off(new_engine):
    e = new_engine(["--icc=false"])
    start_web(e, "-p", "18088:80")
    serves(address(e, "web"), 80)
    assert PAGE not in e.docker("run", "--rm", "busybox", *get(address(e, "web"), 80, 2)).out
    assert PAGE in e.docker("run", "--rm", "busybox", *get(gateway(e), 18088)).ok()


def test_beside_a_firewall_that_drops_forwarding(new_engine):
    run(["iptables", "-P", "FORWARD", "DROP"]).ok()
    try:
        e = new_engine()
        start_web(e, "-p", "18089:80")
        assert PAGE in e.docker("run", "--rm", "busybox", *get(address(e, "web"), 80)).ok()
        assert run(["iptables", "-S", "FORWARD"]).out.count(e.bridge) == 2
        e.restart()
        assert run(["iptables", "-S", "FORWARD"]).out.count(e.bridge) == 2
    finally:
        run(["iptables", "-P", "FORWARD", "ACCEPT"]).ok()
        run(["iptables", "-F", "FORWARD"]).ok()


def test_an_engine_with_nothing_to_run_leaves_nothing(new_engine):
    e = new_engine()
    table = f"hoy-{e.bridge}"
    e.docker("run", "-d", "--name", "last", "busybox", "sleep", "1000").ok()
    e.stop()
    assert table in run(["nft", "list", "tables"]).out  # it runs on
    e.start()
    e.docker("rm", "-f", "last").ok()
    e.stop()
    assert table not in run(["nft", "list", "tables"]).out
    e.start()
    e.docker("run", "--rm", "busybox", "true").ok()


def test_two_engines_side_by_side(engine, new_engine):
    other = new_engine()
    start_web(engine, "-p", "18090:80")
    r = other.docker("run", "--rm", "-p", "18090:80", "busybox", "true")
    assert r.rc == 125 and "address already in use" in r.err
    start_web(other, "-p", "18091:80")
    serves("127.0.0.1", 18090)
    serves("127.0.0.1", 18091)
    # Containers of different engines reach each other through published ports alone.
    assert PAGE in other.docker("exec", "web", *get(gateway(engine), 18090)).ok()
    assert PAGE not in other.docker("exec", "web", *get(address(engine, "web"), 80, 2)).out
