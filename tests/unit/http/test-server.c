/* SPDX-License-Identifier: Apache-2.0 */
/* Server and client against each other over real sockets, plain and TLS. */
#include "../unit.h"

#include "base/fdpass.h"
#include "base/fs.h"
#include "base/str.h"
#include "http/client.h"
#include "http/server.h"
#include "http/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG (3 * 1024 * 1024)

static void handle(void *ctx, struct http_req *rq, struct http_res *rs)
{
	(void)ctx;
	if (!strcmp(rq->path, "/hello")) {
		const char *name = http_req_query(rq, "name");
		char text[64];
		(void)snprintf(text, sizeof(text), "hello %s", name ? name : "?");
		(void)http_reply(rs, 200, "text/plain", text, strlen(text));
	} else if (!strcmp(rq->path, "/echo")) {
		char buf[8192];
		ssize_t n;
		(void)http_stream_start(rs, 200, "application/octet-stream");
		while ((n = http_req_read(rq, buf, sizeof(buf))) > 0)
			if (http_stream_write(rs, buf, (size_t)n) < 0)
				return;
		if (n < 0)
			http_stream_abort(rs);
	} else if (!strcmp(rq->path, "/count")) {
		struct sv body;
		cleanup_err struct err *e = NULL;
		char text[64];
		if (http_req_read_all(rq, BIG, &body, &e) < 0) {
			(void)http_reply_error(rs, 400, err_text(e));
			return;
		}
		(void)snprintf(text, sizeof(text), "%zu", body.n);
		(void)http_reply(rs, 200, "text/plain", text, strlen(text));
	} else if (!strcmp(rq->path, "/ignore")) {
		(void)http_reply_error(rs, 409, "no \"body\" wanted\n");
	} else if (!strcmp(rq->path, "/none")) {
		(void)http_reply_empty(rs, 204);
	} else if (!strcmp(rq->path, "/silent")) {
		return;
	} else if (!strcmp(rq->path, "/wait")) {
		/* until the client leaves or the server stops */
		(void)http_stream_start(rs, 200, "application/json");
		int r = ctx_poll(&rq->ctx, NULL, 0, -1);
		int *seen = ctx;
		if (seen)
			__atomic_store_n(seen, r, __ATOMIC_SEQ_CST);
	} else if (!strcmp(rq->path, "/raw")) {
		struct sv early;
		int fd = http_hijack(rq, rs, "application/vnd.docker.raw-stream", "tcp", &early);
		if (fd < 0)
			return;
		/* echo until the client half-closes, then say so */
		char buf[4096];
		ssize_t n;
		if (early.n && fd_write_full(fd, early.p, early.n) < 0)
			early.n = 0;
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (fd_write_full(fd, buf, (size_t)n) < 0)
				break;
		(void)!write(fd, "bye", 3);
		(void)close(fd);
	}
}

struct fixture {
	struct http_server *s;
	struct http_tls *server_tls, *client_tls;
	char dir[64];
	char host[128];
	int seen;
};

