/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: the client's own socket goes to the monitor, and this engine is out of the stream. Before the start it waits
 * in the container. Only bytes that came before the switch, or history asked for with logs=1, make us a pump.
 */
#include "base/fs.h"
#include "base/log.h"
#include "engine/attach.h"
#include "engine/observe.h"
#include "monitor/client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

struct engine_attachment {
	struct container *c;
	struct engine_attach rq;
	bool tty;
	bool reserved; /* counted in c->attaching: a start waits for this socket */
	char keys[DETACH_KEYS_MAX];
	size_t n_keys;
};

int attach_keys(const char *s, char out[DETACH_KEYS_MAX], size_t *n, struct err **e)
{
	if (str_empty(s))
		s = "ctrl-p,ctrl-q";
	if (detach_keys_parse(sv_of(s), (unsigned char *)out, n, NULL) < 0)
		return err_set(e, ERR_INVALID, "Invalid detach keys (%s) provided", s);
	return 0;
}

int engine_container_attach_begin(struct engine *en, const char *ref, const struct engine_attach *rq,
				  struct engine_attachment **out, struct err **e)
{
	struct engine_attachment at = { .rq = *rq };
	if (attach_keys(rq->detach_keys, at.keys, &at.n_keys, e) < 0)
		return -1;
	at.c = container_find(en, ref, e);
	if (!at.c)
		return -1;
	pthread_mutex_lock(&at.c->lock);
	container_settle_locked(at.c);
	enum life s = at.c->now.state;
	at.tty = at.c->spec->is_tty;
	pthread_mutex_unlock(&at.c->lock);
	int r = 0;
	if (s == LIFE_PAUSED)
		r = err_set(e, ERR_CONFLICT, "container %s is paused, unpause the container before attach",
			    ref);
	else if (s == LIFE_RESTARTING)
		r = err_set(e, ERR_CONFLICT,
			    "container %s is restarting, wait until the container is running", ref);
	else if (s == LIFE_REMOVING || s == LIFE_DEAD || s == LIFE_GONE)
		r = err_set(e, ERR_CONFLICT, "container %s is marked for removal", ref);
	if (r < 0) {
		container_unref(at.c);
		return -1;
	}
	/*
	 * The client starts the container as soon as it has read the head of our reply, which may be before this thread
	 * goes on; what a short process printed would then be nobody's.
	 */
	pthread_mutex_lock(&at.c->lock);
	at.reserved = at.rq.stream && !at.c->run;
	at.c->attaching += at.reserved;
	pthread_mutex_unlock(&at.c->lock);
	at.rq.detach_keys = NULL;
	*out = xmemdup(&at, sizeof(at));
	return 0;
}

bool engine_attachment_is_tty(const struct engine_attachment *at)
{
	return at->tty;
}

static void unreserve_locked(struct engine_attachment *at)
{
	if (!at->reserved)
		return;
	at->reserved = false;
	at->c->attaching--;
	(void)pthread_cond_broadcast(&at->c->changed);
}

void engine_attachment_free(struct engine_attachment *at)
{
	if (!at)
		return;
	pthread_mutex_lock(&at->c->lock);
	unreserve_locked(at);
	pthread_mutex_unlock(&at->c->lock);
	container_unref(at->c);
	free(at);
}

/* --- the pump --- */

struct pump {
	int client, inner;
	char *early;
	size_t n_early;
};

static bool move_bytes(int from, int to, char *buf, size_t room)
{
	ssize_t n = read(from, buf, room);
	return n > 0 && fd_write_full(to, buf, (size_t)n) == 0;
}

/* Both ways until the container's side has ended; the client's end of input is passed on. */
static void *pump_thread(void *arg)
{
	struct pump *p = arg;
	char buf[16384];
	bool in_open = fd_write_full(p->inner, p->early, p->n_early) == 0;
	for (;;) {
		struct pollfd fds[2] = { { .fd = p->inner, .events = POLLIN },
					 { .fd = in_open ? p->client : -1, .events = POLLIN } };
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (fds[0].revents && !move_bytes(p->inner, p->client, buf, sizeof(buf)))
			break;
		if (fds[1].revents && !move_bytes(p->client, p->inner, buf, sizeof(buf))) {
			in_open = false;
			(void)shutdown(p->inner, SHUT_WR);
		}
	}
	(void)shutdown(p->client, SHUT_WR);
	fd_close(&p->client);
	fd_close(&p->inner);
	free(p->early);
	free(p);
	return NULL;
}

