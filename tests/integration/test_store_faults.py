# SPDX-License-Identifier: Apache-2.0
"""The store killed (or out of space) between any two durable steps: what was acknowledged stays, the rest leaves nothing.

Drives build/tests/unit/store/storectl, so that no engine stands between; each run of it opens, works, closes.
"""
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile

import pytest

from harness import BUILD, run

STORECTL = BUILD / "tests/unit/store/storectl"
ID = "1" * 64


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(tag, *layers):
    diffs = ["sha256:" + hashlib.sha256(l).hexdigest() for l in layers]
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}).encode()
    files = {f"{i}.tar": l for i, l in enumerate(layers)}
    files["c.json"] = config
    files["manifest.json"] = json.dumps(
        [{"Config": "c.json", "RepoTags": [tag], "Layers": [f"{i}.tar" for i in range(len(layers))]}]).encode()
    return tar_of(files)


BASE = tar_of({"etc/base": b"base", "shared": b"x" * 5000})
TOP = tar_of({"etc/top": b"top"})
OTHER = tar_of({"etc/other": b"other"})
ONE = archive("one:1", BASE, TOP)
TWO = archive("two:2", BASE, OTHER)


class Store:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="hoy-faults-", dir="/var/tmp")

    def ctl(self, *args, stdin=b"", fault=None):
        env = dict(os.environ, HOY_WORKER=str(BUILD / "hoy-worker"))
        if fault:
            env["HOY_FAULT"] = fault
        return run([STORECTL, self.root, *args], stdin=stdin, env=env)

    def names(self, sub):
        return set(os.listdir(os.path.join(self.root, sub)))

    def audit(self):
        """Opening repairs; afterwards directories and rows must agree, and every image must be whole."""
        self.ctl("check").ok()
        # Read from a copy: the disk under test may have no room for SQLite's own files.
        with tempfile.TemporaryDirectory() as tmp:
            for name in ("images.db", "images.db-wal"):
                if os.path.exists(os.path.join(self.root, name)):
                    shutil.copy(os.path.join(self.root, name), tmp)
            return self.audit_rows(sqlite3.connect(os.path.join(tmp, "images.db")))

    def audit_rows(self, db):
        rows = db.execute("SELECT chain, blob, parent FROM layers").fetchall()
        images = db.execute("SELECT id, top FROM images").fetchall()
        refs = db.execute("SELECT ref, image FROM refs").fetchall()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        chains = {r[0] for r in rows}
        assert self.names("layers") == chains
        assert self.names("blobs/sha256") == {r[1] for r in rows}
        assert self.names("tmp") == set()
        assert {r[2] for r in rows if r[2]} <= chains
        assert {i[1] for i in images if i[1]} <= chains
        assert {r[1] for r in refs} <= {i[0] for i in images}
        for blob in self.names("blobs/sha256"):
            with open(os.path.join(self.root, "blobs/sha256", blob), "rb") as f:
                assert hashlib.sha256(f.read()).hexdigest() == blob
        return {r[0].split("/")[-1] for r in refs}


@pytest.fixture
def store():
    s = Store()
    yield s
    shutil.rmtree(s.root)


PUBLISH = ["store.publish.sync", "store.publish.rename", "store.publish.renamed", "store.publish.renamed=2*",
           "store.publish.commit"]


def fault(point, action):
    return f"{point}{action}" if point.endswith("*") else f"{point}={action}"


@pytest.mark.parametrize("action", ["kill", "ENOSPC"])
@pytest.mark.parametrize("point", PUBLISH)
def test_load(store, point, action):
    before = set() if point.endswith("*") else {"two:2"}     # a second new layer is needed there
    if before:
        store.ctl("load", stdin=TWO).ok()
    r = store.ctl("load", stdin=ONE, fault=fault(point, action))
    assert r.rc != 0, "the fault point was not met"
    if action == "ENOSPC":
        assert "no space left on device" in r.err
    assert store.audit() == before
    store.ctl("load", stdin=ONE).ok()
    assert store.audit() == before | {"one:1"}
    store.ctl("create", ID, "one:1").ok()
    assert store.ctl("cat", ID, "etc/top").ok() == "top"
    assert store.ctl("cat", ID, "etc/base").ok() == "base"


