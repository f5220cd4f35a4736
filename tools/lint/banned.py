#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rejects calls that have no right use outside the rooms that wrap them, and files without a licence line.

  alloca/strtok/system/popen/...   everywhere
  open stat mkdir mount chown ...  by path: outside src/base and src/kernel (a path below a container root goes through
                                   fs_*_in(), one of our own through the other fs_* calls)
  fork                             outside src/kernel, src/runtime, src/monitor, src/sandbox and src/programs:
                                   a threaded process uses proc_spawn()
A line that needs one of them nevertheless ends in  /* lint: allow NAME: reason */ .
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EVERYWHERE = ["strcpy", "strcat", "strncpy", "strncat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atoll",
              "alloca", "system", "popen", "gethostbyname", "strerror", "usleep", "sleep", "setjmp", "longjmp"]
BY_PATH = ["open", "creat", "fopen", "freopen", "stat", "lstat", "mkdir", "rmdir", "mknod", "mkfifo", "mount", "umount",
           "umount2", "chown", "lchown", "chmod", "link", "symlink", "rename", "truncate", "opendir", "readlink",
           "realpath", "chdir", "chroot", "setxattr", "lsetxattr", "statfs", "nftw", "ftw", "utimes"]
PATH_ROOMS = {"base", "kernel"}
FORK_ROOMS = {"base", "kernel", "runtime", "monitor", "sandbox", "programs"}


def strip(text):
    """Blanks out comments and strings, keeping line numbers; allowances are read before."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text, flags=re.S)


def main():
    bad = []
    for path in sorted([*ROOT.glob("src/**/*.[ch]"), *ROOT.glob("tests/**/*.[ch]")]):
        rel = path.relative_to(ROOT)
        text = path.read_text()
        if "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
            bad.append(f"{rel}:1: no SPDX-License-Identifier line")
        if rel.parts[0] != "src":
            continue
        room = rel.parts[1]
        names = list(EVERYWHERE)
        if room not in PATH_ROOMS:
            names += BY_PATH
        if room not in FORK_ROOMS:
            names += ["fork", "vfork"]
        call = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
        raw = text.split("\n")
        for n, line in enumerate(strip(text).split("\n"), 1):
            for m in call.finditer(line):
                name = m.group(1)
                if f"lint: allow {name}:" in raw[n - 1]:
                    continue
                # A declaration or a member of a table of functions is not a call.
                if re.match(r"^\s*(static |extern )?[\w ]+[ *]+" + name + r"\s*\([^;]*[{,]?$", line) and "return" not in line \
                        and "=" not in line and "if" not in line:
                    continue
                bad.append(f"{rel}:{n}: '{name}' is banned here")
    for b in bad:
        print(b)
    return 1 if bad else 0


sys.exit(main())
