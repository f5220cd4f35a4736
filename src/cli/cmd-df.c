/* SPDX-License-Identifier: Apache-2.0 */
/* system df. */
#include "cli/commands.h"

#include "cli/format.h"
#include "model/size.h"

static const struct column columns[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" },        { "Active", "ACTIVE" },
	{ "Size", "SIZE" }, { "Reclaimable", "RECLAIMABLE" },
};

struct sum {
	const char *type;
	size_t total, active;
	int64_t size, reclaimable;
	bool with_percent;
};

static int add_row(struct cli *c, struct format *f, const struct sum *s, struct err **e)
{
	const char *text = arena_strdup(c->a, size_human((double)s->reclaimable).s);

	if (s->with_percent && s->size > 0)
		text = arena_printf(c->a, "%s (%lld%%)", text, (long long)(s->reclaimable * 100 / s->size));
	row_begin(f);
	row_add(f, "Type", s->type);
	row_add(f, "TotalCount", arena_printf(c->a, "%zu", s->total));
	row_add(f, "Active", arena_printf(c->a, "%zu", s->active));
	row_add(f, "Size", arena_strdup(c->a, size_human((double)s->size).s));
	row_add(f, "Reclaimable", text);
	return row_end(f, e);
}

static struct sum sum_images(const struct json *j)
{
	struct sum s = { .type = "Images", .size = num_of(json_get(j, "LayersSize")), .with_percent = true };
	int64_t used = 0;

	json_for_each (it, json_get(j, "Images")) {
		int64_t size = num_of(json_get(it, "Size")), shared = num_of(json_get(it, "SharedSize"));

		s.total++;
		if (num_of(json_get(it, "Containers")) > 0) {
			s.active++;
			if (size >= 0 && shared >= 0)
				used += size - shared;
		}
	}
	s.reclaimable = s.size > used ? s.size - used : 0;
	return s;
}

static bool is_active(const struct json *j)
{
	const char *state = str_of(json_get(j, "State"));

	return strstr(state, "running") || strstr(state, "paused") || strstr(state, "restarting");
}

static struct sum sum_containers(const struct json *j)
{
	struct sum s = { .type = "Containers", .with_percent = true };

	json_for_each (it, json_get(j, "Containers")) {
		int64_t size = num_of(json_get(it, "SizeRw"));

		s.total++;
		s.size += size;
		if (is_active(it))
			s.active++;
		else
			s.reclaimable += size;
	}
	return s;
}

static struct sum sum_volumes(const struct json *j)
{
	struct sum s = { .type = "Local Volumes", .with_percent = true };

	json_for_each (it, json_get(j, "Volumes")) {
		int64_t size = num_of(json_path(it, "UsageData.Size")),
			refs = num_of(json_path(it, "UsageData.RefCount"));

		s.total++;
		if (refs > 0)
			s.active++;
		if (size > 0) {
			s.size += size;
			if (refs == 0)
				s.reclaimable += size;
		}
	}
	return s;
}

static struct sum sum_cache(const struct json *j)
{
	struct sum s = { .type = "Build Cache" };

	json_for_each (it, json_get(j, "BuildCache")) {
		int64_t size = json_bool(json_get(it, "Shared")) ? 0 : num_of(json_get(it, "Size"));

		s.total++;
		s.size += size;
		if (json_bool(json_get(it, "InUse")))
			s.active++;
		else
			s.reclaimable += size;
	}
	return s;
}

/* --- -v --- */

static void add_line(struct strbuf *b, const char *const *cells, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sb_addf(b, "%s%s", i ? "\t" : "", cells[i]);
	sb_addc(b, '\n');
}

static void flush_table(struct strbuf *b)
{
	cleanup_strbuf struct strbuf out = { 0 };

	table_align(sb_sv(b), 10, 3, &out);
	cli_out(sb_str(&out), out.n);
	sb_reset(b);
}

#define LINE(b, ...)                                                                                         \
	add_line((b), (const char *const[]){ __VA_ARGS__ },                                                  \
		 sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *))