static void start_with(struct fixture *f, bool tls, int handshake_ms)
{
	cleanup_err struct err *e = NULL;
	struct http_server_config cfg = { .handler = handle,
					  .handler_ctx = &f->seen,
					  .fixed_headers = "Api-Version: 1.51\r\n" };

	memset(f, 0, sizeof(*f));
	assert_int_equal(http_server_new(&cfg, &f->s, &e), 0);
	if (!tls) {
		(void)snprintf(f->dir, sizeof(f->dir), "/tmp/hoy-test-http-XXXXXX");
		assert_non_null(mkdtemp(f->dir));
		(void)snprintf(f->host, sizeof(f->host), "unix://%s/s.sock", f->dir);
		assert_int_equal(http_server_listen(f->s, f->host, NULL, NULL, &e), 0);
	} else {
		struct http_tls_config sc = { .ca = CERTS "/ca.pem",
					      .cert = CERTS "/server.pem",
					      .key = CERTS "/server-key.pem",
					      .is_server = true,
					      .verify_peer = true,
					      .handshake_ms = handshake_ms };
		struct http_tls_config cc = { .ca = CERTS "/ca.pem",
					      .cert = CERTS "/client.pem",
					      .key = CERTS "/client-key.pem",
					      .verify_peer = true };
		struct sockaddr_storage a;
		socklen_t n = sizeof(a);
		char port[16];
		if (http_tls_new(&sc, &f->server_tls, &e) < 0 || http_tls_new(&cc, &f->client_tls, &e) < 0)
			fail_msg("%s", err_text(e));
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(listen(fd, 16), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
		unsigned char *p = (unsigned char *)&a;
		(void)snprintf(port, sizeof(port), "%d", p[2] << 8 | p[3]);
		(void)snprintf(f->host, sizeof(f->host), "tcp://127.0.0.1:%s", port);
		assert_int_equal(http_server_listen_fd(f->s, fd, f->server_tls), 0);
	}
	assert_int_equal(http_server_start(f->s, &e), 0);
}

static void start(struct fixture *f, bool tls)
{
	start_with(f, tls, 0);
}

static void stop(struct fixture *f)
{
	http_server_stop(f->s, 30000);
	assert_int_equal(http_server_connections(f->s), 0);
	http_server_free(f->s);
	http_tls_free(f->server_tls);
	http_tls_free(f->client_tls);
	if (f->dir[0])
		assert_int_equal(rmdir(f->dir), 0); /* the socket is gone */
}

static struct http_client *client(struct fixture *f)
{
	cleanup_err struct err *e = NULL;
	struct http_client *c = NULL;

	if (http_client_open(&(struct http_client_config){ .host = f->host, .tls = f->client_tls }, &c, &e) <
	    0)
		fail_msg("%s", err_text(e));
	return c;
}

static struct http_reply *call(struct http_client *c, const struct http_call *call_)
{
	cleanup_err struct err *e = NULL;
	struct http_reply *r = http_call(c, call_, &e);

	if (!r)
		fail_msg("%s", err_text(e));
	return r;
}

static void expect(struct http_client *c, const char *method, const char *target, unsigned int status,
		   const char *body)
{
	cleanup_free char *text = NULL;
	size_t n;
	struct http_reply *r = call(c, &(struct http_call){ .method = method, .target = target });

	assert_int_equal(http_reply_status(r), status);
	assert_string_equal(http_reply_header(r, "api-version"), "1.51");
	assert_int_equal(http_reply_read_all(r, BIG, &text, &n, NULL), 0);
	assert_string_equal(text, body);
	http_reply_free(r);
}

struct source {
	size_t left;
};

static ssize_t source_read(void *ctx, void *buf, size_t n)
{
	struct source *s = ctx;
	size_t k = MIN(n, s->left);

	for (size_t i = 0; i < k; i++)
		((char *)buf)[i] = (char)((s->left - i) % 251);
	s->left -= k;
	return (ssize_t)k;
}

static void talk(struct fixture *f)
{
	struct http_client *c = client(f);
	struct source src = { BIG };
	struct sv span;

	expect(c, "GET", "/hello?name=a%20b", 200, "hello a b");
	expect(c, "HEAD", "/hello", 200, "");
	expect(c, "POST", "/none", 204, "");
	expect(c, "GET", "/silent", 500, "{\"message\":\"the request was not answered\"}\n");
	expect(c, "GET", "relative", 400, "{\"message\":\"malformed request target\"}\n");
	/* three requests and more shared one connection, the last one closed it */
	struct http_reply *r = call(
		c, &(struct http_call){
			   .method = "POST", .target = "/echo", .read_body = source_read, .read_ctx = &src });
	/* the answer came while the body still flowed: the client stops, as asked; what was echoed is right
	 */
	assert_int_equal(http_reply_status(r), 200);
	assert_int_equal(http_reply_next(r, &span), 1);
	for (size_t i = 0; i < span.n; i++)
		if (span.p[i] != (char)((BIG - i) % 251))
			fail_msg("byte %zu differs", i);
	http_reply_free(r);

	src.left = BIG;
	r = call(c,
		 &(struct http_call){
			 .method = "POST", .target = "/count", .read_body = source_read, .read_ctx = &src });
	cleanup_free char *text = NULL;
	assert_int_equal(http_reply_read_all(r, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "3145728");
	http_reply_free(r);

	/* a reply to a body nobody read */
	cleanup_free char *big = calloc(1, BIG);
	r = call(c, &(struct http_call){ .method = "POST", .target = "/count", .body = sv_n(big, 1000) });
	http_reply_free(r);
	r = call(c, &(struct http_call){ .method = "POST", .target = "/ignore", .body = sv_n(big, 1000) });
	assert_int_equal(http_reply_status(r), 409);
	http_reply_free(r);
	expect(c, "GET", "/hello", 200, "hello ?");
	http_client_close(c);
}

static void raw(struct fixture *f, const char *upgrade, unsigned int status)
{
	struct http_client *c = client(f);
	struct http_reply *r =
		call(c, &(struct http_call){ .method = "POST", .target = "/raw", .upgrade = upgrade });
	char *early, buf[65536];
	size_t n_early, got = 0, sent = 0;
	ssize_t n;

	assert_int_equal(http_reply_status(r), status);
	int fd = http_reply_hijack(r, &early, &n_early);
	assert_true(fd >= 0);
	assert_int_equal(n_early, 0);
	free(early);
	/* both directions at once: more than any buffer holds */
	memset(buf, 'x', sizeof(buf));
	while (sent < BIG || got < BIG) {
		struct pollfd p = { .fd = fd, .events = (short)(POLLIN | (sent < BIG ? POLLOUT : 0)) };
		assert_int_equal(poll(&p, 1, 30000), 1);
		if (p.revents & POLLOUT) {
			n = send(fd, buf, MIN(sizeof(buf), (size_t)BIG - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n > 0)
				sent += (size_t)n;
		}
		if (p.revents & POLLIN) {
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
			assert_true(n > 0);
			got += (size_t)n;
		}
	}
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	got = 0;
	while ((n = read(fd, buf + got, sizeof(buf) - got)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(got, 3);
	assert_memory_equal(buf, "bye", 3);
	(void)close(fd);
	http_reply_free(r);
	http_client_close(c);
}

static void plain_talk(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, false);
	talk(&f);
	stop(&f);
}

static void tls_talk(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, true);
	talk(&f);
	stop(&f);
}

static void hijack_plain(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, false);
	raw(&f, "tcp", 101);
	raw(&f, NULL, 200);
	stop(&f);
}

static void hijack_tls(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, true);
	raw(&f, "tcp", 101);
	raw(&f, NULL, 200);
	stop(&f);
}

/* A client that sends its hello a byte at a time is hung up on, however long it goes on. */
static void a_dripping_handshake_ends(void **state)
{
	static const char hello[] = "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03";
	struct fixture f;
	bool hung_up = false;
	char c;

	(void)state;
	start_with(&f, true, 300);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint32_t port;
	assert_int_equal(parse_u32(sv_of(strrchr(f.host, ':') + 1), 65535, &port), 0);
	a.sin_port = htons((uint16_t)port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	for (size_t i = 0; i < 3000 && !hung_up; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (send(fd, i < sizeof(hello) ? &hello[i] : "", 1, MSG_NOSIGNAL) < 0)
			hung_up = true;
		else if (poll(&p, 1, 20) > 0)
			hung_up = recv(fd, &c, 1, 0) <= 0;
	}
	assert_true(hung_up);
	(void)close(fd);
	stop(&f);
}

static void tls_wants_a_client_certificate(void **state)
{
	struct fixture f;
	cleanup_err struct err *e = NULL;
	struct http_tls_config cc = { .ca = CERTS "/ca.pem", .verify_peer = true };
	struct http_tls_config untrusting = { .verify_peer = true };
	struct http_tls *t, *t2;
	struct http_client *c = NULL;

	(void)state;
	start(&f, true);
	assert_int_equal(http_tls_new(&cc, &t, &e), 0);
	/* TLS 1.3 tells the client only at its first read */
	/* nor does a client take a certificate that names somebody else */
	assert_int_equal(http_client_open(&(struct http_client_config){ .host = f.host,
									.tls = f.client_tls,
									.server_name = "other.example" },
					  &c, &e),
			 -1);
	err_free(TAKE_PTR(e));
	if (http_client_open(&(struct http_client_config){ .host = f.host, .tls = t }, &c, &e) == 0)
		assert_null(http_call(c, &(struct http_call){ .method = "GET", .target = "/hello" }, &e));
	http_client_close(c);
	err_free(TAKE_PTR(e));
	assert_int_equal(http_tls_new(&untrusting, &t2, &e), 0);
	assert_int_equal(http_client_open(&(struct http_client_config){ .host = f.host, .tls = t2 }, &c, &e),
			 -1);
	http_tls_free(t);
	http_tls_free(t2);
	stop(&f);
}

static void await_seen(struct fixture *f, int value)
{
	for (int i = 0; i < 3000 && __atomic_load_n(&f->seen, __ATOMIC_SEQ_CST) != value; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(__atomic_load_n(&f->seen, __ATOMIC_SEQ_CST), value);
}

static void a_client_that_leaves_cancels_its_request(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, false);
	struct http_client *c = client(&f);
	struct http_reply *r = call(c, &(struct http_call){ .method = "POST", .target = "/wait" });
	assert_int_equal(http_reply_status(r), 200);
	http_client_close(c);
	await_seen(&f, -ECANCELED);
	stop(&f);
}

static void stopping_cancels_requests(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, false);
	struct http_client *c = client(&f), *idle = client(&f);
	struct http_reply *r = call(c, &(struct http_call){ .method = "POST", .target = "/wait" });
	assert_int_equal(http_reply_status(r), 200);
	stop(&f);
	assert_int_equal(f.seen, -ECANCELED);
	http_client_close(c);
	http_client_close(idle);
}

/* Sends `text` on a fresh connection, half-closes, returns all that comes back. */
static char *exchange(struct fixture *f, const char *text, bool half_close)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_close int fd = unix_connect(f->host + 7, SOCK_STREAM);
	char buf[4096];
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	if (half_close)
		(void)shutdown(fd, SHUT_WR);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sb_addn(&b, buf, (size_t)n);
	return sb_take(&b);
}

