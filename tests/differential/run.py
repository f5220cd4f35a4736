#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every line of corpus.txt through the stock docker CLI and through hoy, and compares what a user sees.

    run.py [-v] [WORD...]       only lines that contain a WORD; -v prints the lines that are alike, too

DOCKER_HOST of the reference dockerd comes from PEER_HOST (default unix:///run/peers/docker.sock). hoy talks to HOY_HOST, by
default the same engine: then only the command lines are compared. IMAGE (default debian:bookworm) must be there.
Ids, times, and the names of the two programs are normalised. Exits 1 when any line differs; the last line is the score.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys

TREE = pathlib.Path(__file__).resolve().parents[2]
DOCKER = os.environ.get("DOCKER_CLI", "/usr/local/bin/docker")
HOY = os.environ.get("HOY_CLI", str(TREE / "build" / "hoy"))
PEER_HOST = os.environ.get("PEER_HOST", "unix:///run/peers/docker.sock")
HOY_HOST = os.environ.get("HOY_HOST", PEER_HOST)
IMAGE = os.environ.get("IMAGE", "debian:bookworm")


def client(exe, host, args):
    env = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER")}
    env.update(DOCKER_HOST=host, DOCKER_CONFIG="/nonexistent", HOME="/tmp")
    try:
        p = subprocess.run([exe, *args], env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "timeout", "", ""
    return p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")


def normal(text):
    text = re.sub(r"\b[0-9a-f]{64}\b", "ID64", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "ID12", text)
    text = re.sub(r"\d+ (seconds?|minutes?|hours?|days?|weeks?|months?)\b", "TIME", text)
    return re.sub(r"\b(docker|hoy)\b", "PROGRAM", text).strip()


def one(exe, host, args):
    rc, out, err = client(exe, host, args)
    if args[:1] in (["create"], ["run"]) and rc == 0 and re.fullmatch(r"[0-9a-f]{64}\n", out):
        client(DOCKER, host, ["rm", "-f", out.strip()])
    return rc, normal(out), normal(err)


def main():
    words = [w for w in sys.argv[1:] if w != "-v"]
    if client(DOCKER, PEER_HOST, ["image", "inspect", IMAGE])[0] != 0:
        sys.exit(f"no reference dockerd at {PEER_HOST}, or no image {IMAGE} in it")
    same = total = 0
    for line in (pathlib.Path(__file__).parent / "corpus.txt").read_text().splitlines():
        if not line or line.startswith("#") or (words and not any(w in line for w in words)):
            continue
        args = [a.replace("IMAGE", IMAGE) for a in shlex.split(line)]
        want, got = one(DOCKER, PEER_HOST, args), one(HOY, HOY_HOST, args)
        total += 1
        same += want == got
        if want != got:
            print(f"$ {line}")
            for name, a, b in zip(("exit", "stdout", "stderr"), want, got):
                if a != b:
                    print(f"  {name} docker: {a!r}\n  {name} hoy:    {b!r}")
        elif "-v" in sys.argv:
            print(f"= {line}")
    print(f"{same} of {total} alike")
    sys.exit(same != total)


main()
