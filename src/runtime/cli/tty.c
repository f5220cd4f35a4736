/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/proc.h"
#include "runtime/cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

int console_send(const char *socket_path, int master, struct err **e)
{
	cleanup_close int sock = unix_connect(socket_path, SOCK_STREAM);
	static const char name[] = "/dev/ptmx";
	int r;

	if (sock < 0)
		return err_sys(e, -sock, "connect to console socket '%s'", socket_path);
	r = fdpass_send(sock, name, sizeof(name) - 1, &master, 1);
	return r < 0 ? err_sys(e, -r, "send the terminal to '%s'", socket_path) : 0;
}

int pid_file_write(const char *path, pid_t pid, struct err **e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)pid), r;
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir =
		slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrdup(".");
	cleanup_close int dirfd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);

	r = dirfd < 0 ? dirfd : fs_replace_fast_at(dirfd, slash ? slash + 1 : path, text, (size_t)n, 0644);
	return r < 0 ? err_sys(e, -r, "write pid file '%s'", path) : 0;
}

/* A window's size follows ours. */
static void copy_size(int master)
{
	struct winsize ws;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(master, TIOCSWINSZ, &ws);
}

static bool pump(int from, int to)
{
	char buf[16 * 1024];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	return n > 0 && fd_write_full(to, buf, (size_t)n) == 0;
}

static void forward(int sigfd, int pidfd, int master)
{
	struct signalfd_siginfo si;

	if (read(sigfd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD || si.ssi_signo == SIGURG)
		return;
	if (si.ssi_signo == SIGWINCH && master >= 0) {
		copy_size(master);
		return;
	}
	(void)proc_pidfd_signal(pidfd, (int)si.ssi_signo);
}

int foreground(int pidfd, pid_t pid, int master)
{
	struct termios saved, raw;
	bool is_raw = false, input = master >= 0, output = master >= 0;
	int code = 0, status;
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	cleanup_close int sigfd = signalfd(-1, &all, SFD_CLOEXEC);
	if (master >= 0) {
		copy_size(master);
		if (tcgetattr(STDIN_FILENO, &saved) == 0) {
			raw = saved;
			cfmakeraw(&raw);
			raw.c_oflag |= OPOST;
			is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
		}
	}
	for (;;) {
		struct pollfd p[4] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = sigfd, .events = POLLIN },
			{ .fd = output ? master : -1, .events = POLLIN },
			{ .fd = input ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			forward(sigfd, pidfd, master);
		/* A pty whose other end is closed reads EIO; that is its end. */
		if (p[2].revents && !pump(master, STDOUT_FILENO))
			output = false;
		if (p[3].revents && !pump(STDIN_FILENO, master))
			input = false;
		if (p[0].revents && !(p[2].revents & POLLIN && output))
			break;
	}
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	(void)sigprocmask(SIG_UNBLOCK, &all, NULL);
	return code;
}
