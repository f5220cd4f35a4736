#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The include ladder: a room includes only its own headers and those of the rooms named here (ARCHITECTURE.md)."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PURE = "base codec kernel model"
LADDER = {
    "base": "",
    "codec": "base",
    "kernel": "base",
    "http": "base codec",
    "model": "base codec",
    "sandbox": "base codec kernel",
    "runtime": PURE,
    "monitor": PURE + " runtime",
    "store": PURE + " sandbox",
    "net": PURE,
    "client": "base codec model http",
    "logs": PURE + " store monitor",
    "volume": PURE + " store sandbox",
    "engine": PURE + " sandbox runtime monitor store net logs volume http",
    "cli": "base codec model http client",
    "api": PURE + " http sandbox runtime monitor store net logs volume engine",
    "programs": None,   # whatever room it starts
}


def main():
    bad = []
    for path in sorted(ROOT.glob("src/*/**/*.[ch]")) + sorted(ROOT.glob("src/*/*.[ch]")):
        room = path.relative_to(ROOT).parts[1]
        if room not in LADDER:
            bad.append(f"{path.relative_to(ROOT)}:1: room '{room}' is not on the ladder (tools/lint/ladder.py)")
            continue
        if LADDER[room] is None:
            continue
        allowed = set(LADDER[room].split()) | {room}
        for n, line in enumerate(path.read_text().split("\n"), 1):
            m = re.match(r'\s*#\s*include\s+"([^"/]+)/', line)
            if m and m.group(1) not in allowed:
                bad.append(f"{path.relative_to(ROOT)}:{n}: '{room}' may not include '{m.group(1)}'")
    for b in sorted(set(bad)):
        print(b)
    return 1 if bad else 0


sys.exit(main())
