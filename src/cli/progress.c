/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "base/mem.h"
#include "codec/json.h"

#define LINE_MAX_BYTES (1024 * 1024)

static int print_line(const struct json *j, bool quiet, FILE *to, struct err **e)
{
	const char *error = json_str(json_path(j, "errorDetail.message")),
		   *stream = json_str(json_get(j, "stream")), *status = json_str(json_get(j, "status")),
		   *id = json_str(json_get(j, "id")), *progress = json_str(json_get(j, "progress"));

	if (!error)
		error = json_str(json_get(j, "error"));
	if (error)
		return err_set(e, ERR_SYSTEM, "%s", error);
	if (stream)
		(void)fputs(stream, to);
	else if (status && !quiet && !progress)
		(void)fprintf(to, "%s%s%s\n", id ? id : "", id ? ": " : "", status);
	return 0;
}

int progress_print(struct http_reply *r, bool quiet, FILE *to, struct err **e)
{
	cleanup_http_reply struct http_reply *own = r;
	cleanup_strbuf struct strbuf buf = { 0 };

	for (;;) {
		struct sv piece;
		int n = http_reply_next(own, &piece);
		size_t done = 0;

		if (n < 0)
			return err_sys(e, -n, "read from the daemon");
		if (piece.n == 0)
			return 0;
		sb_addsv(&buf, piece);
		for (;;) {
			struct sv rest = sv_sub(sb_sv(&buf), done, buf.n);
			ssize_t nl = sv_find(rest, '\n');
			cleanup_arena struct arena *a = arena_new();
			const struct json *j = NULL;

			if (nl < 0)
				break;
			done += (size_t)nl + 1;
			rest = sv_trim(sv_sub(rest, 0, (size_t)nl));
			if (rest.n && json_parse(a, rest, NULL, &j, NULL) == 0 &&
			    print_line(j, quiet, to, e) < 0)
				return -1;
		}
		memmove(buf.p, buf.p + done, buf.n - done + 1);
		buf.n -= done;
		if (buf.n > LINE_MAX_BYTES)
			return err_set(e, ERR_INVALID, "a line of the daemon's reply is too long");
	}
}