static void hostile_bytes_get_an_answer(void **state)
{
	static const struct {
		const char *text, *answer;
	} cases[] = {
		{ "GET / HTTP/1.1\nHost: a\n\n", "HTTP/1.1 400 Bad Request\r\n" },
		{ "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		  "HTTP/1.1 400 Bad Request\r\n" },
		{ "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 " },
		{ "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 " },
		{ "\x16\x03\x01\x02\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		  "HTTP/1.1 400 " },
		{ "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "HTTP/1.1 400 " },
		{ "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", "HTTP/1.1 400 " },
	};
	struct fixture f;

	(void)state;
	start(&f, false);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		cleanup_free char *got = exchange(&f, cases[i].text, true);
		if (strncmp(got, cases[i].answer, strlen(cases[i].answer)) != 0)
			fail_msg("case %zu: got '%s'", i, got);
		assert_non_null(strstr(got, "Connection: close\r\n"));
	}
	stop(&f);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, false);
	cleanup_free char *got = exchange(
		&f,
		"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n"
		"GET /hello?name=1 HTTP/1.1\r\nHost: a\r\n\r\n"
		"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
		"GET /hello?name=2 HTTP/1.0\r\n\r\n",
		false);
	char *a = strstr(got, "409 Conflict"), *b = strstr(got, "hello 1");
	char *c = strstr(got, "3\r\nabc\r\n0\r\n\r\n"), *d = strstr(got, "hello 2");
	assert_non_null(a);
	assert_true(a < b && b < c && c < d);
	stop(&f);
}

static void expect_continue_is_answered_before_the_body(void **state)
{
	struct fixture f;
	char buf[64] = { 0 };

	(void)state;
	start(&f, false);
	cleanup_close int fd = unix_connect(f.host + 7, SOCK_STREAM);
	const char *head =
		"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
	assert_int_equal(fd_write_full(fd, head, strlen(head)), 0);
	assert_int_equal(fd_read_full(fd, buf, 25), 25);
	assert_string_equal(buf, "HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(fd_write_full(fd, "ab", 2), 0);
	assert_int_equal(fd_read_full(fd, buf, 15), 15);
	assert_memory_equal(buf, "HTTP/1.1 200 OK", 15);
	fd_close(&fd);
	stop(&f);
}

static void a_socket_in_use_is_not_taken(void **state)
{
	struct fixture f;
	cleanup_err struct err *e = NULL;
	struct http_server *s2;

	(void)state;
	start(&f, false);
	assert_int_equal(http_server_new(&(struct http_server_config){ .handler = handle }, &s2, &e), 0);
	assert_int_equal(http_server_listen(s2, f.host, NULL, NULL, &e), -1);
	assert_int_equal(err_class(e), ERR_CONFLICT);
	err_free(TAKE_PTR(e));
	assert_int_equal(http_server_listen(s2, "unix:///etc/passwd", NULL, NULL, &e), -1);
	err_free(TAKE_PTR(e));
	assert_int_equal(http_server_listen(s2, "http://x", NULL, NULL, &e), -1);
	http_server_free(s2);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_talk),
		cmocka_unit_test(tls_talk),
		cmocka_unit_test(hijack_plain),
		cmocka_unit_test(hijack_tls),
		cmocka_unit_test(tls_wants_a_client_certificate),
		cmocka_unit_test(a_dripping_handshake_ends),
		cmocka_unit_test(a_client_that_leaves_cancels_its_request),
		cmocka_unit_test(stopping_cancels_requests),
		cmocka_unit_test(hostile_bytes_get_an_answer),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(expect_continue_is_answered_before_the_body),
		cmocka_unit_test(a_socket_in_use_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
