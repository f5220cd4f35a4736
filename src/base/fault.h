/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: named places between two durable steps where a test makes us fail, die or stop.
 *
 *	HOY_FAULT="store.tag.commit=kill"		SIGKILL to ourselves
 *	HOY_FAULT="store.blob.rename=ENOSPC"		fault_point() returns -ENOSPC
 *	HOY_FAULT="engine.start.recorded=hold:/dir"	wait until the file /dir/engine.start.recorded.go
 * exists, after creating /dir/engine.start.recorded.here several are separated by ';' ; "=2*kill" lets the
 * first pass by and takes the second
 *
 * Without the variable (read once, at first use) a point costs one load and a branch.
 */
#pragma once

#include "base/attr.h"

extern int fault_armed_; /* -1 not read yet, 0 no, 1 yes */
int fault_hit_(const char *name);

/* 0, or the -errno a test asks for. */
static inline int fault_point(const char *name)
{
	if (__builtin_expect(__atomic_load_n(&fault_armed_, __ATOMIC_RELAXED) == 0, 1))
		return 0;
	return fault_hit_(name);
}
