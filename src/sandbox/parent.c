/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"
#include "codec/json.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#define MAX_FDS 16

int sandbox_start(const char *program, char *const *argv, const struct proc_fd *fds, size_t n_fds,
		  struct sandbox_proc *out, struct err **e)
{
	static char locale[] = "LC_ALL=C";
	char *const env[] = { locale, NULL };
	struct proc_fd all[MAX_FDS];
	int pair[2];

	assert(n_fds < MAX_FDS);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "worker: socketpair");
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];
	memcpy(all, fds, n_fds * sizeof(*fds));
	all[n_fds] = (struct proc_fd){ .from = theirs, .to = SANDBOX_CONTROL_FD };
	struct proc_spawn s = {
		.path = program,
		.argv = argv,
		.envp = env,
		.fds = all,
		.n_fds = n_fds + 1,
		.new_session = true,
		.die_with_parent = true,
	};
	int r = proc_spawn(&s, &out->pid, &out->pidfd);
	if (r < 0)
		return err_sys(e, -r, "start worker '%s'", program);
	out->control = TAKE_FD(ours);
	return 0;
}

static int worker_error(const struct json *j, struct err **e)
{
	int64_t c = ERR_SYSTEM;
	const char *text = json_str(json_get(j, "text"));
	if (json_i64(json_get(j, "class"), &c) < 0 || c < ERR_SYSTEM || c > ERR_DATA_LOSS)
		c = ERR_SYSTEM;
	return err_set(e, (enum err_class)c, "%s", text ? text : "worker failed");
}

ssize_t sandbox_recv(struct sandbox_proc *p, char *buf, struct err **e)
{
	size_t n_fds = 0;
	ssize_t n = fdpass_recv(p->control, buf, SANDBOX_MAX_MSG, NULL, &n_fds);
	if (n == -ECONNRESET)
		n = 0;
	if (n < 0)
		return err_sys(e, (int)-n, "read from worker");
	buf[n] = 0;
	if (n == 0)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	const struct json *j;
	if (json_parse(a, sv_n(buf, (size_t)n), NULL, &j, e) < 0)
		return err_wrap(e, "message from worker");
	const struct json *error = json_get(j, "error");
	if (error)
		return worker_error(error, e);
	return n;
}

int sandbox_finish(struct sandbox_proc *p, struct err **e)
{
	fd_close(&p->control);
	int r = proc_wait_pidfd(p->pidfd);
	fd_close(&p->pidfd);
	p->pid = -1;
	if (r < 0)
		return err_sys(e, -r, "wait for worker");
	if (r > 128)
		return err_set(e, ERR_SYSTEM, "worker was killed by signal %d", r - 128);
	if (r)
		return err_set(e, ERR_SYSTEM, "worker failed with status %d", r);
	return 0;
}

void sandbox_release(struct sandbox_proc *p)
{
	if (p->pid > 0) {
		(void)proc_pidfd_signal(p->pidfd, SIGKILL);
		(void)proc_wait_pidfd(p->pidfd);
		p->pid = -1;
	}
	fd_close(&p->pidfd);
	fd_close(&p->control);
}