@pytest.mark.parametrize("action", ["kill", "ENOSPC"])
@pytest.mark.parametrize("point", PUBLISH)
def test_import(store, point, action):
    if point.endswith("*"):
        pytest.skip("an import has one layer only")
    r = store.ctl("import", "im:1", stdin=gzip.compress(BASE), fault=fault(point, action))
    assert r.rc != 0
    assert store.audit() == set()
    store.ctl("import", "im:1", stdin=gzip.compress(BASE)).ok()
    assert store.audit() == {"im:1"}


def test_remove_before_commit(store):
    store.ctl("load", stdin=ONE).ok()
    for action in ("kill", "ENOSPC"):
        assert store.ctl("rm", "one:1", fault=f"store.remove.begin={action}").rc != 0
        assert store.audit() == {"one:1"}
    store.ctl("rm", "one:1").ok()
    assert store.audit() == set() and store.names("layers") == set()


def test_remove_after_commit(store):
    store.ctl("load", stdin=ONE).ok()
    store.ctl("load", stdin=TWO).ok()
    assert store.ctl("rm", "one:1", fault="store.remove.bury=kill").rc != 0
    assert store.audit() == {"two:2"}
    assert len(store.names("layers")) == 2


@pytest.mark.parametrize("action", ["kill", "ENOSPC"])
def test_snapshot_create(store, action):
    store.ctl("load", stdin=ONE).ok()
    assert store.ctl("create", ID, "one:1", fault=f"store.snapshot.create={action}").rc != 0
    store.audit()
    assert store.names("snapshots") == set()
    store.ctl("create", ID, "one:1").ok()
    assert store.ctl("cat", ID, "etc/top").ok() == "top"


def test_snapshot_remove(store):
    store.ctl("load", stdin=ONE).ok()
    store.ctl("create", ID, "one:1").ok()
    assert store.ctl("remove", ID, fault="store.snapshot.remove=kill").rc != 0
    assert store.names("snapshots") == {ID}
    store.ctl("remove", ID).ok()
    store.audit()
    assert store.names("snapshots") == set()


def test_snapshot_outlives_its_image(store):
    store.ctl("load", stdin=ONE).ok()
    store.ctl("create", ID, "one:1").ok()
    store.ctl("rm", "-f", "one:1").ok()
    assert store.audit() == set()
    assert store.ctl("cat", ID, "etc/base").ok() == "base"
    store.ctl("remove", ID).ok()
    store.audit()
    assert store.names("layers") == set()


def test_full_disk_leaves_removal_possible(store):
    """On a file system with nothing left: load fails with the reason, rmi and rm still work."""
    mnt = store.root + ".full"
    os.mkdir(mnt)
    run(["/bin/mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", mnt]).ok()
    full = Store.__new__(Store)
    full.root = mnt + "/root"
    try:
        full.ctl("load", stdin=ONE).ok()
        full.ctl("create", ID, "one:1").ok()
        big = archive("big:1", tar_of({"big": os.urandom(2 << 20)}))
        r = full.ctl("load", stdin=big)
        assert r.rc != 0 and "no space left on device" in r.err, r.err
        assert full.audit() == {"one:1"}
        with open(mnt + "/fill", "wb", buffering=0) as f:
            try:
                while f.write(b"\0" * 4096):
                    pass
            except OSError:
                pass
        full.ctl("remove", ID).ok()
        full.ctl("rm", "one:1").ok()
        os.unlink(mnt + "/fill")
        assert full.audit() == set()
    finally:
        run(["/bin/umount", "-l", mnt]).ok()
        os.rmdir(mnt)


@pytest.mark.parametrize("how", ["fds", "strings", "classic"])
def test_overlay_ways(store, how, monkeypatch):
    monkeypatch.setenv("HOY_OVERLAY", how)
    store.ctl("load", stdin=ONE).ok()
    store.ctl("create", ID, "one:1").ok()
    assert store.ctl("cat", ID, "etc/top").ok() == "top"


