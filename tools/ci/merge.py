#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""merge.py FIRST.xml AGAIN.xml: a test that failed in the first run and passed when run again alone becomes passed in
FIRST.xml, and is named on the output as unsteady."""
import sys
import xml.etree.ElementTree as ET


def key(case):
    return case.get("classname"), case.get("name")


def main():
    first = ET.parse(sys.argv[1])
    try:
        again = {key(c): c for c in ET.parse(sys.argv[2]).getroot().iter("testcase")}
    except (OSError, ET.ParseError):
        return
    for case in first.getroot().iter("testcase"):
        bad = [c for c in case if c.tag in ("failure", "error")]
        second = again.get(key(case))
        if bad and second is not None and not any(c.tag in ("failure", "error", "skipped") for c in second):
            for c in bad:
                case.remove(c)
            print(f"UNSTEADY (failed, passed when run again): {key(case)[0]}.{key(case)[1]}")
    first.write(sys.argv[1])


main()
