/* SPDX-License-Identifier: Apache-2.0 */
#include "store/changes.h"

#include "base/clock.h"
#include "model/ports.h"
#include "model/signals.h"

#include <stdio.h>

/* --- words --- */

static const char *env_get(const struct oci_image_config *c, struct sv name)
{
	for (size_t i = 0; i < c->env.n; i++) {
		struct sv k, v;
		(void)sv_cut(sv_of(c->env.v[i]), '=', &k, &v);
		if (sv_eq(k, name))
			return v.p;
	}
	return "";
}

static bool is_name(char ch, bool first)
{
	return ch == '_' || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
	       (!first && ch >= '0' && ch <= '9');
}

/* $NAME and ${NAME} at s[*i]; *i moves past it. */
static void expand(const struct oci_image_config *c, struct sv s, size_t *i, struct strbuf *out)
{
	size_t from = *i + 1, to;
	bool braces = from < s.n && s.p[from] == '{';
	from += braces;
	for (to = from; to < s.n && is_name(s.p[to], to == from); to++)
		;
	if (to == from || (braces && (to == s.n || s.p[to] != '}'))) {
		sb_addc(out, s.p[(*i)++]);
		return;
	}
	sb_add(out, env_get(c, sv_sub(s, from, to)));
	*i = to + braces;
}

/* The next word: quotes and backslashes undone, variables put in. False at the end. A quote that does not end is an
 * error, told by *bad. */
static bool next_word(const struct oci_image_config *c, struct sv *rest, struct strbuf *out, bool *bad)
{
	struct sv s = sv_trim(*rest);
	size_t i = 0;
	char quote = 0;
	sb_reset(out);
	if (!s.n) {
		*rest = s;
		return false;
	}
	while (i < s.n) {
		char ch = s.p[i];
		if (!quote && (ch == ' ' || ch == '\t'))
			break;
		if (quote ? ch == quote : ch == '"' || ch == '\'') {
			quote = quote ? 0 : ch;
			i++;
		} else if (ch == '\\' && quote != '\'' && i + 1 < s.n) {
			if (quote && s.p[i + 1] != '"' && s.p[i + 1] != '\\' && s.p[i + 1] != '$')
				sb_addc(out, ch);
			sb_addc(out, s.p[i + 1]);
			i += 2;
		} else if (ch == '$' && quote != '\'') {
			expand(c, s, &i, out);
		} else {
			sb_addc(out, ch);
			i++;
		}
	}
	*bad |= quote != 0;
	*rest = sv_sub(s, i, s.n);
	return true;
}

/* ["a","b"]: 1 and the list; 0 when it is no JSON array of strings. */
static int json_words(struct arena *a, struct sv s, struct model_str_list *out)
{
	const struct json *j;
	if (!s.n || s.p[0] != '[' ||
	    json_parse(a, sv_n(arena_strndup(a, s.p, s.n), s.n), NULL, &j, NULL) < 0 ||
	    !json_is(j, JSON_ARRAY))
		return 0;
	struct model_str_list l = { 0 };
	model_strs_empty(a, &l);
	json_for_each (it, j) {
		if (!json_str(it))
			return 0;
		model_strs_add(a, &l, arena_strdup(a, json_str(it)));
	}
	*out = l;
	return 1;
}

/* --- instructions --- */

struct change {
	struct arena *a;
	struct oci_image_config *c;
	const char *name;
	struct sv args;
};

static int need_args(const struct change *ch, struct err **e)
{
	return err_set(e, ERR_INVALID, "%s requires at least one argument", ch->name);
}

static void command_line(struct change *ch, struct sv s, struct model_str_list *out)
{
	if (json_words(ch->a, s, out))
		return;
	struct model_str_list l = { 0 };
	if (ch->c->shell.n) {
		for (size_t i = 0; i < ch->c->shell.n; i++)
			model_strs_add(ch->a, &l, ch->c->shell.v[i]);
	} else {
		model_strs_add(ch->a, &l, "/bin/sh");
		model_strs_add(ch->a, &l, "-c");
	}
	model_strs_add(ch->a, &l, arena_strndup(ch->a, s.p, s.n));
	*out = l;
}

static int change_cmd(struct change *ch, struct err **e)
{
	(void)e;
	command_line(ch, ch->args, &ch->c->cmd);
	return 0;
}

static int change_entrypoint(struct change *ch, struct err **e)
{
	(void)e;
	command_line(ch, ch->args, &ch->c->entrypoint);
	return 0;
}

static void env_put(struct change *ch, const char *key, const char *value)
{
	char *line = arena_printf(ch->a, "%s=%s", key, value);
	for (size_t i = 0; i < ch->c->env.n; i++)
		if (str_starts(ch->c->env.v[i], key) && ch->c->env.v[i][strlen(key)] == '=') {
			ch->c->env.v[i] = line;
			return;
		}
	model_strs_add(ch->a, &ch->c->env, line);
}

