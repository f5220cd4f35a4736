# SPDX-License-Identifier: Apache-2.0
"""cp, archive, diff, export, commit: on running, paused, stopped containers, and against one that plays tricks."""
import base64
import io
import json
import os
import tarfile
import urllib.parse

import pytest

from harness import wait_until


def tar_of(files, **attrs):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files.items():
            i = tarfile.TarInfo(name)
            for k, v in attrs.items():
                setattr(i, k, v)
            if data is None:
                i.type, i.mode = tarfile.DIRTYPE, 0o755
                t.addfile(i)
            else:
                i.size = len(data)
                t.addfile(i, io.BytesIO(data))
    return out.getvalue()


def names(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        return t.getnames()


def url(c, path, **more):
    return f"/containers/{c}/archive?" + urllib.parse.urlencode({"path": path, **more})


def stat(engine, c, path):
    r = engine.api("HEAD", url(c, path))
    assert r.status == 200
    return json.loads(base64.b64decode(r.headers["x-docker-container-path-stat"]))


@pytest.fixture
def running(docker):
    docker("run", "-d", "--name", "ff", "--network=none", "busybox", "sh", "-c",
           "mkdir -p /d/sub; echo text > /d/file; ln -s file /d/link; ln -s /d/link /abs; ln -s /nowhere /d/gone;"
           "mkfifo /d/fifo; ln /d/file /d/hard; rm /etc/group; echo x >> /etc/passwd; touch /ready; exec sleep 10000").ok()
    wait_until(lambda: docker("exec", "ff", "test", "-e", "/ready").rc == 0, "the container's files")
    return "ff"


def test_stat(engine, running):
    s = stat(engine, "ff", "/d/file")
    assert (s["name"], s["size"], s["mode"] & 0o777, s["linkTarget"]) == ("file", 5, 0o644, "")
    assert stat(engine, "ff", "/d")["mode"] & 1 << 31
    s = stat(engine, "ff", "/abs")
    assert s["mode"] & 1 << 27 and s["linkTarget"] == "/d/file"
    assert stat(engine, "ff", "d/gone")["linkTarget"] == "/nowhere"
    assert engine.api("HEAD", url("ff", "/none")).status == 404
    r = engine.api("GET", url("ff", "/none"))
    assert r.status == 404 and r.message == "Could not find the file /none in container ff"
    assert engine.api("GET", "/containers/ff/archive").status == 400
    assert engine.api("GET", url("nobody", "/")).status == 404


def test_get(engine, running):
    r = engine.api("GET", url("ff", "/d"))
    assert r.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        assert t.getnames() == ["d", "d/fifo", "d/file", "d/gone", "d/hard", "d/link", "d/sub"]
        assert t.getmember("d/hard").islnk() and t.getmember("d/hard").linkname == "d/file"
        assert t.getmember("d/fifo").isfifo() and t.getmember("d/link").linkname == "file"
        assert t.extractfile("d/file").read() == b"text\n"
    assert names(engine.api("GET", url("ff", "/abs")).body) == ["abs"]
    assert names(engine.api("GET", url("ff", "/d/sub/../file")).body) == ["file"]
    assert names(engine.api("GET", url("ff", "/../../../etc/passwd")).body) == ["passwd"]


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_cp_both_ways(engine, docker, running, state, tmp_path):
    if state == "paused":
        docker("pause", "ff").ok()
    if state == "stopped":
        docker("kill", "ff").ok()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a")
    os.symlink("a", tmp_path / "in/l")
    docker("cp", str(tmp_path / "in"), "ff:/d").ok()
    docker("cp", str(tmp_path / "in/a"), "ff:/d/renamed").ok()
    docker("cp", "ff:/d/in", str(tmp_path / "out")).ok()
    assert (tmp_path / "out/a").read_text() == "a" and os.readlink(tmp_path / "out/l") == "a"
    docker("cp", "-L", "ff:/abs", str(tmp_path / "followed")).ok()
    assert (tmp_path / "followed").read_text() == "text\n"
    assert docker("cp", str(tmp_path / "in/a"), "ff:/none/x").rc == 1
    assert docker("cp", str(tmp_path / "in"), "ff:/d/file").rc == 1
    if state == "paused":
        docker("unpause", "ff").ok()
        assert docker("exec", "ff", "cat", "/d/renamed").ok() == "a"


def test_put_rules(engine, docker, running):
    put = lambda path, data, **q: engine.api("PUT", url("ff", path, **q), body=data)
    assert put("/d", tar_of({"n/deep/file": b"1"})).status == 200
    assert docker("exec", "ff", "cat", "/d/n/deep/file").ok() == "1"
    assert put("/none", tar_of({"x": b""})).status == 404
    r = put("/d/file", tar_of({"x": b""}))
    assert r.status == 400 and "not a directory" in r.message
    r = put("/d", tar_of({"n": b"file"}), noOverwriteDirNonDir=1)
    assert r.status == 400 and "cannot overwrite directory" in r.message
    r = put("/d", tar_of({"file": None}), noOverwriteDirNonDir=1)
    assert r.status == 400 and "cannot overwrite non-directory" in r.message
    assert put("/d", tar_of({"n": b"file now"})).status == 200
    assert docker("exec", "ff", "cat", "/d/n").ok() == "file now"
    # Whiteout names are names here.
    assert put("/d", tar_of({".wh.file": b"w"})).status == 200
    assert docker("exec", "ff", "cat", "/d/file", "/d/.wh.file").ok() == "text\nw"
    assert put("/d", tar_of({"own": b"o"}, uid=12, gid=34)).status == 200
    assert docker("exec", "ff", "stat", "-c", "%u:%g", "/d/own").ok() == "12:34"
    r = put("/d", tar_of({"../../out": b"x"}))
    assert r.status == 400 and "outside" in r.message
    assert put("/d", b"junk" * 300).status == 400


def test_put_for_the_containers_user(engine, docker):
    docker("run", "-d", "--name", "ff", "--network=none", "--user", "user", "busybox", "sleep", "1000").ok()
    assert engine.api("PUT", url("ff", "/tmp", copyUIDGID=1), body=tar_of({"x": b"x"}, uid=5, gid=6)).status == 200
    assert docker("exec", "ff", "stat", "-c", "%u:%g", "/tmp/x").ok() == "1000:1000"


def test_read_only_root(engine, docker):
    docker("run", "-d", "--name", "ff", "--network=none", "--read-only", "-v", "/data", "busybox", "sleep", "1000").ok()
    r = engine.api("PUT", url("ff", "/tmp"), body=tar_of({"x": b"x"}))
    assert r.status == 403 and r.message == "container rootfs is marked read-only"
    assert engine.api("PUT", url("ff", "/data"), body=tar_of({"x": b"x"})).status == 200
    assert docker("exec", "ff", "cat", "/data/x").ok() == "x"


def test_diff(engine, docker, running):
    d = {x["Path"]: x["Kind"] for x in engine.api("GET", "/containers/ff/changes").json}
    assert d["/etc"] == 0 and d["/etc/passwd"] == 0 and d["/etc/group"] == 2
    assert d["/d"] == 1 and d["/d/file"] == 1 and d["/abs"] == 1
    assert not [p for p in d if p.startswith(("/dev", "/proc", "/sys", "/etc/hosts", "/etc/resolv.conf", "/.dockerenv"))]
    docker("create", "--name", "fresh", "--network=none", "busybox").ok()
    assert engine.api("GET", "/containers/fresh/changes").json is None


def test_export_import(engine, docker, running):
    data = engine.api("GET", "/containers/ff/export").body
    got = names(data)
    assert "d/file" in got and "etc/group" not in got and "bin/busybox" in got
    assert not [n for n in got if n.startswith("proc/")]
    docker("import", "-c", 'CMD ["cat","/d/file"]', "-", "again:1", stdin=data).ok()
    assert docker("run", "--rm", "--network=none", "again:1").ok() == "text"
    docker("rmi", "again:1").ok()


def test_commit(engine, docker, running):
    image = docker("commit", "-a", "me", "-m", "why", "-c", "ENV A=b", "-c", 'CMD ["cat","/d/file"]', "ff", "made:1").ok()
    i = engine.api("GET", "/images/made:1/json").json
    assert i["Id"] == image and i["Author"] == "me" and i["Comment"] == "why"
    assert "A=b" in i["Config"]["Env"] and len(i["RootFS"]["Layers"]) == 2
    assert docker("run", "--rm", "--network=none", "made:1").ok() == "text"
    assert docker("run", "--rm", "--network=none", "made:1", "ls", "/etc/group").rc == 1
    h = engine.api("GET", "/images/made:1/history").json
    assert h[0]["Comment"] == "why" and h[0]["Tags"] == ["made:1"] and len(h) == 2
    assert engine.state("ff")["Status"] == "running"
    saved = engine.api("GET", "/images/made:1/get").body
    docker("rmi", "made:1").ok()
    engine.api("POST", "/images/load", body=saved)
    assert docker("run", "--rm", "--network=none", "made:1").ok() == "text"
    docker("rmi", "made:1").ok()
    assert engine.api("POST", "/commit?container=nobody").status == 404
    assert engine.api("POST", "/commit?container=ff&repo=Bad").status == 400


def test_links_swapped_under_cp(engine, docker, tmp_path):
    """The container swaps a directory for a link to the outside as fast as it can: cp reaches nothing out there."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "secret").write_text("host")
    out = str(canary)
    docker("run", "-d", "--name", "ff", "--network=none", "busybox", "sh", "-c",
           f"mkdir -p /a /b{out}; echo in > /a/secret; cd /; touch /ready;"
           f"while :; do mv a x; ln -s /../../../..{out} a; rm a; mv x a; done").ok()
    wait_until(lambda: docker("exec", "ff", "test", "-e", "/ready").rc == 0, "the swapper")
    for i in range(60):
        r = engine.api("GET", url("ff", "/a/secret"))
        assert r.status in (200, 404) and b"host" not in r.body
        r = engine.api("PUT", url("ff", "/a"), body=tar_of({"secret": b"changed", "new": b"n"}))
        assert r.status in (200, 400, 404, 500)
    assert (canary / "secret").read_text() == "host" and os.listdir(canary) == ["secret"]
