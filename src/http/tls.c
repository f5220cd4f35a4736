/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/fs.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define HANDSHAKE_MS 30000

/* Everything called in libssl and libcrypto; looked up once, at the first context. */
#define SSL_CALLS(X)                                                                                         \
	X(TLS_server_method)                                                                                 \
	X(TLS_client_method)                                                                                 \
	X(SSL_CTX_new)                                                                                       \
	X(SSL_CTX_free)                                                                                      \
	X(SSL_CTX_ctrl)                                                                                      \
	X(SSL_CTX_set_verify)                                                                                \
	X(SSL_CTX_load_verify_locations)                                                                     \
	X(SSL_CTX_set_default_verify_paths)                                                                  \
	X(SSL_CTX_use_certificate_chain_file)                                                                \
	X(SSL_CTX_use_PrivateKey_file)                                                                       \
	X(SSL_CTX_check_private_key)                                                                         \
	X(SSL_CTX_set_client_CA_list)                                                                        \
	X(SSL_CTX_set_session_id_context)                                                                    \
	X(SSL_CTX_set_num_tickets)                                                                           \
	X(SSL_load_client_CA_file)                                                                           \
	X(SSL_new)                                                                                           \
	X(SSL_free)                                                                                          \
	X(SSL_set_bio)                                                                                       \
	X(SSL_ctrl)                                                                                          \
	X(SSL_get0_param)                                                                                    \
	X(SSL_set1_host)                                                                                     \
	X(SSL_accept)                                                                                        \
	X(SSL_connect)                                                                                       \
	X(SSL_read)                                                                                          \
	X(SSL_write)                                                                                         \
	X(SSL_pending)                                                                                       \
	X(SSL_peek)                                                                                          \
	X(SSL_shutdown)                                                                                      \
	X(SSL_get_error)                                                                                     \
	X(SSL_get_verify_result)
#define CRYPTO_CALLS(X)                                                                                      \
	X(BIO_meth_new)                                                                                      \
	X(BIO_meth_set_write)                                                                                \
	X(BIO_meth_set_read)                                                                                 \
	X(BIO_meth_set_ctrl)                                                                                 \
	X(BIO_new)                                                                                           \
	X(BIO_set_data)                                                                                      \
	X(BIO_get_data)                                                                                      \
	X(BIO_set_init)                                                                                      \
	X(BIO_set_flags)                                                                                     \
	X(BIO_clear_flags)                                                                                   \
	X(ERR_peek_last_error)                                                                               \
	X(ERR_clear_error)                                                                                   \
	X(ERR_reason_error_string)                                                                           \
	X(X509_VERIFY_PARAM_set1_ip_asc)                                                                     \
	X(X509_verify_cert_error_string)

/*
 * The one table a process has of the loaded libraries: filled once under pthread_once, read-only after. It is
 * a linker's work done late, not state: dlopen is itself per process.
 */
#define DECLARE(name) typeof(name) *name;
static struct ssl_calls {
	SSL_CALLS(DECLARE)
	CRYPTO_CALLS(DECLARE)
	BIO_METHOD *socket_method;
	char problem[256];
} ssl;
static pthread_once_t ssl_once = PTHREAD_ONCE_INIT;

struct http_tls {
	SSL_CTX *ctx;
	bool is_server, verify_peer;
	int handshake_ms;
};

struct http_session {
	SSL *s;
	int fd;
	int64_t deadline_ns; /* of a server's handshake; then 0 */
	bool dont_wait;      /* one read that must not block */
	bool read_ended, write_ended;
};

/* --- a socket BIO that cannot raise SIGPIPE --- */

