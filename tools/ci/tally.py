#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the result files of a run (JUnit XML of meson and pytest, one-line files of the other jobs).

  tally.py DIR    prints a line a job, every failure, every skip with its reason, and the closing line
Exit code 1 when something failed, or when nothing passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def junit(path):
    passed, failed, skipped = 0, [], []
    for case in ET.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        skip = case.find("skipped")
        if bad is not None:
            failed.append((name, (bad.get("message") or bad.text or "").strip().split("\n")[0][:200]))
        elif skip is not None:
            skipped.append((name, (skip.get("message") or skip.text or "no reason given").strip().split("\n")[0][:200]))
        else:
            passed += 1
    return passed, failed, skipped


def plain(path):
    """A job of its own: each line is `pass NAME`, `fail NAME: why` or `skip NAME: why`."""
    passed, failed, skipped = 0, [], []
    for line in path.read_text(errors="replace").splitlines():
        kind, _, rest = line.partition(" ")
        name, _, why = rest.partition(": ")
        if kind == "pass":
            passed += 1
        elif kind == "fail":
            failed.append((name, why))
        elif kind == "skip":
            skipped.append((name, why or "no reason given"))
    return passed, failed, skipped


def meson(path):
    """meson's testlog.json: a program that speaks TAP counts by its cases, another one as one test."""
    passed, failed, skipped = 0, [], []
    for line in path.read_text().splitlines():
        t = json.loads(line)
        cases = re.findall(r"^(not ok|ok) \d+ - (\S+)(.*)$", t.get("stdout") or "", re.M)
        bad = [c for c in cases if c[0] == "not ok"]
        for state, name, rest in cases:
            if state == "ok" and "# SKIP" in rest:
                skipped.append((f"{t['name']}: {name}", rest.split("# SKIP")[1].strip() or (t.get("stderr") or "").strip() or "no reason given"))
            elif state == "ok":
                passed += 1
        failed += [(t["name"], c[1]) for c in bad]
        if t["result"] == "SKIP":
            skipped.append((t["name"], ((t.get("stderr") or t.get("stdout") or "").strip() or "no reason given").split("\n")[-1]))
        elif t["result"] != "OK" and not bad:
            failed.append((t["name"], f"{t['result']}: " + ((t.get("stderr") or "").strip().split("\n") or [""])[-1][:200]))
        elif t["result"] == "OK" and not cases:
            passed += 1
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*")):
        if path.suffix == ".xml":
            passed, failed, skipped = junit(path)
        elif path.suffix == ".json":
            passed, failed, skipped = meson(path)
        elif path.suffix == ".txt":
            passed, failed, skipped = plain(path)
        else:
            continue
        print(f"{path.stem:24} {passed:5} passed {len(failed):4} failed {len(skipped):4} skipped")
        for name, why in failed:
            print(f"    FAILED {name}: {why}")
        for name, why in skipped:
            print(f"    skipped {name}: {why}")
        total[0] += passed
        total[1] += len(failed)
        total[2] += len(skipped)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


sys.exit(main())
