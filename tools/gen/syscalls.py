#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""syscalls.py OUT CC...: the table of system calls by name, with their numbers on each architecture.

Numbers come from the kernel headers, through the preprocessor. Calls newer than the headers are added from the list
below: since 5.0 every architecture gives a new call the same number. An architecture whose header is not installed
(x86's on an arm64 machine) has no calls.
"""
import re
import subprocess
import sys

NEWER = {"cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455,
         "futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460,
         "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463, "getxattrat": 464, "listxattrat": 465,
         "removexattrat": 466, "open_tree_attr": 467, "file_getattr": 468, "file_setattr": 469}
X32_BIT = 0x40000000
# The generic table's switches as arm64 sets them.
ARM64 = ["__ARCH_WANT_RENAMEAT", "__ARCH_WANT_NEW_STAT", "__ARCH_WANT_SET_GET_RLIMIT", "__ARCH_WANT_TIME32_SYSCALLS",
         "__ARCH_WANT_SYS_CLONE3", "__ARCH_WANT_MEMFD_SECRET"]


def defines(cc, header, macros=()):
    text = "".join(f"#define {m}\n" for m in macros) + f"#include <{header}>\n"
    p = subprocess.run([*cc, "-E", "-dM", "-"], input=text, capture_output=True, text=True)
    if p.returncode:
        return {}
    raw = {"__X32_SYSCALL_BIT": str(X32_BIT)} | dict(re.findall(r"^#define (__NR\w+|__X32_SYSCALL_BIT) (.+)$", p.stdout, re.M))

    def value(s, depth=0):
        s = re.sub(r"__NR\w+|__X32_SYSCALL_BIT", lambda m: str(value(raw[m.group(0)], depth + 1)), s) if depth < 4 else s
        if not re.fullmatch(r"[\d\sxXa-fA-F()+]+", s):
            raise ValueError(s)
        return sum(int(x, 0) for x in re.findall(r"0[xX][\da-fA-F]+|\d+", s))
    out = {}
    for k, v in raw.items():
        name = k[len("__NR_"):]
        if k.startswith("__NR_") and name not in ("syscalls", "arch_specific_syscall"):
            out[name] = value(v)
    return out


def main():
    out, cc = sys.argv[1], sys.argv[2:]
    tables = [defines(cc, "asm/unistd_64.h"), defines(cc, "asm/unistd_32.h"), defines(cc, "asm/unistd_x32.h"),
              defines(cc, "asm-generic/unistd.h", ARM64)]
    if not any(tables):
        sys.exit("no kernel headers found")
    if tables[0]:
        tables[0].setdefault("uretprobe", 335)
    for i, t in enumerate(tables):
        if t:
            for name, nr in NEWER.items():
                t.setdefault(name, nr + (X32_BIT if i == 2 else 0))
    names = sorted(set().union(*tables))
    with open(out, "w") as f:
        f.write("/* Made by tools/gen/syscalls.py. */\n")
        for n in names:
            f.write("{ \"%s\", { %s } },\n" % (n, ", ".join(str(t.get(n, -1)) for t in tables)))


main()
