/* SPDX-License-Identifier: Apache-2.0 */
/* Words and numbers of seccomp profiles. */
#include "kernel/seccomp-internal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static const struct seccomp_call calls[] = {
#include "kernel/seccomp-calls.gen.h"
};

static int call_cmp(const void *key, const void *el)
{
	return strcmp(key, ((const struct seccomp_call *)el)->name);
}

const struct seccomp_call *seccomp_call_find(const char *name)
{
	return bsearch(name, calls, ARRAY_LEN(calls), sizeof(calls[0]), call_cmp);
}

int seccomp_nr(enum seccomp_arch a, const char *name)
{
	const struct seccomp_call *c = a == SECCOMP_ARCH_FOREIGN ? NULL : seccomp_call_find(name);
	return c ? c->nr[a - 1] : -1;
}

static const struct {
	const char *name;
	int way_in;
	uint32_t which;
} x86_mux[] = {
	{ "socket", 102, 1 },      { "bind", 102, 2 },        { "connect", 102, 3 },
	{ "listen", 102, 4 },      { "accept", 102, 5 },      { "getsockname", 102, 6 },
	{ "getpeername", 102, 7 }, { "socketpair", 102, 8 },  { "send", 102, 9 },
	{ "recv", 102, 10 },       { "sendto", 102, 11 },     { "recvfrom", 102, 12 },
	{ "shutdown", 102, 13 },   { "setsockopt", 102, 14 }, { "getsockopt", 102, 15 },
	{ "sendmsg", 102, 16 },    { "recvmsg", 102, 17 },    { "accept4", 102, 18 },
	{ "semop", 117, 1 },       { "semget", 117, 2 },      { "semctl", 117, 3 },
	{ "semtimedop", 117, 4 },  { "msgsnd", 117, 11 },     { "msgrcv", 117, 12 },
	{ "msgget", 117, 13 },     { "msgctl", 117, 14 },     { "shmat", 117, 21 },
	{ "shmdt", 117, 22 },      { "shmget", 117, 23 },     { "shmctl", 117, 24 },
};

int seccomp_x86_mux(const char *name, uint32_t *which)
{
	for (size_t i = 0; i < ARRAY_LEN(x86_mux); i++)
		if (strcmp(x86_mux[i].name, name) == 0) {
			*which = x86_mux[i].which;
			return x86_mux[i].way_in;
		}
	return -1;
}

static const uint32_t action_values[] = {
	SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
	SECCOMP_RET_TRAP,        SECCOMP_RET_ERRNO,        SECCOMP_RET_TRACE,
	SECCOMP_RET_ALLOW,       SECCOMP_RET_LOG,          SECCOMP_RET_USER_NOTIF,
};
const char *const seccomp_action_words[] = {
	"SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
	"SCMP_ACT_ERRNO",       "SCMP_ACT_TRACE",
	"SCMP_ACT_ALLOW",       "SCMP_ACT_LOG",
	"SCMP_ACT_NOTIFY",      NULL,
};
const char *const seccomp_cmp_words[] = {
	"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",        "SCMP_CMP_EQ",
	"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", NULL,
};
const char *const seccomp_arch_words[] = {
	"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", NULL,
};
static const char *const foreign_arch_words[] = {
	"SCMP_ARCH_ARM",    "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",      "SCMP_ARCH_MIPS64N32",
	"SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
	"SCMP_ARCH_PPC64",  "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",
	"SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",     "SCMP_ARCH_LOONGARCH64",
	"SCMP_ARCH_M68K",   "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB",        NULL,
};
const char *const seccomp_flag_words[] = {
	"SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_LOG",
	"SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
	NULL,
};
static const unsigned flag_values[] = {
	SECCOMP_FILTER_FLAG_TSYNC,
	SECCOMP_FILTER_FLAG_LOG,
	SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

static int word_find(const char *const *words, const char *w)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], w) == 0)
			return i;
	return -EINVAL;
}

int seccomp_action_parse(const char *word, const uint32_t *errno_ret, uint32_t *out)
{
	int i = word_find(seccomp_action_words, word);

	if (i < 0)
		return i;
	uint32_t action = action_values[i];
	if (action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE) {
		uint32_t data = errno_ret ? *errno_ret : EPERM;
		if (data > SECCOMP_RET_DATA)
			return -EINVAL;
		action |= data;
	} else if (errno_ret && *errno_ret) {
		return -EINVAL;
	}
	*out = action;
	return 0;
}

int seccomp_arch_parse(const char *word, enum seccomp_arch *out)
{
	int i = word_find(seccomp_arch_words, word);

	if (i >= 0) {
		*out = (enum seccomp_arch)(i + 1);
		return 0;
	}
	*out = SECCOMP_ARCH_FOREIGN;
	return word_find(foreign_arch_words, word) < 0 ? -EINVAL : 0;
}

int seccomp_cmp_parse(const char *word, enum seccomp_cmp *out)
{
	int i = word_find(seccomp_cmp_words, word);

	if (i < 0)
		return i;
	*out = (enum seccomp_cmp)i;
	return 0;
}

int seccomp_flag_parse(const char *word, unsigned *out)
{
	int i = word_find(seccomp_flag_words, word);

	if (i < 0)
		return i;
	*out = flag_values[i];
	return 0;
}

enum seccomp_arch seccomp_arch_native(void)
{
#if defined(__x86_64__) && defined(__ILP32__)
	return SECCOMP_ARCH_X32;
#elif defined(__x86_64__)
	return SECCOMP_ARCH_X86_64;
#elif defined(__i386__)
	return SECCOMP_ARCH_X86;
#elif defined(__aarch64__)
	return SECCOMP_ARCH_AARCH64;
#else
#error "no table of system calls for this architecture"
#endif
}

const char *seccomp_arch_short(enum seccomp_arch a)
{
	switch (a) {
	case SECCOMP_ARCH_X86_64: return "amd64";
	case SECCOMP_ARCH_X86: return "x86";
	case SECCOMP_ARCH_X32: return "x32";
	case SECCOMP_ARCH_AARCH64: return "arm64";
	case SECCOMP_ARCH_FOREIGN: break;
	}
	return "";
}
