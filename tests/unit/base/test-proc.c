/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"

#include <errno.h>
#include <signal.h>

static void run_gives_code_and_output(void **state)
{
	cleanup_free char *out = NULL, *big = NULL;

	(void)state;
	assert_int_equal(proc_run(ARGV("/bin/sh", "-c", "cat; echo err >&2; exit 3"), "in\n", 3, &out, 100),
			 3);
	assert_string_equal(out, "in\nerr\n");
	/* More input than a socket holds, to a child that does not read it. */
	big = xcalloc(1, 1 << 20);
	assert_int_equal(proc_run(ARGV("/bin/true"), big, 1 << 20, NULL, 0), 0);
	assert_int_equal(proc_run(ARGV("/bin/sh", "-c", "kill -9 $$"), NULL, 0, NULL, 0), 128 + 9);
	assert_int_equal(proc_run(ARGV("/nonexistent"), NULL, 0, NULL, 0), -ENOENT);
}

static void spawn_places_fds_and_closes_the_rest(void **state)
{
	cleanup_close int leaked = -1, pidfd = -1;
	int p[2], q[2];
	char buf[64] = { 0 };
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	/* Without O_CLOEXEC, and still not there in the child. */
	leaked = open("/dev/null", O_RDONLY);
	assert_true(leaked >= 0);
	/* Swap: each one's target is the other's number. */
	struct proc_fd fds[] = { { p[1], q[1] }, { q[1], p[1] }, { p[1], 1 } };
	char script[128];

	(void)snprintf(script, sizeof(script),
		       "echo P >&%d; echo Q >&%d; test ! -e /proc/self/fd/%d || echo leak >&%d", q[1], p[1],
		       leaked, q[1]);
	struct proc_spawn s = {
		.path = "/bin/bash", .argv = ARGV("bash", "-c", script), .fds = fds, .n_fds = 3
	};

	assert_int_equal(proc_spawn(&s, &pid, &pidfd), 0);
	assert_int_equal(proc_wait_pidfd(pidfd), 0);
	(void)close(p[1]);
	(void)close(q[1]);
	assert_int_equal(fd_read_full(p[0], buf, sizeof(buf) - 1), 2);
	assert_string_equal(buf, "P\n");
	assert_int_equal(fd_read_full(q[0], buf, sizeof(buf) - 1), 2);
	assert_string_equal(buf, "Q\n");
	(void)close(p[0]);
	(void)close(q[0]);
}

static void signals_are_clean_in_the_child(void **state)
{
	cleanup_free char *out = NULL;
	sigset_t block, old;

	(void)state;
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &block, &old);
	(void)signal(SIGUSR2, SIG_IGN);
	assert_int_equal(
		proc_run(ARGV("/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"), NULL, 0, &out, 200),
		0);
	assert_string_equal(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	(void)signal(SIGUSR2, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

static void start_time_names_a_process(void **state)
{
	unsigned long long a, b;

	(void)state;
	assert_int_equal(proc_start_time(getpid(), &a), 0);
	assert_int_equal(proc_start_time(getpid(), &b), 0);
	assert_true(a == b && a > 0);
	assert_true(proc_start_time(0x3ffffff, &a) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_gives_code_and_output),
		cmocka_unit_test(spawn_places_fds_and_closes_the_rest),
		cmocka_unit_test(signals_are_clean_in_the_child),
		cmocka_unit_test(start_time_names_a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