/* "k=v k2=v2", or the old "k the rest". */
static int pairs(struct change *ch, void (*put)(struct change *, const char *, const char *), struct err **e)
{
	cleanup_strbuf struct strbuf word = { 0 };
	struct sv rest = ch->args;
	bool bad = false;
	size_t n = 0;
	while (next_word(ch->c, &rest, &word, &bad)) {
		struct sv k, v;
		if (bad)
			return err_set(e, ERR_INVALID,
				       "unexpected end of statement while looking for matching quote");
		if (!sv_cut(sb_sv(&word), '=', &k, &v)) {
			if (n)
				return err_set(e, ERR_INVALID,
					       "Syntax error - can't find = in \"%s\". Must be of the form: "
					       "name=value",
					       sb_str(&word));
			rest = sv_trim(rest);
			if (!rest.n)
				return err_set(e, ERR_INVALID, "%s must have two arguments", ch->name);
			cleanup_free char *key = sv_dup(k);
			cleanup_free char *value = sv_dup(rest);
			put(ch, key, value);
			return 0;
		}
		if (!k.n)
			return err_set(e, ERR_INVALID, "%s names can not be blank", ch->name);
		cleanup_free char *key = sv_dup(k);
		cleanup_free char *value = sv_dup(v);
		put(ch, key, value);
		n++;
	}
	return 0;
}

static int change_env(struct change *ch, struct err **e)
{
	return pairs(ch, env_put, e);
}

static void label_put(struct change *ch, const char *key, const char *value)
{
	model_map_put(ch->a, &ch->c->labels, arena_strdup(ch->a, key), arena_strdup(ch->a, value));
}

static int change_label(struct change *ch, struct err **e)
{
	return pairs(ch, label_put, e);
}

static int change_expose(struct change *ch, struct err **e)
{
	cleanup_strbuf struct strbuf word = { 0 };
	struct sv rest = ch->args;
	bool bad = false;
	while (next_word(ch->c, &rest, &word, &bad))
		if (ports_expose(ch->a, sb_sv(&word), &ch->c->exposed_ports, e) < 0)
			return -1;
	return bad ? err_set(e, ERR_INVALID, "unexpected end of statement while looking for matching quote")
		   : 0;
}

static int one_word(struct change *ch, const char **out, struct err **e)
{
	cleanup_strbuf struct strbuf word = { 0 }, more = { 0 };
	struct sv rest = ch->args;
	bool bad = false;
	(void)next_word(ch->c, &rest, &word, &bad);
	if (bad || next_word(ch->c, &rest, &more, &bad))
		return err_set(e, ERR_INVALID, "%s requires exactly one argument", ch->name);
	*out = arena_strdup(ch->a, sb_str(&word));
	return 0;
}

static int change_user(struct change *ch, struct err **e)
{
	return one_word(ch, &ch->c->user, e);
}

static int change_stopsignal(struct change *ch, struct err **e)
{
	const char *s;
	int sig;
	if (one_word(ch, &s, e) < 0 || signal_check(sv_of(s), &sig, e) < 0)
		return -1;
	ch->c->stop_signal = s;
	return 0;
}

static int change_workdir(struct change *ch, struct err **e)
{
	cleanup_strbuf struct strbuf out = { 0 };
	const char *path;
	if (one_word(ch, &path, e) < 0)
		return -1;
	cleanup_free char *full =
		path[0] == '/' ? xstrdup(path)
			       : xasprintf("%s/%s", ch->c->working_dir ? ch->c->working_dir : "", path);
	/* As Go's path.Clean of an absolute path does. */
	for (struct sv rest = sv_of(full), part; rest.n;) {
		(void)sv_cut(rest, '/', &part, &rest);
		if (!part.n || sv_eqs(part, "."))
			continue;
		if (sv_eqs(part, "..")) {
			ssize_t cut = sv_rfind(sb_sv(&out), '/');
			out.n = cut < 0 ? 0 : (size_t)cut;
			continue;
		}
		sb_addc(&out, '/');
		sb_addsv(&out, part);
	}
	ch->c->working_dir = out.n ? arena_strndup(ch->a, out.p, out.n) : "/";
	return 0;
}

static int change_volume(struct change *ch, struct err **e)
{
	struct model_str_list l = { 0 };
	if (!json_words(ch->a, ch->args, &l)) {
		cleanup_strbuf struct strbuf word = { 0 };
		struct sv rest = ch->args;
		bool bad = false;
		while (next_word(ch->c, &rest, &word, &bad))
			model_strs_add(ch->a, &l, arena_strdup(ch->a, sb_str(&word)));
	}
	for (size_t i = 0; i < l.n; i++) {
		if (!*l.v[i])
			return err_set(e, ERR_INVALID, "VOLUME specified can not be an empty string");
		if (!model_strs_has(&ch->c->volumes, l.v[i]))
			model_strs_add(ch->a, &ch->c->volumes, l.v[i]);
	}
	return 0;
}

