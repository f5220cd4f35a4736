# SPDX-License-Identifier: Apache-2.0
"""Images through the engine: load, import, save, tag, rmi, history, inspect, prune; by the stock CLI and raw HTTP."""
import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile

import pytest

import harness
from harness import docker_archive, run


def tar_of(files, links=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o755, 1
            t.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            t.addfile(info)
    return out.getvalue()


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        return {m.name: (t.extractfile(m).read() if m.isfile() else None) for m in t.getmembers()}


def messages(reply):
    assert reply.headers["content-type"] == "application/json"
    return [json.loads(line) for line in reply.body.decode().splitlines() if line.strip()]


@pytest.fixture(autouse=True)
def only_busybox(engine):
    yield
    engine.remove_all()
    for image in engine.api("GET", "/images/json").json:
        if "busybox:latest" not in (image["RepoTags"] or []):
            engine.api("DELETE", f"/images/{image['Id']}?force=1")
    engine.load_busybox()
    for image in engine.api("GET", "/images/json").json:
        for tag in image["RepoTags"]:
            if tag != "busybox:latest":
                engine.api("DELETE", f"/images/{tag}")


def load(engine, data, query=""):
    return engine.api("POST", "/images/load" + query, body=data, headers={"Content-Type": "application/x-tar"})


def test_load_says_what_it_loaded(engine):
    data = docker_archive("some/name:1.0", [tar_of({"a": b"a"})])
    m = messages(load(engine, data, "?quiet=0"))
    assert m[-1] == {"stream": "Loaded image: some/name:1.0\n"}
    assert any(x.get("status") == "Loading layer" and x["progressDetail"]["total"] > 0 for x in m)
    m = messages(load(engine, data, "?quiet=1"))
    assert m == [{"stream": "Loaded image: some/name:1.0\n"}]
    untagged = docker_archive(None, [tar_of({"b": b"b"})])
    m = messages(load(engine, untagged))
    assert m[-1]["stream"].startswith("Loaded image ID: sha256:")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bzip2", "xz"])
def test_load_compressed(engine, pack):
    layer = tar_of({"hello": b"hello\n"})
    r = load(engine, pack(docker_archive("packed:1", [layer])))
    assert messages(r)[-1] == {"stream": "Loaded image: packed:1\n"}


def test_layers_stack_and_run(engine, docker):
    base = harness.busybox_layer()
    top = tar_of({"etc/.wh.group": b"", "data/new": b"from the top layer\n"}, {"etc/passwd": "../data/new"})
    load(engine, docker_archive("stacked:1", [base, top], {"Cmd": ["cat", "/etc/passwd"]}))
    assert docker("run", "--rm", "--network=none", "stacked:1").ok() == "from the top layer"
    r = docker("run", "--rm", "--network=none", "stacked:1", "ls", "/etc/group")
    assert r.rc == 1 and "No such file" in r.err


def test_save_load_round_trip(engine, docker):
    docker("tag", "busybox", "copy:2").ok()
    saved = engine.api("GET", "/images/get?names=busybox&names=copy:2")
    assert saved.status == 200 and saved.headers["content-type"] == "application/x-tar"
    again = engine.api("GET", "/images/get?names=busybox&names=copy:2")
    assert saved.body == again.body, "two saves differ"
    files = members(saved.body)
    for name, data in files.items():
        if name.startswith("blobs/sha256/") and data is not None:
            assert hashlib.sha256(data).hexdigest() == name.split("/")[-1]
    manifest = json.loads(files["manifest.json"])
    assert len(manifest) == 1 and sorted(manifest[0]["RepoTags"]) == ["busybox:latest", "copy:2"]
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(files["index.json"])
    names = {m["annotations"]["io.containerd.image.name"] for m in index["manifests"]}
    assert names == {"docker.io/library/busybox:latest", "docker.io/library/copy:2"}
    assert set(json.loads(files["repositories"])) == {"busybox", "copy"}
    before = {i["Id"] for i in engine.api("GET", "/images/json").json}
    docker("rmi", "-f", "busybox", "copy:2").ok()
    assert engine.api("GET", "/images/json").json == []
    m = messages(load(engine, saved.body))
    assert {"stream": "Loaded image: copy:2\n"} in m and {"stream": "Loaded image: busybox:latest\n"} in m
    assert {i["Id"] for i in engine.api("GET", "/images/json").json} == before
    assert docker("run", "--rm", "--network=none", "copy:2", "echo", "hi").ok() == "hi"


def test_save_as_oci_layout_alone(engine):
    """Without manifest.json the archive is an OCI layout, and loads as one."""
    files = members(engine.api("GET", "/images/busybox/get").body)
    del files["manifest.json"], files["repositories"]
    oci = tar_of({k: v for k, v in files.items() if v is not None})
    engine.api("DELETE", "/images/busybox?force=1")
    assert messages(load(engine, oci))[-1] == {"stream": "Loaded image: busybox:latest\n"}
    # A blob that does not match its name is refused.
    name = next(k for k, v in files.items() if v and v.startswith(b'{"schemaVersion"') and k.startswith("blobs"))
    files[name] = files[name] + b" "
    bad = tar_of({k: v for k, v in files.items() if v is not None})
    assert b"digest" in load(engine, bad).body


def test_import_with_changes(engine, docker):
    r = engine.api("POST", "/images/create?fromSrc=-&repo=made&tag=7&message=by+hand&changes=ENV+A%3Db&changes=CMD+%5B%22x%22%5D"
                   "&changes=EXPOSE+80&changes=LABEL+k%3D%22v+w%22&changes=WORKDIR+%2Fa%2F..%2Fb&changes=VOLUME+%2Fdata",
                   body=gzip.compress(tar_of({"f": b"f"})))
    assert r.status == 200
    image_id = messages(r)[-1]["status"]
    i = engine.api("GET", "/images/made:7/json").json
    assert i["Id"] == image_id and i["Comment"] == "by hand" and i["Size"] == 1
    c = i["Config"]
    assert c["Env"] == ["A=b"] and c["Cmd"] == ["x"] and c["ExposedPorts"] == {"80/tcp": {}}
    assert c["Labels"] == {"k": "v w"} and c["WorkingDir"] == "/b" and c["Volumes"] == {"/data": {}}
    r = engine.api("POST", "/images/create?fromSrc=-&repo=made&changes=FROM+x", body=tar_of({}))
    assert r.status == 400 and "FROM is not a valid change command" in r.message
    r = engine.api("POST", "/images/create?fromSrc=-&repo=Made", body=tar_of({}))
    assert r.status == 400 and "repository name" in r.message
    out = docker("import", "-", "stock:1", stdin=tar_of({"x": b"x"})).ok()
    assert out.startswith("sha256:")


def test_import_refuses_junk(engine):
    before = engine.api("GET", "/images/json").json
    for junk in (b"junk" * 500, gzip.compress(tar_of({"a": b"x" * 3000}))[:-20], tar_of({"../out": b"x"})):
        r = engine.api("POST", "/images/create?fromSrc=-&repo=junk", body=junk)
        assert r.status in (400, 500) or b"errorDetail" in r.body, r.body
    assert engine.api("GET", "/images/json").json == before


def test_tag_and_untag(engine, docker):
    docker("tag", "busybox", "localhost:5000/deep/er:v1").ok()
    assert docker("images", "-q", "localhost:5000/deep/er").ok() == docker("images", "-q", "busybox").ok()
    r = docker("tag", "busybox", "Upper")
    assert r.rc == 1 and "repository name" in r.err and "must be lowercase" in r.err
    r = engine.api("POST", "/images/busybox/tag?repo=x&tag=bad%20tag")
    assert r.status == 400
    r = engine.api("POST", "/images/nothere/tag?repo=x")
    assert r.status == 404 and r.message == "No such image: nothere:latest"
    assert docker("rmi", "localhost:5000/deep/er:v1").ok() == "Untagged: localhost:5000/deep/er:v1"
    r = docker("rmi", "localhost:5000/deep/er:v1")
    assert r.rc == 1 and "No such image: localhost:5000/deep/er:v1" in r.err


def test_removal_conflicts(engine, docker):
    docker("tag", "busybox", "second:1").ok()
    image = engine.api("GET", "/images/busybox/json").json["Id"]
    short = image[7:19]
    r = docker("rmi", short)
    assert f"conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories" in r.err
    docker("rmi", "second:1").ok()
    c = docker("create", "--name", "user", "--network=none", "busybox", "true").ok()
    r = docker("rmi", "busybox")
    assert (f'conflict: unable to remove repository reference "busybox" (must force) - container {c[:12]} is using its '
            f"referenced image {short}") in r.err
    r = docker("rmi", short)
    assert f"conflict: unable to delete {short} (must be forced) - image is being used by stopped container {c[:12]}" in r.err
    docker("rm", "user").ok()
    c = docker("run", "-d", "--name", "user", "--network=none", "busybox", "sleep", "1000").ok()
    r = docker("rmi", "-f", short)
    assert (f"conflict: unable to delete {short} (cannot be forced) - image is being used by running container {c[:12]}"
            ) in r.err
    docker("rm", "-f", "user").ok()


def test_container_outlives_forced_removal(engine, docker):
    docker("create", "--name", "keeps", "--network=none", "busybox", "echo", "still here").ok()
    out = docker("rmi", "-f", "busybox").ok()
    assert "Deleted: sha256:" in out
    assert docker("start", "-a", "keeps").ok() == "still here"
    docker("rm", "keeps").ok()
    assert engine.api("GET", "/system/df").json["LayersSize"] == 0


def test_dangling_and_prune(engine, docker):
    first = docker_archive("moves:1", [tar_of({"a": b"1" * 1000})])
    second = docker_archive("moves:1", [tar_of({"a": b"2" * 2000})])
    load(engine, first)
    m = messages(load(engine, second))
    assert any("The image moves:1 already exists, renaming the old one with ID sha256:" in x.get("stream", "") for x in m)
    ids = docker("images", "-q", "--filter", "dangling=true").ok().split()
    assert len(ids) == 1
    r = engine.api("POST", "/images/prune").json
    assert r["SpaceReclaimed"] == 1000 and any("Deleted" in x for x in r["ImagesDeleted"])
    assert docker("images", "-q", "moves").ok()
    r = engine.api("POST", '/images/prune?filters={"dangling":["false"]}'.replace('"', "%22").replace("{", "%7B")
                   .replace("}", "%7D").replace("[", "%5B").replace("]", "%5D")).json
    assert {"Untagged": "moves:1"} in r["ImagesDeleted"]


def test_history_and_inspect(engine, docker):
    h = engine.api("GET", "/images/busybox/history").json
    assert len(h) == 1 and h[0]["CreatedBy"] == "hoy test harness" and h[0]["Tags"] == ["busybox:latest"]
    i = engine.api("GET", "/images/busybox/json").json
    assert i["RootFS"] == {"Type": "layers", "Layers": i["RootFS"]["Layers"]} and len(i["RootFS"]["Layers"]) == 1
    assert i["Architecture"] and i["Os"] == "linux" and i["Created"] == "2026-01-01T00:00:00Z"
    for name in (i["Id"], i["Id"][7:], i["Id"][7:19], "busybox:latest", "docker.io/library/busybox"):
        assert engine.api("GET", f"/images/{name}/json").json["Id"] == i["Id"]
    assert engine.api("GET", "/images/0000/json").message == "No such image: 0000:latest"


def test_images_survive_kill9(engine, docker):
    load(engine, docker_archive("kept:1", [tar_of({"k": b"k"})]))
    engine.kill9()
    engine.start()
    assert docker("images", "-q", "kept:1").ok()


@pytest.mark.parametrize("point", ["store.publish.renamed", "store.publish.commit"])
def test_killed_while_loading(new_engine, point):
    e = new_engine(env={"HOY_FAULT": f"{point}=2*kill"})
    try:
        load(e, docker_archive("lost:1", [tar_of({"a": b"a"}), tar_of({"b": b"b"})]))
    except OSError:
        pass
    e.proc.wait(timeout=harness.DEADLINE)
    e.env = {}
    e.start()
    assert [i["RepoTags"] for i in e.api("GET", "/images/json").json] == [["busybox:latest"]]
    assert e.api("GET", "/images/lost:1/json").status == 404
    assert len(os.listdir(e.data_root / "layers")) == 1
    assert messages(load(e, docker_archive("lost:1", [tar_of({"a": b"a"}), tar_of({"b": b"b"})])))


def test_bootstrap_busybox_is_reproducible(engine, docker, hoy):
    if shutil.which("dpkg-query") is None or not os.path.exists("/bin/busybox"):
        pytest.skip("busybox-static is not installed")
    a = subprocess.run([harness.BUILD / "hoy-bootstrap", "busybox:boot"], capture_output=True, check=True).stdout
    b = subprocess.run([harness.BUILD / "hoy-bootstrap", "busybox:boot"], capture_output=True, check=True).stdout
    assert a == b
    assert "Loaded image: busybox:boot" in docker("load", stdin=a).out
    assert docker("run", "--rm", "--network=none", "busybox:boot", "sh", "-c", "ls -d /etc | cat; id -u").ok() == "/etc\n0"
