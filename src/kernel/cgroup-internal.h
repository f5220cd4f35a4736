/* SPDX-License-Identifier: Apache-2.0 */
/* The flat program between cgroup-compile.c, which writes it, and cgroup-exec.c, which runs it. */
#pragma once

#include "kernel/cgroup.h"

#define CG_MAGIC   0x31504743u /* "CGP1": the version is in the magic */
#define CG_MAX_OPS 4096

enum cg_kind {
	CG_OP_GROUP =
		1,   /* path: our group in one hierarchy; value: its mount point; arg: enum cgroup_ctl bits */
	CG_OP_MKDIR, /* path: absolute directory */
	CG_OP_INHERIT, /* path: v1 cpuset directory: copy cpus and mems from the parent where they are empty
			*/
	CG_OP_ENABLE, /* path: cgroup.subtree_control; value: "+cpu"; failure is found when a limit is written
		       */
	CG_OP_WRITE,  /* path: file, value: text */
	CG_OP_DEVICES, /* path: v2 directory, value: struct bpf_insn[] */
};

/* Flags of an operation. */
#define CG_MAY_FAIL 0x1 /* best effort */
#define CG_TRY_PAIR                                                                                          \
	0x2 /* if this and the next write fail in this order, the other order is tried (limit and swap) */
#define CG_IF_EXISTS 0x4 /* a file that is not there is fine */
#define CG_OR_NEXT                                                                                           \
	0x10        /* if the file does not exist the next write is tried; if it does, that is skipped       \
		     */
#define CG_LEAF 0x8 /* CG_OP_MKDIR of the group itself, not of a parent */

struct cg_op {
	uint8_t kind;
	uint8_t flags;
	uint16_t group; /* index among the CG_OP_GROUP operations */
	uint32_t arg;
	uint32_t path, path_n;   /* offset in the program; a NUL follows */
	uint32_t value, value_n; /* the same; value_n 0 and value 0: none */
};

struct cg_prog {
	uint32_t magic;
	uint32_t size;            /* of the whole program */
	uint32_t n_ops, n_groups; /* the groups come first */
	struct cg_op ops[];
};

/* A checked program, or NULL. */
const struct cg_prog *cg_prog_get(const void *prog, size_t n);
static inline const char *cg_path(const struct cg_prog *p, const struct cg_op *o)
{
	return (const char *)p + o->path;
}
static inline const char *cg_value(const struct cg_prog *p, const struct cg_op *o)
{
	return o->value ? (const char *)p + o->value : NULL;
}
/* The group operation whose hierarchy has controller c, or NULL. */
const struct cg_op *cg_group_of(const struct cg_prog *p, unsigned c);
/* O_DIRECTORY descriptor of a group, or -errno. */
int cg_open_group(const struct cg_prog *p, const struct cg_op *g);

/* cgroup-devices.c: the v2 device filter, as BPF bytes. */
int cg_device_program(const struct cgroup_device_rule *r, size_t n, struct strbuf *out);
int cg_device_attach(const char *dir, const void *insns, size_t n_bytes);
