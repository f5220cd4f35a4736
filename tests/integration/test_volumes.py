# SPDX-License-Identifier: Apache-2.0
"""Volumes, binds, tmpfs: contents, options, holds, removal rules, prune."""
import json
import os

import pytest

N = ("--net", "none")


def names(engine, **filters):
    q = "?filters=" + json.dumps(filters).replace(" ", "") if filters else ""
    return [v["Name"] for v in engine.api("GET", "/volumes" + q).json["Volumes"]]


@pytest.fixture
def box(engine):
    yield engine
    engine.remove_all()
    for n in names(engine):
        engine.api("DELETE", f"/volumes/{n}?force=1")


def test_named(box):
    r = box.api("POST", "/volumes/create", {"Name": "data", "Labels": {"a": "b"}})
    assert r.status == 201 and r.json["Name"] == "data" and r.json["Scope"] == "local" and r.json["Labels"] == {"a": "b"}
    assert os.path.isdir(r.json["Mountpoint"])
    assert box.api("POST", "/volumes/create", {"Name": "data"}).status == 201
    box.docker("run", "--rm", *N, "-v", "data:/d", "busybox", "sh", "-c", "echo kept > /d/f").ok()
    assert box.docker("run", "--rm", *N, "-v", "data:/e:ro", "busybox", "cat", "/e/f").out == "kept\n"
    r = box.docker("run", "--rm", *N, "-v", "data:/e:ro", "busybox", "touch", "/e/g")
    assert r.rc == 1 and "Read-only" in r.err
    assert names(box, label=["a=b"]) == ["data"] and names(box, label=["a=c"]) == []
    assert names(box, dangling=["true"]) == ["data"]
    cid = box.docker("create", *N, "-v", "data:/d", "busybox").ok()
    assert names(box, dangling=["true"]) == []
    r = box.api("DELETE", "/volumes/data")
    assert r.status == 409 and r.message == f"remove data: volume is in use - [{cid}]"
    box.docker("rm", cid).ok()
    assert box.api("DELETE", "/volumes/data").status == 204
    r = box.api("GET", "/volumes/data")
    assert (r.status, r.message) == (404, "get data: no such volume")


def test_refusals(box):
    for bad in ("../x", "a/b", "x" * 300, ".", "a"):
        assert box.api("POST", "/volumes/create", {"Name": bad}).status == 400, bad
    assert box.api("POST", "/volumes/create", {"Name": "okay", "Driver": "nosuch"}).status in (400, 404)
    assert box.api("DELETE", "/volumes/nosuch").status == 404
    assert box.docker("run", "--rm", *N, "-v", "data:relative", "busybox").rc == 125


def test_copy_up(box):
    assert box.docker("run", "--rm", *N, "-v", "etc:/etc", "busybox", "cat", "/etc/group").out.startswith("root:")
    assert "passwd" in box.docker("run", "--rm", *N, "-v", "etc:/x", "busybox", "ls", "/x").out
    # An empty one with nocopy stays empty; one that is not empty is left alone.
    assert "passwd" not in box.docker("run", "--rm", *N, "-v", "n1:/etc:nocopy", "busybox", "ls", "/etc").out
    box.docker("run", "--rm", *N, "-v", "own:/d", "busybox", "touch", "/d/mine").ok()
    assert "passwd" not in box.docker("run", "--rm", *N, "-v", "own:/etc", "busybox", "ls", "/etc").out
    # Owner and mode come along, also of the directory itself.
    out = box.docker("run", "--rm", *N, "-v", "tmpv:/tmp", "busybox", "stat", "-c", "%a %u", "/tmp").out
    assert out == "1777 0\n"


def test_anonymous_volumes_go_with_rm_v(box):
    box.docker("run", "--name", "c1", *N, "-v", "/data", "-v", "named1:/n", "busybox", "true").ok()
    vols = names(box)
    assert len(vols) == 2 and "named1" in vols
    assert box.api("DELETE", "/containers/c1?v=1").status == 204
    assert names(box) == ["named1"]
    box.docker("run", "--name", "c2", *N, "-v", "/data", "busybox", "true").ok()
    assert box.api("DELETE", "/containers/c2").status == 204
    assert len(names(box)) == 2
    r = box.api("POST", "/volumes/prune")
    assert len(r.json["VolumesDeleted"]) == 1
    assert names(box) == ["named1"]
    r = box.api("POST", "/volumes/prune?filters=" + json.dumps({"all": ["1"]}).replace(" ", ""))
    assert r.json["VolumesDeleted"] == ["named1"]
    box.docker("run", "--rm", *N, "-v", "/data", "busybox", "true").ok()
    assert names(box) == []


