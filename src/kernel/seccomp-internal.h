/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the seccomp files. */
#pragma once

#include "kernel/seccomp.h"

/* By name, sorted; numbers of x86-64, x86, x32, aarch64 (enum seccomp_arch less one), or -1. */
struct seccomp_call {
	const char *name;
	int nr[SECCOMP_N_ARCHES - 1];
};
const struct seccomp_call *seccomp_call_find(const char *name);
/* x86 has socket and SysV calls behind socketcall(2) and ipc(2): the number of the way in and the value of its
 * first argument, or -1. */
int seccomp_x86_mux(const char *name, uint32_t *which);
