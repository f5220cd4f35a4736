/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hoyd: the daemon. Reads its configuration, opens the engine, serves the API, and waits for signals. SIGTERM and SIGINT
 * end it and leave the containers running; SIGHUP reads the configuration again; SIGUSR1 toggles debug messages.
 */
#include "api/api.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/config.h"
#include "engine/engine.h"
#include "http/server.h"
#include "http/tls.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_HOST "unix:///run/hoy.sock"
#define STOP_WAIT_MS 5000
#define HOYD_NOFILE  1048576

static enum log_level level_of(const struct engine_config *c)
{
	if (c->debug || str_eq(c->log_level, "debug"))
		return LOG_DEBUG;
	if (str_eq(c->log_level, "warn"))
		return LOG_WARN;
	if (str_eq(c->log_level, "error") || str_eq(c->log_level, "fatal"))
		return LOG_ERROR;
	return LOG_INFO;
}

/* systemd's readiness protocol: one datagram. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if (str_empty(path) || strlen(path) >= sizeof(sa.sun_path))
		return;
	size_t n = strlen(path);
	memcpy(sa.sun_path, path, n);
	if (sa.sun_path[0] == '@')
		sa.sun_path[0] = 0;
	cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

/* A pid file whose process lives is an error, as with dockerd. */
static int write_pidfile(const char *path, struct err **e)
{
	char text[32], old[32];
	int64_t pid;
	if (fs_read_small_at(AT_FDCWD, path, old, sizeof(old)) >= 0 &&
	    parse_i64(sv_of(old), 1, INT32_MAX, &pid) == 0 && pid != getpid() && kill((pid_t)pid, 0) == 0) {
		char exe[64], comm[64];
		(void)snprintf(exe, sizeof(exe), "/proc/%d/comm", (int)pid);
		/* The number may be somebody else's by now. */
		if (fs_read_small_at(AT_FDCWD, exe, comm, sizeof(comm)) >= 0 && !strcmp(comm, "hoyd"))
			return err_set(e, ERR_CONFLICT, "process with PID %d is still running: pid file %s",
				       (int)pid, path);
	}
	const char *slash = strrchr(path, '/');
	cleanup_free char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	int n = snprintf(text, sizeof(text), "%d", (int)getpid());
	int r = fs_mkdirs(dir, 0755);
	cleanup_close int dirfd = r < 0 ? r : fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
	r = dirfd < 0 ? dirfd : fs_replace_fast_at(dirfd, slash ? slash + 1 : path, text, (size_t)n, 0644);
	return r < 0 ? err_sys(e, -r, "write the pid file %s", path) : 0;
}

static bool is_loopback(const char *spec)
{
	const char *h = spec + strlen("tcp://");
	return str_starts(h, "127.") || str_starts(h, "localhost:") || str_starts(h, "[::1]:");
}

static int listen_all(struct http_server *srv, const struct engine_config *c, struct http_tls *tls,
		      struct err **e)
{
	if (!c->hosts.n)
		return http_server_listen(srv, DEFAULT_HOST, c->group, NULL, e);
	for (size_t i = 0; i < c->hosts.n; i++) {
		const char *h = c->hosts.v[i];
		bool tcp = str_starts(h, "tcp://");
		if (tcp && !(tls && c->tlsverify) && !is_loopback(h) && !c->insecure_tcp)
			return err_set(e, ERR_INVALID,
				       "%s: whoever reaches a TCP port without client certificates is root "
				       "here: use --tlsverify, "
				       "a loopback address, or --insecure-tcp",
				       h);
		if (http_server_listen(srv, h, c->group, tcp ? tls : NULL, e) < 0)
			return -1;
	}
	return 0;
}

static int open_tls(const struct engine_config *c, struct http_tls **out, struct err **e)
{
	*out = NULL;
	if (!c->tls && !c->tlsverify)
		return 0;
	struct http_tls_config tc = {
		.ca = c->tlsverify ? c->tlscacert : NULL,
		.cert = c->tlscert,
		.key = c->tlskey,
		.is_server = true,
		.verify_peer = c->tlsverify,
	};
	if (c->tlsverify && !c->tlscacert)
		return err_set(e, ERR_INVALID, "--tlsverify needs --tlscacert");
	return http_tls_new(&tc, out, e);
}

