# SPDX-License-Identifier: Apache-2.0
"""What other things are mounted on: there in every container, never in its own layer, and true to the image."""
import io
import tarfile

import harness


def image(engine, name, change):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        change(t)
    archive = harness.docker_archive(name, [harness.busybox_layer(), out.getvalue()])
    r = engine.api("POST", "/images/load", body=archive, headers={"Content-Type": "application/x-tar"})
    assert r.status == 200, r.body


def entry(name, kind, mode=0o644, uid=0, link="", pax=None):
    i = tarfile.TarInfo(name)
    i.type, i.mode, i.uid, i.linkname = kind, mode, uid, link
    i.pax_headers = pax or {}
    return i


def upper(engine, name):
    d = engine.inspect(name)["GraphDriver"]["Data"]["UpperDir"]
    return sorted(str(p.relative_to(d)) for p in harness.pathlib.Path(d).glob("**/*"))


def test_files_are_there_and_the_layer_is_clean(engine, docker):
    docker("run", "--name", "clean", "busybox", "sh", "-c", "ls -d /.dockerenv && cat /etc/hosts /etc/hostname /etc/resolv.conf").ok()
    assert upper(engine, "clean") == []
    docker("run", "--rm", "--read-only", "busybox", "ls", "/.dockerenv").ok()
    # A second start, and a second container of the same image.
    docker("start", "-a", "clean").ok()
    docker("run", "--rm", "busybox", "ls", "/.dockerenv").ok()


def test_directories_keep_what_the_image_says(engine, docker):
    def change(t):
        t.addfile(entry("etc", tarfile.DIRTYPE, 0o2751, 1000))
        t.addfile(entry("etc/resolv.conf", tarfile.SYMTYPE, link="/run/nowhere/resolv.conf"))
        t.addfile(entry(".", tarfile.DIRTYPE, 0o711, 1000))
    image(engine, "odd:1", change)
    out = docker("run", "--rm", "odd:1", "sh", "-c", "stat -c '%a %u' / /etc; ls /etc/passwd").ok()
    assert out.splitlines() == ["711 1000", "2751 1000", "/etc/passwd"]


def test_an_image_whose_etc_is_a_link(engine, docker):
    def change(t):
        t.addfile(entry("etc/.wh..wh..opq", tarfile.REGTYPE))
        t.addfile(entry(".wh.etc", tarfile.REGTYPE))
    image(engine, "noetc:1", change)
    assert docker("run", "--rm", "noetc:1", "cat", "/etc/hostname").ok()


def test_after_a_restart(engine, docker):
    docker("run", "--rm", "busybox", "true").ok()
    engine.restart()
    docker("run", "--name", "clean", "busybox", "true").ok()
    assert upper(engine, "clean") == []