int attach_with_early(int sockfd, struct sv early)
{
	int pair[2];
	pthread_t t;
	pthread_attr_t attr;
	if (!early.n)
		return sockfd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return sockfd;
	struct pump *p = NEW(struct pump);
	*p = (struct pump){
		.client = sockfd, .inner = pair[0], .early = xmemdup(early.p, early.n), .n_early = early.n
	};
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, 128 * 1024);
	int r = pthread_create(&t, &attr, pump_thread, p);
	(void)pthread_attr_destroy(&attr);
	if (r != 0) {
		fd_close(&pair[0]);
		fd_close(&pair[1]);
		free(p->early);
		free(p);
		return sockfd;
	}
	return pair[1];
}

/* --- run --- */

static void replay(struct engine_attachment *at, int sockfd)
{
	struct engine_logs_request lr = { .stdout_ = at->rq.stdout_, .stderr_ = at->rq.stderr_, .tail = -1 };
	struct engine_logs *l = NULL;
	cleanup_err struct err *e = NULL;
	struct sv piece;
	if (engine_logs_open(at->c->en, at->c->id, &lr, &l, &e) < 0)
		return;
	while (engine_logs_next(l, NULL, &piece, &e) == 1)
		if (fd_write_full(sockfd, piece.p, piece.n) < 0)
			break;
	engine_logs_close(l);
}

/* Clients that waited for the start and have gone: their descriptors must not add up. */
static void pending_prune_locked(struct container *c)
{
	list_for_each_safe (it, &c->pending) {
		struct pending_attach *p = LIST_ENTRY(it, struct pending_attach, link);
		struct pollfd f = { .fd = p->fd };
		if (poll(&f, 1, 0) <= 0 || !(f.revents & (POLLHUP | POLLERR)))
			continue;
		list_del(&p->link);
		fd_close(&p->fd);
		free(p);
	}
}

int engine_attachment_run(struct engine_attachment *at, int sockfd, struct sv early, struct err **e)
{
	struct container *c = at->c;
	if (at->rq.logs)
		replay(at, sockfd);
	container_event(c, "attach", NULL);
	if (!at->rq.stream) {
		fd_close(&sockfd);
		return 0;
	}
	int fd = attach_with_early(sockfd, early), r = 0;
	pthread_mutex_lock(&c->lock);
	if (!at->reserved || c->now.state != LIFE_STARTING)
		container_settle_locked(c);
	cleanup_run struct run *run = c->run ? run_ref(c->run) : NULL;
	bool gone = c->now.state == LIFE_REMOVING || c->now.state == LIFE_GONE || c->now.state == LIFE_DEAD;
	bool in = at->rq.stdin_ && c->spec->open_stdin, mux = !at->tty && !at->rq.no_mux;
	/* One that ran when the client came, and has ended since, has nothing more for it: the socket is closed. */
	if (!run && !gone && at->reserved) {
		pending_prune_locked(c);
		struct pending_attach *p = NEW(struct pending_attach);
		*p = (struct pending_attach){ .fd = fd,
					      .in = in,
					      .out = at->rq.stdout_,
					      .err = at->rq.stderr_,
					      .mux = mux,
					      .n_keys = at->tty ? at->n_keys : 0 };
		memcpy(p->keys, at->keys, sizeof(p->keys));
		list_add_tail(&c->pending, &p->link);
		fd = -1;
	}
	unreserve_locked(at);
	pthread_mutex_unlock(&c->lock);
	if (run) {
		struct monitor_attach a = { .fd = fd,
					    .use_stdin = in,
					    .use_stdout = at->rq.stdout_,
					    .use_stderr = at->rq.stderr_,
					    .mux = mux,
					    .keys = at->keys,
					    .n_keys = at->tty ? at->n_keys : 0 };
		r = monitor_attach(run->m, &a, e);
	}
	fd_close(&fd);
	return r;
}