static int change_onbuild(struct change *ch, struct err **e)
{
	struct sv word, rest;
	(void)sv_cut(ch->args, ' ', &word, &rest);
	if (sv_ieqs(word, "ONBUILD"))
		return err_set(e, ERR_INVALID, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	if (sv_ieqs(word, "FROM") || sv_ieqs(word, "MAINTAINER"))
		return err_set(e, ERR_INVALID, "%.*s isn't allowed as an ONBUILD trigger", (int)word.n,
			       word.p);
	model_strs_add(ch->a, &ch->c->on_build, arena_strndup(ch->a, ch->args.p, ch->args.n));
	return 0;
}

static int health_flag(struct oci_health_config *h, struct sv word, struct err **e)
{
	static const struct {
		const char *name;
		size_t at;
	} flags[] = { { "--interval", offsetof(struct oci_health_config, interval) },
		      { "--timeout", offsetof(struct oci_health_config, timeout) },
		      { "--start-period", offsetof(struct oci_health_config, start_period) },
		      { "--start-interval", offsetof(struct oci_health_config, start_interval) } };
	struct sv k, v;
	(void)sv_cut(word, '=', &k, &v);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		int64_t ns;
		if (!sv_eqs(k, flags[i].name))
			continue;
		if (clock_parse_duration(v, &ns) < 0)
			return err_set(e, ERR_INVALID, "invalid duration \"%.*s\"", (int)v.n, v.p);
		if (ns != 0 && ns < NS_PER_MS)
			return err_set(e, ERR_INVALID, "Interval \"%s\" cannot be less than 1ms",
				       flags[i].name + 2);
		*(int64_t *)(void *)((char *)h + flags[i].at) = ns;
		return 0;
	}
	if (sv_eqs(k, "--retries"))
		return parse_i64(v, 0, INT32_MAX, &h->retries) < 0
			       ? err_set(e, ERR_INVALID, "--retries must be at least 0 (not %.*s)", (int)v.n,
					 v.p)
			       : 0;
	return err_set(e, ERR_INVALID, "Unknown flag: %.*s", (int)k.n, k.p);
}

static int change_healthcheck(struct change *ch, struct err **e)
{
	struct oci_health_config *h = ARENA_NEW(ch->a, struct oci_health_config);
	struct sv rest = sv_trim(ch->args), word;
	while (sv_starts(rest, SV("--"))) {
		(void)sv_cut(rest, ' ', &word, &rest);
		if (health_flag(h, word, e) < 0)
			return -1;
		rest = sv_trim(rest);
	}
	(void)sv_cut(rest, ' ', &word, &rest);
	rest = sv_trim(rest);
	if (sv_ieqs(word, "NONE")) {
		if (rest.n)
			return err_set(e, ERR_INVALID, "HEALTHCHECK NONE takes no arguments");
		model_strs_add(ch->a, &h->test, "NONE");
	} else if (sv_ieqs(word, "CMD")) {
		struct model_str_list l = { 0 };
		if (!rest.n)
			return err_set(e, ERR_INVALID, "Missing command after HEALTHCHECK CMD");
		if (json_words(ch->a, rest, &l)) {
			model_strs_add(ch->a, &h->test, "CMD");
			for (size_t i = 0; i < l.n; i++)
				model_strs_add(ch->a, &h->test, l.v[i]);
		} else {
			model_strs_add(ch->a, &h->test, "CMD-SHELL");
			model_strs_add(ch->a, &h->test, arena_strndup(ch->a, rest.p, rest.n));
		}
	} else {
		return err_set(e, ERR_INVALID, "Unknown type \"%.*s\" in HEALTHCHECK (try CMD)", (int)word.n,
			       word.p);
	}
	ch->c->healthcheck = h;
	return 0;
}

int image_config_change(struct arena *a, struct oci_image_config *c, const char *line, struct err **e)
{
	static const struct {
		const char *name;
		int (*apply)(struct change *ch, struct err **e);
	} table[] = {
		{ "CMD", change_cmd },
		{ "ENTRYPOINT", change_entrypoint },
		{ "ENV", change_env },
		{ "EXPOSE", change_expose },
		{ "HEALTHCHECK", change_healthcheck },
		{ "LABEL", change_label },
		{ "ONBUILD", change_onbuild },
		{ "STOPSIGNAL", change_stopsignal },
		{ "USER", change_user },
		{ "VOLUME", change_volume },
		{ "WORKDIR", change_workdir },
	};
	struct sv all = sv_trim(sv_of(line)), word, rest;
	if (all.n > CHANGE_MAX)
		return err_set(e, ERR_INVALID, "change of more than %zu bytes", CHANGE_MAX);
	(void)sv_cut(all, ' ', &word, &rest);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (!sv_ieqs(word, table[i].name))
			continue;
		struct change ch = { .a = a, .c = c, .name = table[i].name, .args = sv_trim(rest) };
		if (!ch.args.n)
			return need_args(&ch, e);
		return table[i].apply(&ch, e);
	}
	return err_set(e, ERR_INVALID, "%.*s is not a valid change command", (int)MIN(word.n, (size_t)40),
		       word.p);
}
