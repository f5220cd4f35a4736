#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""merge.py FIRST.xml AGAIN.xml: a test that failed in the first run and passed when run again alone becomes passed in
FIRST.xml, and is named on the output as unsteady.
merge.py --meson FIRST.json AGAIN.json: the same for meson's testlog.json, a test program a line.
merge.py --failed FIRST.json: prints the names of the programs that failed."""
import json
import sys
import xml.etree.ElementTree as ET


def key(case):
    return case.get("classname"), case.get("name")


def load(path):
    return [json.loads(line) for line in open(path, encoding="utf-8") if line.strip()]


def bad(test):
    return test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")


def short(test):
    """meson prefixes the name with its project and suite: "hoy:unit / base/str"."""
    return test["name"].split(" / ")[-1]


def merge_meson(first, again):
    second = {short(t): t for t in load(again)}
    out = []
    for t in load(first):
        other = second.get(short(t))
        if bad(t) and other and not bad(other):
            print(f"UNSTEADY (failed, passed when run again): {short(t)}")
            t = other
        out.append(json.dumps(t))
    with open(first, "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")


def main():
    if sys.argv[1] == "--failed":
        print(" ".join(short(t) for t in load(sys.argv[2]) if bad(t)))
        return
    if sys.argv[1] == "--meson":
        merge_meson(sys.argv[2], sys.argv[3])
        return
    first = ET.parse(sys.argv[1])
    try:
        again = {key(c): c for c in ET.parse(sys.argv[2]).getroot().iter("testcase")}
    except (OSError, ET.ParseError):
        return
    for case in first.getroot().iter("testcase"):
        wrong = [c for c in case if c.tag in ("failure", "error")]
        second = again.get(key(case))
        if wrong and second is not None and not any(c.tag in ("failure", "error", "skipped") for c in second):
            for c in wrong:
                case.remove(c)
            print(f"UNSTEADY (failed, passed when run again): {key(case)[0]}.{key(case)[1]}")
    first.write(sys.argv[1])


main()
