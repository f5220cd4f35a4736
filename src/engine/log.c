/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the json-file log that the monitor needs in plain numbers. */
#include "engine/engine-internal.h"
#include "model/size.h"

int log_size_parse(const char *v, uint64_t *out)
{
	int64_t n;
	if (parse_u64(sv_of(v), INT64_MAX, out) == 0)
		return 0;
	if (str_eq(v, "-1")) {
		*out = 0;
		return 0;
	}
	if (size_parse_ram(sv_of(v), &n, NULL) < 0 || n < 0)
		return -1;
	*out = (uint64_t)n;
	return 0;
}

static void add_env(struct jw *w, const struct container_spec *s, struct sv name)
{
	model_for_each(it, &s->config->env) if (!strncmp(*it, name.p, name.n) && (*it)[name.n] == '=')
	{
		jw_keysv(w, name);
		jw_str(w, *it + name.n + 1);
	}
}

char *log_attrs(const struct container *c, const struct container_spec *s)
{
	const char *labels = model_map_get(&s->host->log_config.config, "labels");
	const char *env = model_map_get(&s->host->log_config.config, "env");
	if (!labels)
		labels = engine_config_opt(&cfg(c->en)->log_opts, "labels");
	if (!env)
		env = engine_config_opt(&cfg(c->en)->log_opts, "env");
	if (!labels && !env)
		return NULL;
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	struct sv head, rest = sv_of(labels ? labels : "");
	jw_obj(&w);
	while (rest.n) {
		(void)sv_cut(rest, ',', &head, &rest);
		cleanup_free char *name = sv_dup(head);
		const char *v = model_map_get(&s->config->labels, name);
		if (v)
			jw_kstr(&w, name, v);
	}
	rest = sv_of(env ? env : "");
	while (rest.n) {
		(void)sv_cut(rest, ',', &head, &rest);
		add_env(&w, s, head);
	}
	jw_end(&w);
	return b.n > 2 ? sb_take(&b) : NULL;
}
