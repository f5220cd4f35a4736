/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seccomp: from a profile in plain structs to the program the kernel takes. Compiled by hoyd and hoy-runtime
 * when a container's plan is made; the launch code only installs the finished program. Needs no library, so
 * it works in the static programs. Pure functions; nothing here installs a filter or looks at the running
 * process.
 *
 * Meaning, as libseccomp's (tests/unit/kernel/test-seccomp.c compares the two programs call by call):
 *  - every architecture named gets the rules under its own numbers; a call from one that is not named is
 *    killed (SECCOMP_RET_KILL_THREAD);
 *  - names an architecture does not have are passed over, and so are names nobody knows;
 *  - a rule's args must all hold (AND); several rules for one call are alternatives (OR), looked at in
 *    order; an unconditional rule beats every conditional one of the same call, and the first counts;
 *  - otherwise the default action.
 * The search is binary over runs of numbers with the same result, so the default profile costs a call about
 * eight instructions, and nothing once the kernel has put it in its bitmap of calls always allowed.
 *
 *	struct seccomp_filter f;
 *	if (seccomp_compile(&profile, &f, e) < 0) ...
 *	... f.insns, f.n, f.flags for seccomp(SECCOMP_SET_MODE_FILTER) ...
 *	seccomp_filter_release(&f);
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_MAX_RULES 4096 /* names in all rules together: SECCOMP_MAX_NAMES */
#define SECCOMP_MAX_NAMES 65536
#define SECCOMP_MAX_ARGS  4096 /* conditions in all rules together */

/* Architectures we have call tables for. Other names of libseccomp's are accepted by seccomp_arch_parse() as
 * SECCOMP_ARCH_FOREIGN: no process of this machine can make such calls, so nothing is generated. */
enum seccomp_arch {
	SECCOMP_ARCH_FOREIGN,
	SECCOMP_ARCH_X86_64,
	SECCOMP_ARCH_X86,
	SECCOMP_ARCH_X32,
	SECCOMP_ARCH_AARCH64,
};
#define SECCOMP_N_ARCHES 5

enum seccomp_cmp {
	SECCOMP_CMP_NE,
	SECCOMP_CMP_LT,
	SECCOMP_CMP_LE,
	SECCOMP_CMP_EQ,
	SECCOMP_CMP_GE,
	SECCOMP_CMP_GT,
	SECCOMP_CMP_MASKED_EQ, /* (arg & value) == value_two */
};

struct seccomp_arg {
	unsigned index; /* 0..5 */
	enum seccomp_cmp cmp;
	uint64_t value, value_two;
	/* Compare the low 32 bits alone (an int argument: the kernel ignores what the caller left above). */
	bool low32;
};

struct seccomp_rule {
	const char *const *names;
	size_t n_names;
	uint32_t action; /* SECCOMP_RET_*, data included */
	const struct seccomp_arg *args;
	size_t n_args;
};

struct seccomp_profile {
	uint32_t default_action;
	const enum seccomp_arch *arches; /* none: the machine's own */
	size_t n_arches;
	const struct seccomp_rule *rules;
	size_t n_rules;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
	/* A rule with two conditions on one argument: both must hold. Otherwise (as runc has it, for files
	 * written against it) such a rule's conditions are alternatives. */
	bool repeated_arg_is_and;
	/* runc's rule: call numbers newer than the newest one the profile names answer ENOSYS, so that a
	 * libc's fallbacks work. Without effect if the default action lets calls through or answers ENOSYS
	 * itself. */
	bool new_calls_enosys;
};

struct seccomp_filter {
	struct sock_filter *insns;
	size_t n; /* <= BPF_MAXINSNS */
	unsigned flags;
	bool has_notify; /* wants SECCOMP_FILTER_FLAG_NEW_LISTENER */
};

/* ERR_INVALID: argument index, too many rules, a filter longer than the kernel takes. */
int seccomp_compile(const struct seccomp_profile *p, struct seccomp_filter *out, struct err **e) NODISCARD;
void seccomp_filter_release(struct seccomp_filter *f);

/* Words of profiles. 0 or -EINVAL; "SCMP_ACT_ERRNO" and "SCMP_ACT_TRACE" take errno_ret (NULL: EPERM), the
 * others refuse one that is not 0. */
int seccomp_action_parse(const char *word, const uint32_t *errno_ret, uint32_t *out) NODISCARD;
int seccomp_arch_parse(const char *word, enum seccomp_arch *out) NODISCARD; /* SCMP_ARCH_X86_64 */
int seccomp_cmp_parse(const char *word, enum seccomp_cmp *out) NODISCARD;   /* SCMP_CMP_EQ */
/* SECCOMP_FILTER_FLAG_TSYNC, _LOG, _SPEC_ALLOW, _WAIT_KILLABLE_RECV: the bit, or -EINVAL. */
int seccomp_flag_parse(const char *word, unsigned *out) NODISCARD;
enum seccomp_arch seccomp_arch_native(void);
/* "amd64", "x86", "x32", "arm64": the names of archMap's includes/excludes in Docker's profile format. */
const char *seccomp_arch_short(enum seccomp_arch a);
/* The words above, NULL-ended, for `features`. */
extern const char *const seccomp_action_words[],
	*const seccomp_cmp_words[], *const seccomp_arch_words[], *const seccomp_flag_words[];
/* The call's number on that architecture (x32 with its bit), or -1. */
int seccomp_nr(enum seccomp_arch a, const char *name);

/*
 * Docker's default profile as a function of what the container may do. `caps` is a bit per capability
 * (1ULL << CAP_x), the container's bounding set. The result borrows only static data and the storage given.
 */
struct seccomp_default_storage {
	struct seccomp_rule rules[48];
	enum seccomp_arch arches[4];
};
void seccomp_default_profile(uint64_t caps, struct seccomp_default_storage *st, struct seccomp_profile *out);
/* includes/excludes of Docker's profile format: do they hold for this container? A rule counts if everything
 * in `includes` holds (each cap, one of the arches, kernel >= minKernel) and nothing in `excludes` does. */
struct seccomp_cond {
	const char *const *caps; /* "CAP_SYS_ADMIN" */
	size_t n_caps;
	const char *const *arches; /* "amd64" */
	size_t n_arches;
	const char *min_kernel; /* "4.8", or NULL */
};
/* 0 and *holds, or -EINVAL for a malformed kernel version. */
int seccomp_cond_includes(const struct seccomp_cond *c, uint64_t caps, bool *holds) NODISCARD;
int seccomp_cond_excludes(const struct seccomp_cond *c, uint64_t caps, bool *holds) NODISCARD;

/* Compiled filters by content: equal profiles share one program. Thread-safe. */
struct seccomp_cache;
struct seccomp_cache *seccomp_cache_new(void);
void seccomp_cache_free(struct seccomp_cache *c);
/* The filter belongs to the cache and lives as long as it does; at most 64 are kept, after that `*spill` owns
 * the result (release it; zero-initialise it before). */
int seccomp_cache_compile(struct seccomp_cache *c, const struct seccomp_profile *p,
			  struct seccomp_filter *spill, const struct seccomp_filter **out,
			  struct err **e) NODISCARD;
