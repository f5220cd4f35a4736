/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/mem.h"
#include "http/parse.h"

#include <stdio.h>

static struct http_head head;
static const char *why;

static ssize_t request(const char *s)
{
	return http_parse_request(sv_of(s), &head, &why);
}

static void a_request_is_taken_apart(void **state)
{
	const char *s = "POST /v1.51/containers/x/attach?stream=1 HTTP/1.1\r\nHost: docker\r\n"
			"connection:  keep-alive, Upgrade \r\nUpgrade: tcp\r\nContent-Length: 5\r\n\r\nhello";

	(void)state;
	assert_int_equal(request(s), strlen(s) - 5);
	assert_true(sv_eqs(head.method, "POST"));
	assert_true(sv_eqs(head.target, "/v1.51/containers/x/attach?stream=1"));
	assert_int_equal(head.framing, HTTP_BODY_LENGTH);
	assert_int_equal(head.content_length, 5);
	assert_true(head.keep_alive);
	assert_true(head.has_upgrade);
	assert_true(sv_eqs(http_head_find(&head, "HOST"), "docker"));
	assert_null(http_head_find(&head, "x-none").p);
}

static void every_prefix_of_a_request_wants_more(void **state)
{
	const char *s = "GET / HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n";

	(void)state;
	for (size_t n = 0; n < strlen(s); n++)
		assert_int_equal(http_parse_request(sv_n(s, n), &head, &why), 0);
	assert_int_equal(request(s), strlen(s));
}

static void malformed_requests_are_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} bad[] = {
		{ "GET / HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n\n", 400 },
		{ "GET / HTTP/1.1\rX\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nX: a\r\n\r\n", 400 },
		{ "GET /\r\nHost: a\r\n\r\n", 400 },
		{ "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400 },
		{ "GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505 },
		{ "GET / http/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n", 501 },
		{ "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
		  400 },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ssize_t r = request(bad[i].text);
		if (r != -bad[i].status)
			fail_msg("case %zu: got %zd, want -%d", i, r, bad[i].status);
		assert_non_null(why);
	}
}

static void limits_hold(void **state)
{
	cleanup_strbuf struct strbuf b = { 0 };

	(void)state;
	sb_add(&b, "GET /");
	for (int i = 0; i < HTTP_MAX_TARGET; i++)
		sb_addc(&b, 'a');
	sb_add(&b, " HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(request(b.p), -414);

	sb_reset(&b);
	sb_add(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP_MAX_HEADERS; i++)
		sb_addf(&b, "X-%d: y\r\n", i);
	sb_add(&b, "\r\n");
	assert_int_equal(request(b.p), -431);

	sb_reset(&b);
	sb_add(&b, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	while (b.n < HTTP_MAX_HEAD)
		sb_addc(&b, 'a');
	assert_int_equal(request(b.p), -431);
}

static void old_clients_close_by_default(void **state)
{
	(void)state;
	assert_true(request("GET / HTTP/1.0\r\n\r\n") > 0);
	assert_false(head.keep_alive);
	assert_true(request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") > 0);
	assert_true(head.keep_alive);
	assert_true(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") > 0);
	assert_false(head.keep_alive);
}

static void responses_frame_their_bodies(void **state)
{
	static const struct {
		const char *text;
		bool to_head;
		enum http_framing framing;
	} good[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false, HTTP_BODY_LENGTH },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true, HTTP_BODY_NONE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, HTTP_BODY_CHUNKED },
		{ "HTTP/1.1 200 OK\r\n\r\n", false, HTTP_BODY_CLOSE },
		{ "HTTP/1.1 204 No Content\r\n\r\n", false, HTTP_BODY_NONE },
		{ "HTTP/1.1 304\r\n\r\n", false, HTTP_BODY_NONE },
		{ "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", false,
		  HTTP_BODY_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(http_parse_response(sv_of(good[i].text), good[i].to_head, &head, &why),
				 strlen(good[i].text));
		assert_int_equal(head.framing, good[i].framing);
	}
	assert_int_equal(http_parse_response(sv_of("HTTP/1.1 20 OK\r\n\r\n"), false, &head, &why), -400);
	assert_int_equal(http_parse_response(sv_of("HTTP/1.1 099 OK\r\n\r\n"), false, &head, &why), -400);
}

/* Decodes `text` fed in pieces of `step`; returns the end state, the payload in out. */
static int dechunk(const char *text, size_t step, struct strbuf *out)
{
	struct http_chunked c = { 0 };
	size_t n = strlen(text), at = 0;
	int r = 1;

	sb_reset(out);
	while (at < n && r == 1) {
		size_t eaten;
		struct sv data;
		r = http_chunked_next(&c, sv_n(text + at, MIN(step, n - at)), &eaten, &data);
		if (r < 0)
			return r;
		sb_addsv(out, data);
		at += eaten;
	}
	return r;
}

static void chunks_are_joined_in_any_pieces(void **state)
{
	const char *s = "5\r\nhello\r\n01;ext=\"v\"\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
	cleanup_strbuf struct strbuf out = { 0 };

	(void)state;
	for (size_t step = 1; step <= strlen(s); step++) {
		assert_int_equal(dechunk(s, step, &out), 0);
		assert_string_equal(sb_str(&out), "hello 0123456789");
	}
}

static void malformed_chunks_are_refused(void **state)
{
	static const char *const bad[] = {
		"\r\n",
		"g\r\n",
		"-1\r\n",
		"5\n",
		"5\r\nhello\n",
		"5\r\nhelloX\r\n",
		"1234567890123456\r\n",
		"0\r\n folded\r\n\r\n",
		"0\r\n\rX",
		"5;\x01\r\n",
		"+5\r\n",
		"0x5\r\n",
	};
	cleanup_strbuf struct strbuf out = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (dechunk(bad[i], 64, &out) != -400)
			fail_msg("chunk case %zu was taken", i);
}

static void queries_are_decoded(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	struct http_param *q;
	size_t n;

	(void)state;
	assert_int_equal(http_parse_query(a, sv_of("a=1&b=x%20y+z&c&a=%7B%22k%22%3A1%7D&"), &q, &n), 0);
	assert_int_equal(n, 4);
	assert_string_equal(q[1].value, "x y z");
	assert_string_equal(q[2].name, "c");
	assert_string_equal(q[2].value, "");
	assert_string_equal(q[3].value, "{\"k\":1}");
	assert_int_equal(http_parse_query(a, sv_of("a=%"), &q, &n), -1);
	assert_int_equal(http_parse_query(a, sv_of("a=%4"), &q, &n), -1);
	assert_int_equal(http_parse_query(a, sv_of("a=%zz"), &q, &n), -1);
	assert_int_equal(http_parse_query(a, sv_of("a=%00"), &q, &n), -1);
	assert_int_equal(http_parse_query(a, sv_of(""), &q, &n), 0);
	assert_int_equal(n, 0);
	assert_string_equal(http_unescape(a, sv_of("/a+b%2Fc"), false), "/a+b/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_apart),
		cmocka_unit_test(every_prefix_of_a_request_wants_more),
		cmocka_unit_test(malformed_requests_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(old_clients_close_by_default),
		cmocka_unit_test(responses_frame_their_bodies),
		cmocka_unit_test(chunks_are_joined_in_any_pieces),
		cmocka_unit_test(malformed_chunks_are_refused),
		cmocka_unit_test(queries_are_decoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