def test_binds(box, tmp_path):
    (tmp_path / "f").write_text("host\n")
    out = box.docker("run", "--rm", *N, "-v", f"{tmp_path}:/h", "busybox", "sh", "-c", "cat /h/f; echo back > /h/g").out
    assert out == "host\n" and (tmp_path / "g").read_text() == "back\n"
    r = box.docker("run", "--rm", *N, "-v", f"{tmp_path}:/h:ro", "busybox", "touch", "/h/x")
    assert r.rc == 1
    box.docker("run", "--rm", *N, "-v", f"{tmp_path}/made/here:/h", "busybox", "touch", "/h/x").ok()
    assert (tmp_path / "made" / "here" / "x").exists()
    out = box.docker("run", "--rm", *N, "--mount", f"type=bind,src={tmp_path}/f,dst=/single", "busybox", "cat", "/single").out
    assert out == "host\n"


def test_mount_flags(box):
    out = box.docker("run", "--rm", *N, "--mount", "type=volume,src=mv,dst=/v,ro", "busybox", "grep", " /v ", "/proc/mounts").out
    assert " ro," in out
    out = box.docker("run", "--rm", *N, "--tmpfs", "/t:size=1m,mode=700", "busybox", "grep", " /t ", "/proc/mounts").out
    assert "tmpfs" in out and "size=1024k" in out and "noexec" in out
    out = box.docker("run", "--rm", *N, "--mount", "type=tmpfs,dst=/t,tmpfs-size=2m", "busybox", "df", "/t").out
    assert "2048" in out
    out = box.docker("run", "--rm", *N, "--shm-size", "3m", "busybox", "df", "/dev/shm").out
    assert "3072" in out
    box.docker("run", "--rm", *N, "-v", "sub:/d", "busybox", "sh", "-c", "mkdir -p /d/in; echo s > /d/in/f; ln -s / /d/out").ok()
    sub = lambda p: box.docker("run", "--rm", *N, "--mount", f"type=volume,src=sub,dst=/v,volume-subpath={p}", "busybox", "ls", "/v")
    assert sub("in").out == "f\n"
    assert sub("nosuch").rc != 0
    assert "proc" not in sub("out").out.split()  # a link out of the volume leads to its own root
    assert sub("../..").rc != 0


def test_volumes_from(box):
    box.docker("create", "--name", "src", *N, "-v", "shared1:/s", "-v", "/anon", "busybox").ok()
    box.docker("run", "--rm", *N, "--volumes-from", "src", "busybox", "touch", "/s/a", "/anon/b").ok()
    assert box.docker("run", "--rm", *N, "--volumes-from", "src:ro", "busybox", "touch", "/s/c").rc == 1
    assert box.docker("run", "--rm", *N, "--volumes-from", "src", "busybox", "ls", "/s", "/anon").out == "/anon:\nb\n\n/s:\na\n"
    assert box.docker("run", "--rm", *N, "--volumes-from", "nosuch", "busybox").rc == 125


def test_inspect_shows_mounts(box):
    box.docker("create", "--name", "im", *N, "-v", "iv:/v:ro", "-v", "/tmp:/h", "busybox").ok()
    m = {x["Destination"]: x for x in box.inspect("im")["Mounts"]}
    assert (m["/v"]["Type"], m["/v"]["Name"], m["/v"]["RW"], m["/v"]["Driver"]) == ("volume", "iv", False, "local")
    assert (m["/h"]["Type"], m["/h"]["Source"], m["/h"]["RW"], m["/h"]["Propagation"]) == ("bind", "/tmp", True, "rprivate")


def test_volumes_survive_the_engine(box):
    box.docker("run", "-d", "--name", "holder", *N, "-v", "kept:/k", "busybox", "sleep", "1000").ok()
    box.kill9()
    box.start()
    assert names(box) == ["kept"]
    assert box.api("DELETE", "/volumes/kept").status == 409
    box.api("DELETE", "/containers/holder?force=1")
    assert box.api("DELETE", "/volumes/kept").status == 204
