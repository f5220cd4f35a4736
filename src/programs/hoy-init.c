/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hoy-init: PID 1 of a container started with --init. Runs one program, forwards signals to it, reaps
 * whatever is orphaned to us, and exits with the program's code (128 + signal). Command line of tini, which it
 * replaces:
 *
 *	hoy-init [-g] [-s] [-p SIGNAL-NUMBER] [-e CODE]… [-w] [-v]… [--] PROGRAM [ARGS…]
 *
 * Static, parses nothing but its arguments, allocates nothing.
 */
#include "base/attr.h"
#include "base/str.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct init {
	pid_t child;
	bool group, warn_reap;
	int verbosity;
	int death_signal;
	uint8_t expected[32]; /* exit codes that count as 0, as bits */
	sigset_t old;
	void (*old_ttin)(int), (*old_ttou)(int);
};

static void PRINTF(1, 2) say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n > 0)
		(void)!write(STDERR_FILENO, buf, MIN((size_t)n, sizeof(buf) - 1));
}

/* Faults of our own must kill us; job control signals stay as they were. */
static const int not_forwarded[] = { SIGFPE,  SIGILL, SIGSEGV, SIGBUS, SIGABRT,
				     SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };

static int usage(const char *self)
{
	say("Usage: %s [OPTIONS] PROGRAM -- [ARGS] | --version\n"
	    "  -s: be a child subreaper\n"
	    "  -p SIGNAL: get this signal (a number) when the parent dies\n"
	    "  -g: send signals to the child's process group\n"
	    "  -e CODE: exit with 0 when the child exits with this code (may be given several times)\n"
	    "  -w: print a warning when processes are getting reaped\n"
	    "  -v: more messages (may be given several times)\n"
	    "  -h: show this help\n",
	    self);
	return 1;
}

static int spawn(struct init *in, char **argv)
{
	in->child = fork();
	if (in->child < 0) {
		say("hoy-init: fork: %m\n");
		return 1;
	}
	if (in->child > 0)
		return 0;

	/* In its own process group, in the foreground: a terminal's Ctrl-C goes to the program, not twice. */
	if (setpgid(0, 0) == 0 && isatty(STDIN_FILENO)) {
		signal(SIGTTOU, SIG_IGN);
		(void)tcsetpgrp(STDIN_FILENO, getpgrp());
	}
	/* What is ignored stays so over execve: the program gets what we were given. */
	signal(SIGTTIN, in->old_ttin);
	signal(SIGTTOU, in->old_ttou);
	(void)sigprocmask(SIG_SETMASK, &in->old, NULL);
	execvp(argv[0], argv);
	int sys = errno;
	say("[FATAL hoy-init (%d)] exec %s failed: %m\n", (int)getpid(), argv[0]);
	_exit(sys == ENOENT ? 127 : sys == EACCES ? 126 : 1);
}

/* True when the child itself ended; *code is its exit code. */
static bool reap(struct init *in, int *code)
{
	bool ended = false;

	for (;;) {
		int st;
		pid_t pid = waitpid(-1, &st, WNOHANG);

		if (pid <= 0)
			return ended;
		if (pid != in->child) {
			if (in->warn_reap)
				say("[WARN  hoy-init (%d)] Reaped zombie process with pid=%d\n",
				    (int)getpid(), (int)pid);
			continue;
		}
		ended = true;
		*code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
		if (in->expected[*code / 8 % 32] & (1u << (*code % 8)))
			*code = 0;
	}
}

static int parse_args(struct init *in, int argc, char **argv)
{
	int c;
	uint32_t v;

	while ((c = getopt(argc, argv, "+hvwgsp:e:")) != -1) {
		switch (c) {
		case 'v': in->verbosity++; break;
		case 'w': in->warn_reap = true; break;
		case 'g': in->group = true; break;
		case 's':
			if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
				say("[WARN  hoy-init] cannot become a subreaper: %m\n");
			break;
		case 'p':
			if (parse_u32(sv_of(optarg), 64, &v) < 0 || v == 0) {
				say("hoy-init: not a signal number: %s\n", optarg);
				return -1;
			}
			in->death_signal = (int)v;
			break;
		case 'e':
			if (parse_u32(sv_of(optarg), 255, &v) < 0) {
				say("hoy-init: not a valid option for -e: %s\n", optarg);
				return -1;
			}
			in->expected[v / 8] |= (uint8_t)(1u << (v % 8));
			break;
		default: return -1;
		}
	}
	return optind < argc ? optind : -1;
}

int main(int argc, char **argv)
{
	struct init in = { 0 };
	sigset_t set;
	int code = 0;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("hoy-init version %s\n", HOY_VERSION);
		return 0;
	}
	int first = parse_args(&in, argc, argv);
	if (first < 0)
		return usage(argv[0]);

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_LEN(not_forwarded); i++)
		sigdelset(&set, not_forwarded[i]);
	if (sigprocmask(SIG_SETMASK, &set, &in.old) < 0) {
		say("hoy-init: sigprocmask: %m\n");
		return 1;
	}
	/* Handing the foreground to the child must not stop us. */
	in.old_ttin = signal(SIGTTIN, SIG_IGN);
	in.old_ttou = signal(SIGTTOU, SIG_IGN);
	if (in.death_signal && prctl(PR_SET_PDEATHSIG, in.death_signal, 0, 0, 0) < 0)
		say("[WARN  hoy-init] cannot set the parent death signal: %m\n");
	if (spawn(&in, argv + first) != 0)
		return 1;
	if (in.verbosity > 1)
		say("[INFO  hoy-init (%d)] Spawned child process '%s' with pid '%d'\n", (int)getpid(),
		    argv[first], (int)in.child);

	for (;;) {
		siginfo_t si;
		int sig = sigwaitinfo(&set, &si);

		if (sig < 0)
			continue;
		if (sig == SIGCHLD) {
			if (reap(&in, &code))
				return code;
			continue;
		}
		if (kill(in.group ? -in.child : in.child, sig) < 0 && errno != ESRCH)
			say("[WARN  hoy-init (%d)] cannot forward signal %d: %m\n", (int)getpid(), sig);
	}
}