static void images_verbose(struct cli *c, const struct json *j, struct strbuf *b)
{
	LINE(b, "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE",
	     "CONTAINERS");
	json_for_each (it, json_get(j, "Images")) {
		const char *ref = json_str(json_at(json_get(it, "RepoTags"), 0)), *repo = "<none>",
			   *tag = "<none>";
		const char *colon = ref ? strrchr(ref, ':') : NULL;
		int64_t size = num_of(json_get(it, "Size")), shared = num_of(json_get(it, "SharedSize"));

		if (colon && !str_starts(ref, "<none>")) {
			repo = arena_strndup(c->a, ref, (size_t)(colon - ref));
			tag = colon + 1;
		}
		LINE(b, repo, tag, cell_trunc_id(c, str_of(json_get(it, "Id"))),
		     cell_ago(c, num_of(json_get(it, "Created"))), size_human_prec((double)size, 3).s,
		     shared < 0 ? "N/A" : size_human((double)shared).s,
		     shared < 0 ? "N/A" : size_human((double)(size - shared)).s,
		     arena_printf(c->a, "%lld", (long long)num_of(json_get(it, "Containers"))));
	}
}

static void containers_verbose(struct cli *c, const struct json *j, struct strbuf *b)
{
	LINE(b, "CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES");
	json_for_each (it, json_get(j, "Containers")) {
		const char *name = str_of(json_at(json_get(it, "Names"), 0));
		size_t volumes = 0;

		json_for_each (m, json_get(it, "Mounts"))
			volumes += strcmp(str_of(json_get(m, "Driver")), "local") == 0;
		LINE(b, cell_trunc_id(c, str_of(json_get(it, "Id"))), str_of(json_get(it, "Image")),
		     cell_quote(c, cell_ellipsis(c, str_of(json_get(it, "Command")), 20)),
		     arena_printf(c->a, "%zu", volumes),
		     size_human_prec((double)num_of(json_get(it, "SizeRw")), 3).s,
		     cell_ago(c, num_of(json_get(it, "Created"))), str_of(json_get(it, "Status")),
		     *name == '/' ? name + 1 : name);
	}
}

static void volumes_verbose(struct cli *c, const struct json *j, struct strbuf *b)
{
	LINE(b, "VOLUME NAME", "LINKS", "SIZE");
	json_for_each (it, json_get(j, "Volumes")) {
		int64_t size = num_of(json_path(it, "UsageData.Size"));
		LINE(b, str_of(json_get(it, "Name")),
		     arena_printf(c->a, "%lld", (long long)num_of(json_path(it, "UsageData.RefCount"))),
		     size < 0 ? "N/A" : size_human((double)size).s);
	}
}

static void verbose(struct cli *c, const struct json *j)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct sum cache = sum_cache(j);

	(void)printf("Images space usage:\n\n");
	images_verbose(c, j, &b);
	flush_table(&b);
	(void)printf("\nContainers space usage:\n\n");
	containers_verbose(c, j, &b);
	flush_table(&b);
	(void)printf("\nLocal Volumes space usage:\n\n");
	volumes_verbose(c, j, &b);
	flush_table(&b);
	(void)printf("\nBuild cache usage: %s\n\n", size_human((double)cache.size).s);
	LINE(&b, "CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED");
	flush_table(&b);
}

static int df(struct cli *c, struct err **e)
{
	const char *format = flag_str(&c->f, "format");
	const struct json *j = NULL;
	struct format f;

	if (flag_bool(&c->f, "verbose") && *format)
		return err_set(e, ERR_INVALID, "the verbose and the format options conflict");
	if (format_open(&f, c, format,
			"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}", columns,
			ARRAY_LEN(columns), e) < 0)
		return -1;
	if (cli_json(c, "GET", "/system/df", NULL, &j, e) < 0)
		return -1;
	if (flag_bool(&c->f, "verbose")) {
		verbose(c, j);
		format_release(&f);
		return 0;
	}
	struct sum rows[] = { sum_images(j), sum_containers(j), sum_volumes(j), sum_cache(j) };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (add_row(c, &f, &rows[i], e) < 0)
			return -1;
	return format_end(&f, e);
}

static const struct flag flags[] = {
	{ "format", FLAG_STRING, .help = FORMAT_HELP_TABLE },
	{ "verbose", FLAG_BOOL, 'v', .help = "Show detailed information on space usage" },
};

const struct command cmd_system_df = {
	.name = "df",
	.group = "system",
	.usage = "[OPTIONS]",
	.about = "Show docker disk usage",
	FLAGS(flags),
	.run = df,
};
