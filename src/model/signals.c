/* SPDX-License-Identifier: Apache-2.0 */
#include "model/signals.h"

#include <errno.h>
#include <signal.h>

/* The kernel's numbers, not the C library's SIGRTMIN, which keeps some for itself. glibc: 34, and so Docker. */
#define RTMIN 34
#define RTMAX 64

struct name {
	const char *name;
	int sig;
};

/* The first name of a number is the one shown. */
static const struct name names[] = {
	{ "SIGABRT", SIGABRT },   { "SIGALRM", SIGALRM }, { "SIGBUS", SIGBUS },   { "SIGCHLD", SIGCHLD },
	{ "SIGCLD", SIGCHLD },    { "SIGCONT", SIGCONT }, { "SIGFPE", SIGFPE },   { "SIGHUP", SIGHUP },
	{ "SIGILL", SIGILL },     { "SIGINT", SIGINT },   { "SIGIO", SIGIO },     { "SIGIOT", SIGABRT },
	{ "SIGKILL", SIGKILL },   { "SIGPIPE", SIGPIPE }, { "SIGPOLL", SIGIO },   { "SIGPROF", SIGPROF },
	{ "SIGPWR", SIGPWR },     { "SIGQUIT", SIGQUIT }, { "SIGSEGV", SIGSEGV }, { "SIGSTKFLT", 16 },
	{ "SIGSTOP", SIGSTOP },   { "SIGSYS", SIGSYS },   { "SIGTERM", SIGTERM }, { "SIGTRAP", SIGTRAP },
	{ "SIGTSTP", SIGTSTP },   { "SIGTTIN", SIGTTIN }, { "SIGTTOU", SIGTTOU }, { "SIGUNUSED", SIGSYS },
	{ "SIGURG", SIGURG },     { "SIGUSR1", SIGUSR1 }, { "SIGUSR2", SIGUSR2 }, { "SIGVTALRM", SIGVTALRM },
	{ "SIGWINCH", SIGWINCH }, { "SIGXCPU", SIGXCPU }, { "SIGXFSZ", SIGXFSZ },
};

static const char *const rt_names[RTMAX - RTMIN + 1] = {
	"SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",
	"SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11",
	"SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMAX-14", "SIGRTMAX-13",
	"SIGRTMAX-12", "SIGRTMAX-11", "SIGRTMAX-10", "SIGRTMAX-9",  "SIGRTMAX-8",  "SIGRTMAX-7",
	"SIGRTMAX-6",  "SIGRTMAX-5",  "SIGRTMAX-4",  "SIGRTMAX-3",  "SIGRTMAX-2",  "SIGRTMAX-1",
	"SIGRTMAX",
};

/* "RTMIN", "RTMIN+n", "RTMAX", "RTMAX-n" */
static int parse_rt(struct sv s)
{
	uint64_t n = 0;
	bool is_min = sv_ieqs(sv_sub(s, 0, 5), "RTMIN");

	if (s.n < 5 || (!is_min && !sv_ieqs(sv_sub(s, 0, 5), "RTMAX")))
		return -EINVAL;
	if (s.n > 5) {
		if (s.p[5] != (is_min ? '+' : '-') || parse_u64(sv_sub(s, 6, s.n), RTMAX - RTMIN, &n) < 0)
			return -EINVAL;
	}
	return is_min ? RTMIN + (int)n : RTMAX - (int)n;
}

int signal_parse(struct sv s)
{
	uint64_t n;

	if (s.n && s.p[0] >= '0' && s.p[0] <= '9')
		return parse_u64(s, RTMAX, &n) == 0 && n > 0 ? (int)n : -EINVAL;
	if (s.n > 3 && sv_ieqs(sv_sub(s, 0, 3), "SIG"))
		s = sv_sub(s, 3, s.n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (sv_ieqs(s, names[i].name + 3))
			return names[i].sig;
	}
	return parse_rt(s);
}

int signal_check(struct sv s, int *out, struct err **e)
{
	int sig = signal_parse(s);

	if (sig < 0)
		return err_set(e, ERR_INVALID, "invalid signal: %.*s", (int)s.n, s.p);
	*out = sig;
	return 0;
}

const char *signal_name(int sig)
{
	if (sig >= RTMIN && sig <= RTMAX)
		return rt_names[sig - RTMIN];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i].sig == sig)
			return names[i].name;
	}
	return NULL;
}
