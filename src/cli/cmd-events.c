/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

#include "base/clock.h"
#include "cli/format.h"

#include <time.h>

static const char *stamp(struct cli *c, int64_t ns)
{
	time_t t = (time_t)(ns / NS_PER_SEC);
	struct tm tm;
	char date[64];

	if (!localtime_r(&t, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return "";
	if (tm.tm_gmtoff == 0)
		return arena_printf(c->a, "%s.%09lldZ", date, (long long)(ns % NS_PER_SEC));
	long off = tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff;
	return arena_printf(c->a, "%s.%09lld%c%02ld:%02ld", date, (long long)(ns % NS_PER_SEC),
			    tm.tm_gmtoff < 0 ? '-' : '+', off / 3600, off / 60 % 60);
}

static int by_key(const void *x, const void *y)
{
	const struct json *const *a = x, *const *b = y;

	return strcmp((*a)->key.p, (*b)->key.p);
}

static void print_event(struct cli *c, const struct json *j)
{
	const struct json *attrs = json_path(j, "Actor.Attributes");
	int64_t ns = num_of(json_get(j, "timeNano"));
	cleanup_strbuf struct strbuf b = { 0 };

	if (!ns)
		ns = num_of(json_get(j, "time")) * NS_PER_SEC;
	sb_addf(&b, "%s %s %s %s", stamp(c, ns), str_of(json_get(j, "Type")), str_of(json_get(j, "Action")),
		str_of(json_path(j, "Actor.ID")));
	if (json_is(attrs, JSON_OBJECT) && attrs->n) {
		cleanup_free const struct json **v = xcalloc(attrs->n, sizeof(*v));
		size_t n = 0;

		json_for_each (it, attrs)
			v[n++] = it;
		qsort((void *)v, n, sizeof(*v), by_key);
		sb_add(&b, " (");
		for (size_t i = 0; i < n; i++)
			sb_addf(&b, "%s%s=%s", i ? ", " : "", v[i]->key.p, str_of(v[i]));
		sb_addc(&b, ')');
	}
	sb_addc(&b, '\n');
	cli_out(b.p, b.n);
}

/* Templates may ask .ID, .Status, .From, .Time besides the members' own names. */
static const struct json *with_names(struct arena *a, const struct json *j)
{
	struct json *copy = ARENA_NEW(a, struct json), **end = &copy->first;
	static const char *const more[][2] = {
		{ "id", "ID" },     { "status", "Status" },     { "from", "From" },
		{ "time", "Time" }, { "timeNano", "TimeNano" }, { "scope", "Scope" }
	};

	*copy = *j;
	json_for_each (it, j) {
		*end = ARENA_NEW(a, struct json);
		**end = *it;
		end = &(*end)->next;
	}
	*end = NULL;
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		const struct json *found = json_get(j, more[i][0]);
		if (!found)
			continue;
		*end = ARENA_NEW(a, struct json);
		**end = *found;
		(*end)->key = sv_of(more[i][1]);
		end = &(*end)->next;
		*end = NULL;
		copy->n++;
	}
	return copy;
}

static int show(struct cli *c, const char *format, const struct template *t, const struct json *j,
		struct err **e)
{
	if (strcmp(format, "json") == 0) {
		cli_out(j->raw.p, j->raw.n);
		cli_out("\n", 1);
	} else if (t) {
		cleanup_strbuf struct strbuf b = { 0 };

		if (template_execute(t, with_names(c->a, j), true, &b, e) < 0)
			return -1;
		sb_addc(&b, '\n');
		cli_out(b.p, b.n);
	} else {
		print_event(c, j);
	}
	(void)fflush(stdout);
	return 0;
}

static const char *time_arg(struct cli *c, const char *name, const char *path, struct err **e)
{
	const char *given = flag_str(&c->f, name);
	int64_t ns;

	if (!*given)
		return path;
	if (clock_parse_docker(sv_of(given), clock_now_ns(), &ns) < 0) {
		(void)err_set(e, ERR_INVALID, "failed to parse value as time or duration: \"%s\"", given);
		return NULL;
	}
	return client_query(c->a, path, name,
			    arena_printf(c->a, "%lld.%09lld", (long long)(ns / NS_PER_SEC),
					 (long long)(ns % NS_PER_SEC)));
}

static int events(struct cli *c, struct err **e)
{
	const struct model_str_list *filter = flag_list(&c->f, "filter");
	const char *format = flag_str(&c->f, "format"), *path = "/events";
	struct client *cl = cli_client(c, e);
	cleanup_strbuf struct strbuf in = { 0 };
	struct template *t = NULL;

	if (!cl)
		return -1;
	if (*format && strcmp(format, "json") != 0 && template_parse(c->a, sv_of(format), &t, e) < 0)
		return err_wrap(e, "Error parsing format");
	if (filter->n) {
		const char *f = cli_filters(c, filter, e);
		if (!f)
			return -1;
		path = client_query(c->a, path, "filters", f);
	}
	path = time_arg(c, "since", path, e);
	path = path ? time_arg(c, "until", path, e) : NULL;
	if (!path)
		return -1;
	cleanup_http_reply struct http_reply *r =
		client_send(cl, &(struct client_call){ .method = "GET", .path = path }, e);
	if (!r)
		return -1;
	for (;;) {
		struct sv chunk = { 0 };
		int n = http_reply_next(r, &chunk);
		size_t used = 0;

		if (n < 0 || chunk.n == 0)
			return n < 0 ? err_sys(e, -n, "read the engine's reply") : 0;
		sb_addsv(&in, chunk);
		for (char *nl; used < in.n && (nl = memchr(in.p + used, '\n', in.n - used));) {
			struct sv text = sv_sub(sb_sv(&in), used, (size_t)(nl - in.p));
			cleanup_arena struct arena *a = arena_new();
			struct arena *outer = c->a;
			const struct json *j = NULL;
			int bad;

			used += text.n + 1;
			if (sv_trim(text).n == 0)
				continue;
			/* an endless stream must not grow: what one event allocates goes with it */
			c->a = a;
			bad = json_parse(a, sv_trim(text), &(struct json_limits){ .last_key_wins = true }, &j,
					 e);
			if (bad == 0)
				bad = show(c, format, t, j, e);
			c->a = outer;
			if (bad < 0)
				return -1;
		}
		memmove(in.p, in.p + used, in.n - used);
		in.n -= used;
		if (in.n > ((size_t)4 << 20))
			return err_set(e, ERR_INVALID, "a message of the engine's is too long");
	}
}

static const struct flag flags[] = {
	{ "filter", FLAG_FILTER, 'f', .help = "Filter output based on conditions provided" },
	{ "format", FLAG_STRING, .help = FORMAT_HELP },
	{ "since", FLAG_STRING, .help = "Show all events created since timestamp" },
	{ "until", FLAG_STRING, .help = "Stream events until this timestamp" },
};

const struct command cmd_events = {
	.name = "events",
	.group = "system",
	.top = "events",
	.usage = "[OPTIONS]",
	.about = "Get real time events from the server",
	FLAGS(flags),
	.run = events,
};