def test_many_layers(store):
    layers = [tar_of({f"l{i}": str(i).encode()}) for i in range(60)]
    store.ctl("load", stdin=archive("many:1", *layers)).ok()
    store.ctl("create", ID, "many:1").ok()
    for i in (0, 30, 59):
        assert store.ctl("cat", ID, f"l{i}").ok() == str(i)
    store.audit()


HOSTILE = {
    "absolute": {"/etc/x": b""},
    "dotdot": {"../x": b"", "manifest.json": b"[]"},
    "no manifest": {"a": b""},
    "not json": {"manifest.json": b"{"},
    "not an array": {"manifest.json": b"{}"},
    "no config": {"manifest.json": b'[{"Config":"nope","Layers":[]}]'},
    "config out": {"manifest.json": b'[{"Config":"../../etc/passwd","Layers":[]}]'},
    "config is no config": {"c": b"[]", "manifest.json": b'[{"Config":"c","Layers":[]}]'},
    "bad digest": {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                   "index.json": b'{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",'
                                 b'"digest":"sha256:../../x","size":1}]}'},
    "deep json": {"manifest.json": b"[" * 5000},
    "layer count": {"c": b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}', "l": BASE,
                    "manifest.json": b'[{"Config":"c","Layers":["l"]}]'},
    "wrong diff id": {"c": b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:'
                           + b"0" * 64 + b'"]}}', "l": BASE, "manifest.json": b'[{"Config":"c","Layers":["l"]}]'},
    "windows": {"c": b'{"architecture":"amd64","os":"windows","rootfs":{"type":"layers","diff_ids":[]}}',
                "manifest.json": b'[{"Config":"c","Layers":[]}]'},
    "bad tag": {"c": b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
                "manifest.json": b'[{"Config":"c","RepoTags":["Bad/Name:x"],"Layers":[]}]'},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archive(store, name):
    r = store.ctl("load", stdin=tar_of(HOSTILE[name]))
    assert r.rc == 1 and r.err.startswith("storectl: "), r.err
    assert store.audit() == set()


def special(kind, name="x", link=""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = link
        t.addfile(info)
        m = tarfile.TarInfo("manifest.json")
        data = b'[{"Config":"x","Layers":["x"]}]'
        m.size = len(data)
        t.addfile(m, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("data", [
    special(tarfile.CHRTYPE), special(tarfile.BLKTYPE), special(tarfile.FIFOTYPE),
    special(tarfile.SYMTYPE, link="/etc/passwd"), special(tarfile.SYMTYPE, link="../../../etc/passwd"),
    special(tarfile.SYMTYPE, link="x"), special(tarfile.LNKTYPE, link="../x"), special(tarfile.LNKTYPE, link="none"),
    b"", b"\0" * 1024, b"junk" * 400, gzip.compress(b"junk" * 400), gzip.compress(ONE)[:-9], b"\x1f\x8b\x08" + b"\xff" * 100,
    b"\xfd7zXZ\0" + b"\xff" * 100, b"\x28\xb5\x2f\xfd" + b"\xff" * 100, b"BZh9" + b"\xff" * 100,
], ids=["char", "block", "fifo", "link-abs", "link-up", "link-self", "hard-up", "hard-none", "empty", "zeros", "junk", "gz-junk", "gz-cut",
        "gz-bad", "xz-bad", "zstd-bad", "bz2-bad"])
def test_hostile_bytes(store, data):
    r = store.ctl("load", stdin=data)
    assert r.rc == 1 and r.err.startswith("storectl: "), r.err
    assert store.audit() == set()


def test_bomb(store):
    """A gigabyte of zeros in a megabyte of gzip ends by its ratio, long before the disk does."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as g:
        head = tarfile.TarInfo("zeros")
        head.size = 2 << 30
        g.write(head.tobuf())
        for _ in range(400):
            g.write(b"\0" * (1 << 20))
    r = store.ctl("import", "bomb:1", stdin=out.getvalue())
    assert r.rc == 1 and "expands more than" in r.err, r.err
    assert store.audit() == set()