static int bio_result(BIO *b, ssize_t r, int retry)
{
	ssl.BIO_clear_flags(b, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
	if (r < 0 && errno == EAGAIN)
		ssl.BIO_set_flags(b, retry | BIO_FLAGS_SHOULD_RETRY);
	return (int)r;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct http_session *s = ssl.BIO_get_data(b);
	ssize_t r;

	do
		r = send(s->fd, p, (size_t)n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return bio_result(b, r, BIO_FLAGS_WRITE);
}

/* Whoever has shown no certificate yet must not hold a connection for long. */
static bool in_time(const struct http_session *s)
{
	struct ctx ctx = { .deadline_ns = s->deadline_ns, .stop_fd = -1, .client_fd = -1 };
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return !s->deadline_ns || ctx_poll(&ctx, &p, 1, -1) > 0;
}

static int bio_read(BIO *b, char *p, int n)
{
	struct http_session *s = ssl.BIO_get_data(b);
	ssize_t r;

	if (!in_time(s)) {
		errno = ETIMEDOUT;
		return bio_result(b, -1, BIO_FLAGS_READ);
	}
	do
		r = recv(s->fd, p, (size_t)n, s->dont_wait ? MSG_DONTWAIT : 0);
	while (r < 0 && errno == EINTR);
	return bio_result(b, r, BIO_FLAGS_READ);
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH;
}

/* --- loading --- */

static void *find(void *lib, const char *name)
{
	void *p = dlsym(lib, name);
	if (!p && !ssl.problem[0])
		(void)snprintf(ssl.problem, sizeof(ssl.problem), "%s has no %s", "libssl", name);
	return p;
}

#define FIND_SSL(name)    *(void **)&ssl.name = find(lib_ssl, #name);
#define FIND_CRYPTO(name) *(void **)&ssl.name = find(lib_crypto, #name);

static void load(void)
{
	void *lib_crypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
	void *lib_ssl = lib_crypto ? dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL) : NULL;

	if (!lib_ssl) {
		(void)snprintf(ssl.problem, sizeof(ssl.problem), "%s", dlerror());
		return;
	}
	SSL_CALLS(FIND_SSL)
	CRYPTO_CALLS(FIND_CRYPTO)
	if (ssl.problem[0])
		return;
	ssl.socket_method = ssl.BIO_meth_new(BIO_TYPE_SOURCE_SINK | 99, "hoy socket");
	if (!ssl.socket_method || !ssl.BIO_meth_set_write(ssl.socket_method, bio_write) ||
	    !ssl.BIO_meth_set_read(ssl.socket_method, bio_read) ||
	    !ssl.BIO_meth_set_ctrl(ssl.socket_method, bio_ctrl))
		(void)snprintf(ssl.problem, sizeof(ssl.problem), "out of memory");
}

static const char *reason(void)
{
	unsigned long code = ssl.ERR_peek_last_error();
	const char *s = code ? ssl.ERR_reason_error_string(code) : NULL;
	return s ? s : "unknown error";
}

/* --- contexts --- */

static int set_trust(struct http_tls *t, const struct http_tls_config *c, struct err **e)
{
	if (c->ca) {
		if (ssl.SSL_CTX_load_verify_locations(t->ctx, c->ca, NULL) != 1)
			return err_set(e, ERR_INVALID, "could not read CA certificate '%s': %s", c->ca,
				       reason());
		if (c->is_server)
			ssl.SSL_CTX_set_client_CA_list(t->ctx, ssl.SSL_load_client_CA_file(c->ca));
	} else if (!c->is_server && ssl.SSL_CTX_set_default_verify_paths(t->ctx) != 1) {
		return err_set(e, ERR_SYSTEM, "could not load the system's certificates: %s", reason());
	}
	int mode = SSL_VERIFY_NONE;
	if (c->verify_peer)
		mode = SSL_VERIFY_PEER | (c->is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	ssl.SSL_CTX_set_verify(t->ctx, mode, NULL);
	return 0;
}

static int set_identity(struct http_tls *t, const struct http_tls_config *c, struct err **e)
{
	if (!c->cert || !c->key) {
		if (c->is_server)
			return err_set(e, ERR_INVALID, "TLS needs a certificate and its key");
		return 0;
	}
	if (ssl.SSL_CTX_use_certificate_chain_file(t->ctx, c->cert) != 1)
		return err_set(e, ERR_INVALID, "could not load certificate '%s': %s", c->cert, reason());
	if (ssl.SSL_CTX_use_PrivateKey_file(t->ctx, c->key, SSL_FILETYPE_PEM) != 1 ||
	    ssl.SSL_CTX_check_private_key(t->ctx) != 1)
		return err_set(e, ERR_INVALID, "could not load key '%s': %s", c->key, reason());
	return 0;
}

int http_tls_new(const struct http_tls_config *c, struct http_tls **out, struct err **e)
{
	static const unsigned char session_context[] = "hoy";

	(void)pthread_once(&ssl_once, load);
	if (ssl.problem[0])
		return err_set(e, ERR_SYSTEM, "load libssl: %s", ssl.problem);
	cleanup_http_tls struct http_tls *t = NEW(struct http_tls);
	t->is_server = c->is_server;
	t->verify_peer = c->verify_peer;
	t->handshake_ms = c->handshake_ms ? c->handshake_ms : HANDSHAKE_MS;
	ssl.ERR_clear_error();
	t->ctx = ssl.SSL_CTX_new(c->is_server ? ssl.TLS_server_method() : ssl.TLS_client_method());
	if (!t->ctx)
		return err_set(e, ERR_SYSTEM, "create TLS context: %s", reason());
	(void)ssl.SSL_CTX_ctrl(t->ctx, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
	(void)ssl.SSL_CTX_ctrl(t->ctx, SSL_CTRL_MODE,
			       SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS |
				       SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
			       NULL);
	(void)ssl.SSL_CTX_set_session_id_context(t->ctx, session_context, sizeof(session_context) - 1);
	/* no resumption: connections live long, and a ticket would look like an answer to a client that polls
	 */
	(void)ssl.SSL_CTX_set_num_tickets(t->ctx, 0);
	if (set_trust(t, c, e) < 0 || set_identity(t, c, e) < 0)
		return -1;
	*out = TAKE_PTR(t);
	return 0;
}

void http_tls_free(struct http_tls *t)
{
	if (!t)
		return;
	if (t->ctx)
		ssl.SSL_CTX_free(t->ctx);
	free(t);
}

/* --- sessions --- */

static int set_name(struct http_session *s, const char *name)
{
	struct in6_addr addr;

	if (inet_pton(AF_INET, name, &addr) == 1 || inet_pton(AF_INET6, name, &addr) == 1)
		return ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(s->s), name) == 1 ? 0 : -1;
	if (ssl.SSL_ctrl(s->s, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
			 (void *)(uintptr_t)name) != 1)
		return -1;
	return ssl.SSL_set1_host(s->s, name) == 1 ? 0 : -1;
}

int http_session_open(struct http_tls *t, int fd, const char *name, struct http_session **out, struct err **e)
{
	struct http_session *s = NEW(struct http_session);
	BIO *bio = ssl.BIO_new(ssl.socket_method);

	s->fd = fd;
	s->s = ssl.SSL_new(t->ctx);
	if (!s->s || !bio) {
		http_session_free(s);
		return err_set(e, ERR_SYSTEM, "create TLS session: %s", reason());
	}
	ssl.BIO_set_data(bio, s);
	ssl.BIO_set_init(bio, 1);
	ssl.SSL_set_bio(s->s, bio, bio);
	ssl.ERR_clear_error();
	if (!t->is_server && name && set_name(s, name) < 0) {
		http_session_free(s);
		return err_set(e, ERR_INVALID, "bad TLS server name '%s'", name);
	}
	if (t->is_server)
		s->deadline_ns = clock_mono_ns() + t->handshake_ms * NS_PER_MS;
	int r = t->is_server ? ssl.SSL_accept(s->s) : ssl.SSL_connect(s->s);
	s->deadline_ns = 0;
	if (r != 1) {
		long v = ssl.SSL_get_verify_result(s->s);
		const char *why =
			v != X509_V_OK && t->verify_peer ? ssl.X509_verify_cert_error_string(v) : reason();
		(void)err_set(e, ERR_UNAUTHORIZED, "tls: handshake failed: %s", why);
		http_session_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

ssize_t http_session_read(struct http_session *s, void *buf, size_t n)
{
	if (s->read_ended)
		return 0;
	ssl.ERR_clear_error();
	errno = 0;
	int r = ssl.SSL_read(s->s, buf, (int)MIN(n, (size_t)INT32_MAX));
	if (r > 0)
		return r;
	int why = ssl.SSL_get_error(s->s, r);
	if (why == SSL_ERROR_ZERO_RETURN) {
		s->read_ended = true;
		return 0;
	}
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (why == SSL_ERROR_SYSCALL && errno)
		return -errno;
	/* an end without close_notify is a truncation: no framing above may take it for the end of a body */
	return -ECONNRESET;
}

ssize_t http_session_write(struct http_session *s, const void *buf, size_t n)
{
	ssl.ERR_clear_error();
	errno = 0;
	int r = ssl.SSL_write(s->s, buf, (int)MIN(n, (size_t)INT32_MAX));
	if (r > 0)
		return r;
	int why = ssl.SSL_get_error(s->s, r);
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return errno ? -errno : -EPIPE;
}

size_t http_session_pending(struct http_session *s)
{
	return (size_t)ssl.SSL_pending(s->s);
}

bool http_session_has_input(struct http_session *s)
{
	char c;

	if (s->read_ended || ssl.SSL_pending(s->s) > 0)
		return true;
	ssl.ERR_clear_error();
	s->dont_wait = true;
	int r = ssl.SSL_peek(s->s, &c, 1);
	s->dont_wait = false;
	/* an end or a failure counts: the next read says which */
	return r > 0 || ssl.SSL_get_error(s->s, r) != SSL_ERROR_WANT_READ;
}

int http_session_shutdown_write(struct http_session *s)
{
	if (s->write_ended)
		return 0;
	s->write_ended = true;
	ssl.ERR_clear_error();
	return ssl.SSL_shutdown(s->s) < 0 ? -EPIPE : 0;
}

void http_session_free(struct http_session *s)
{
	if (!s)
		return;
	if (s->s)
		ssl.SSL_free(s->s);
	free(s);
}

/* --- the pump --- */

#define PUMP_BUFFER 16384
#define PUMP_STACK  (128 * 1024)

/* One direction: bytes read and not yet written. */
struct flow {
	size_t at, n;
	bool source_ended, ended;
	char buf[PUMP_BUFFER];
};

struct pump {
	struct http_session *s;
	int fd;          /* the TLS socket, non-blocking here */
	int local;       /* our end of the pair */
	struct flow in;  /* peer to local */
	struct flow out; /* local to peer */
};

/* Neither direction may block the other: a container that does not read its stdin still writes its stdout. */
static void pump_in(struct pump *p)
{
	struct flow *f = &p->in;

	if (!f->source_ended && f->at == f->n) {
		ssize_t r = http_session_read(p->s, f->buf, sizeof(f->buf));
		f->at = 0;
		f->n = r > 0 ? (size_t)r : 0;
		f->source_ended = r <= 0 && r != -EAGAIN;
	}
	if (f->at < f->n) {
		ssize_t r = send(p->local, f->buf + f->at, f->n - f->at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r > 0)
			f->at += (size_t)r;
		else if (errno != EAGAIN && errno != EINTR)
			f->source_ended = f->ended = true;
	}
	if (f->source_ended && f->at == f->n && !f->ended) {
		(void)shutdown(p->local, SHUT_WR);
		f->ended = true;
	}
}

static void pump_out(struct pump *p)
{
	struct flow *f = &p->out;

	if (!f->source_ended && f->at == f->n) {
		ssize_t r = recv(p->local, f->buf, sizeof(f->buf), MSG_DONTWAIT);
		f->at = 0;
		f->n = r > 0 ? (size_t)r : 0;
		f->source_ended = r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR);
	}
	if (f->at < f->n) {
		ssize_t r = http_session_write(p->s, f->buf + f->at, f->n - f->at);
		if (r > 0)
			f->at += (size_t)r;
		else if (r != -EAGAIN)
			f->source_ended = f->ended = true;
	}
	if (f->source_ended && f->at == f->n && !f->ended) {
		(void)http_session_shutdown_write(p->s);
		f->ended = true;
	}
}

static short wanted(const struct flow *reads, const struct flow *writes)
{
	short events = 0;

	if (!reads->source_ended && reads->at == reads->n)
		events |= POLLIN;
	if (!writes->ended && writes->at < writes->n)
		events |= POLLOUT;
	return events;
}

static void *pump_main(void *arg)
{
	struct pump *p = arg;

	while (!p->in.ended || !p->out.ended) {
		struct pollfd f[2] = { { .fd = p->fd, .events = wanted(&p->in, &p->out) },
				       { .fd = p->local, .events = wanted(&p->out, &p->in) } };
		bool pending = !p->in.source_ended && p->in.at == p->in.n && http_session_pending(p->s) > 0;
		/* no spinning on a hangup that nobody waits for; the local end's matters once all is written
		 */
		if (!f[0].events)
			f[0].fd = -1;
		if (!f[1].events && !p->out.ended)
			f[1].fd = -1;
		if (poll(f, 2, pending ? 0 : -1) < 0 && errno != EINTR)
			break;
		pump_in(p);
		pump_out(p);
		/* the local end is closed altogether and drained: nobody is left to read what the peer sends
		 */
		if (p->out.ended && f[1].revents & (POLLHUP | POLLERR))
			break;
	}
	(void)close(p->local);
	http_session_free(p->s);
	(void)close(p->fd);
	free(p);
	return NULL;
}

int http_session_pump(struct http_session *s, int fd)
{
	int pair[2];
	pthread_attr_t attr;
	pthread_t thread;

	int r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	struct pump *p = xcalloc(1, sizeof(*p));
	p->s = s;
	p->fd = fd;
	p->local = pair[1];
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, PUMP_STACK);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, pump_main, p);
	(void)pthread_attr_destroy(&attr);
	if (r) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		free(p);
		return -r;
	}
	return pair[0];
}