static void more_files(void)
{
	struct rlimit rl;
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max < HOYD_NOFILE ? rl.rlim_max : HOYD_NOFILE;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static void wait_for_end(struct engine *en, int sigfd)
{
	struct signalfd_siginfo si;
	for (;;) {
		if (read(sigfd, &si, sizeof(si)) != sizeof(si)) {
			if (errno == EINTR)
				continue;
			return;
		}
		cleanup_err struct err *e = NULL;
		switch (si.ssi_signo) {
		case SIGHUP:
			if (engine_reload(en, &e) < 0)
				log_error(log_kv(NULL, NULL), "reload: %s", err_text(e));
			else
				log_info(log_kv(NULL, NULL), "configuration read again");
			break;
		case SIGUSR1: log_set_level(log_get_level() == LOG_DEBUG ? LOG_INFO : LOG_DEBUG); break;
		default:
			log_info(log_kv(NULL, NULL), "signal %u: ending; containers go on", si.ssi_signo);
			return;
		}
	}
}

static int serve(struct engine_config *c, int sigfd, struct err **e)
{
	struct engine *en = NULL;
	struct http_server *srv = NULL;
	struct http_tls *tls = NULL;
	struct api *api = NULL;
	int r = open_tls(c, &tls, e);
	if (r == 0)
		r = write_pidfile(c->pidfile, e);
	if (r == 0) {
		int64_t t0 = clock_mono_ns();
		r = engine_open(c, &en, e);
		if (r == 0) {
			api = api_new(en);
			struct http_server_config hc = { .handler = api_handle,
							 .handler_ctx = api,
							 .fixed_headers = api_headers(api) };
			r = http_server_new(&hc, &srv, e);
		}
		if (r == 0)
			r = listen_all(srv, c, tls, e);
		if (r == 0)
			r = http_server_start(srv, e);
		if (r == 0) {
			engine_run(en);
			log_info(log_kv("version", HOY_VERSION), "API listens; start took %lld ms",
				 (long long)((clock_mono_ns() - t0) / NS_PER_MS));
			notify("READY=1");
			wait_for_end(en, sigfd);
			notify("STOPPING=1");
		}
		if (srv)
			http_server_stop(srv, STOP_WAIT_MS);
		http_server_free(srv);
		engine_close(en);
		api_free(api);
		(void)unlinkat(AT_FDCWD, c->pidfile, 0);
	}
	http_tls_free(tls);
	return r;
}

int main(int argc, char **argv)
{
	cleanup_err struct err *e = NULL;
	cleanup_engine_config struct engine_config *c = NULL;
	sigset_t set;

	if (engine_config_parse(argc, argv, &c, &e) < 0) {
		(void)fprintf(stderr, "%s\n", err_text(e));
		return 1;
	}
	if (c->show_help) {
		cleanup_strbuf struct strbuf b = { 0 };
		engine_config_help(&b);
		(void)fputs(sb_str(&b), stdout);
		return 0;
	}
	if (c->show_version) {
		(void)printf("hoyd version %s\n", HOY_VERSION);
		return 0;
	}
	if (c->validate) {
		(void)printf("configuration OK\n");
		return 0;
	}
	log_set_level(level_of(c));
	log_set_json(str_eq(c->log_format, "json"));
	if (geteuid() != 0) {
		(void)fprintf(stderr, "hoyd needs to be started with root privileges\n");
		return 1;
	}
	/* A thread a connection, most of them idle: few arenas, and freed memory back to the kernel. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	/* Before any thread: they inherit the mask. */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0022);
	more_files();
	cleanup_close int sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	if (sigfd < 0) {
		perror("signalfd");
		return 1;
	}
	if (serve(c, sigfd, &e) < 0) {
		log_error(log_kv(NULL, NULL), "failed to start daemon: %s", err_text(e));
		return 1;
	}
	return 0;
}
