/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "cli/format.h"
#include "model/reference.h"
#include "model/size.h"

#include <unistd.h>

#define MAX_MESSAGE ((size_t)1 << 20)

struct screen {
	struct cli *c;
	FILE *out;
	bool is_tty, quiet;
	struct strlist ids; /* one line each, from the top */
	const char *last;
};

static void add_bar(const struct json *detail, struct strbuf *b)
{
	int64_t current = num_of(json_get(detail, "current")), total = num_of(json_get(detail, "total"));

	if (current <= 0 && total <= 0)
		return;
	if (total > 0 && current <= total) {
		int done = (int)(current * 50 / total);
		sb_addc(b, '[');
		for (int i = 0; i < 50; i++)
			sb_addc(b, i < done ? '=' : i == done ? '>' : ' ');
		sb_addf(b, "]  %s/%s", size_human_prec((double)current, 4).s,
			size_human_prec((double)total, 4).s);
	} else {
		sb_addf(b, "%8s", size_human_prec((double)current, 4).s);
	}
}

static void show_status(struct screen *s, const char *id, const char *status, const struct json *detail)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t line = 0;

	s->last = status;
	if (s->quiet)
		return;
	if (!s->is_tty) {
		/* without a terminal, only what is said once */
		if (json_is(detail, JSON_OBJECT) && detail->n)
			return;
		(void)fprintf(s->out, "%s%s%s\n", id ? id : "", id ? ": " : "", status);
		return;
	}
	add_bar(detail, &b);
	if (!id) {
		(void)fprintf(s->out, "%s %s\n", status, sb_str(&b));
		sb_reset(&b);
		strlist_release(&s->ids);
		return;
	}
	while (line < s->ids.n && strcmp(s->ids.v[line], id) != 0)
		line++;
	if (line == s->ids.n) {
		strlist_add(&s->ids, id);
		(void)fprintf(s->out, "\n");
	}
	size_t up = s->ids.n - line;
	(void)fprintf(s->out, "\033[%zuA\033[2K\r%s: %s %s\r\033[%zuB", up, id, status, sb_str(&b), up);
}

static int show_message(struct screen *s, const struct json *m, struct err **e)
{
	const char *error = json_str(json_path(m, "errorDetail.message")),
		   *stream = json_str(json_get(m, "stream"));
	const char *status = json_str(json_get(m, "status"));

	if (str_empty(error))
		error = json_str(json_get(m, "error"));
	if (!str_empty(error))
		return err_set(e, ERR_SYSTEM, "%s", error);
	if (stream && !s->quiet)
		(void)fprintf(s->out, "%s", stream);
	if (status)
		show_status(s, json_str(json_get(m, "id")), status, json_get(m, "progressDetail"));
	return 0;
}

int progress_show(struct cli *c, struct http_reply *r, FILE *out, bool quiet, const char **last_status,
		  struct err **e)
{
	struct screen s = { .c = c, .out = out, .is_tty = isatty(fileno(out)), .quiet = quiet };
	cleanup_strbuf struct strbuf in = { 0 };
	int result = 0;
	bool more = true;

	while (more && result == 0) {
		struct sv chunk = { 0 };
		int n = http_reply_next(r, &chunk);
		size_t used = 0;

		if (n < 0) {
			result = err_sys(e, -n, "read the engine's reply");
			break;
		}
		more = chunk.n > 0;
		sb_addsv(&in, chunk);
		for (const char *nl; result == 0 && used < in.n;) {
			nl = memchr(in.p + used, '\n', in.n - used);
			if (!nl && more)
				break;
			size_t end = nl ? (size_t)(nl - in.p) : in.n;
			struct sv line = sv_trim(sv_sub(sb_sv(&in), used, end));
			const struct json *m = NULL;

			used = nl ? end + 1 : in.n;
			if (line.n == 0)
				continue;
			char *kept = arena_strndup(c->a, line.p, line.n);
			result = json_parse(c->a, sv_n(kept, line.n),
					    &(struct json_limits){ .last_key_wins = true }, &m, e);
			if (result == 0)
				result = show_message(&s, m, e);
		}
		if (used) {
			memmove(in.p, in.p + used, in.n - used);
			in.n -= used;
		}
		if (in.n > MAX_MESSAGE)
			result = err_set(e, ERR_INVALID, "a message of the engine's is too long");
	}
	(void)fflush(out);
	if (last_status)
		*last_status = s.last;
	strlist_release(&s.ids);
	return result;
}

int image_pull(struct cli *c, const char *image, const char *platform, bool quiet, bool to_stderr,
	       struct err **e)
{
	struct reference ref;
	const char *path = "/images/create";
	struct client *cl = cli_client(c, e);

	if (!cl || reference_parse(c->a, sv_of(image), &ref, e) < 0)
		return -1;
	reference_default_tag(&ref);
	path = client_query(c->a, path, "fromImage", reference_name(c->a, &ref));
	path = client_query(c->a, path, "tag", ref.digest ? ref.digest : ref.tag);
	if (*platform)
		path = client_query(c->a, path, "platform", platform);
	cleanup_http_reply struct http_reply *r =
		client_send(cl, &(struct client_call){ .method = "POST", .path = path }, e);
	if (!r)
		return -1;
	return progress_show(c, r, to_stderr ? stderr : stdout, quiet, NULL, e);
}
