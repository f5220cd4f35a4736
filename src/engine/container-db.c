/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containers.db: what a container is (spec, JSON with a version) and what it does (plain columns). A commit survives
 * kill -9 of the engine; containers are not promised to survive power loss, so nothing is synced.
 */
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine-internal.h"
#include "store/db.h"

#define SPEC_VERSION 1

static const char *const migrations[] = {
	"CREATE TABLE container ("
	"  id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, spec TEXT NOT NULL,"
	"  state INTEGER NOT NULL, pid INTEGER NOT NULL, pid_start INTEGER NOT NULL, exit_code INTEGER NOT "
	"NULL,"
	"  oom INTEGER NOT NULL, was_started INTEGER NOT NULL, manual_stop INTEGER NOT NULL,"
	"  restarts INTEGER NOT NULL, started INTEGER NOT NULL, finished INTEGER NOT NULL, error TEXT, net "
	"TEXT"
	") WITHOUT ROWID;"
	"CREATE TABLE engine (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
};

int container_db_open(struct engine *en, struct err **e)
{
	cleanup_free char *path = xasprintf("%s/containers.db", cfg(en)->data_root);
	return db_open(path, 0, migrations, ARRAY_LEN(migrations), &en->db, e);
}

/* --- spec as JSON --- */

static void print_mount(struct jw *w, const struct container_mount *m)
{
	jw_obj(w);
	jw_kstr(w, "type", m->type);
	if (m->name)
		jw_kstr(w, "name", m->name);
	if (m->source)
		jw_kstr(w, "source", m->source);
	jw_kstr(w, "destination", m->destination);
	if (m->driver)
		jw_kstr(w, "driver", m->driver);
	if (!str_empty(m->mode))
		jw_kstr(w, "mode", m->mode);
	if (!str_empty(m->propagation))
		jw_kstr(w, "propagation", m->propagation);
	if (!str_empty(m->options))
		jw_kstr(w, "options", m->options);
	if (!str_empty(m->subpath))
		jw_kstr(w, "subpath", m->subpath);
	const struct {
		const char *key;
		bool v;
	} flags[] = {
		{ "ro", m->read_only },
		{ "nocopy", m->no_copy },
		{ "nonrec", m->non_recursive },
		{ "ro_nonrec", m->ro_non_recursive },
		{ "ro_force", m->ro_force_recursive },
		{ "anon", m->is_anonymous },
		{ "typed", m->from_mounts },
		{ "mksource", m->create_source },
	};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].v)
			jw_kbool(w, flags[i].key, true);
	jw_end(w);
}

static void parse_mount(const struct json *j, struct container_mount *m)
{
	m->type = json_str(json_get(j, "type"));
	m->name = json_str(json_get(j, "name"));
	m->source = json_str(json_get(j, "source"));
	m->destination = json_str(json_get(j, "destination"));
	m->driver = json_str(json_get(j, "driver"));
	m->mode = json_str(json_get(j, "mode"));
	m->propagation = json_str(json_get(j, "propagation"));
	m->options = json_str(json_get(j, "options"));
	m->subpath = json_str(json_get(j, "subpath"));
	m->read_only = json_bool(json_get(j, "ro"));
	m->no_copy = json_bool(json_get(j, "nocopy"));
	m->non_recursive = json_bool(json_get(j, "nonrec"));
	m->ro_non_recursive = json_bool(json_get(j, "ro_nonrec"));
	m->ro_force_recursive = json_bool(json_get(j, "ro_force"));
	m->is_anonymous = json_bool(json_get(j, "anon"));
	m->from_mounts = json_bool(json_get(j, "typed"));
	m->create_source = json_bool(json_get(j, "mksource"));
}

void container_spec_print(const struct container_spec *s, struct strbuf *b)
{
	struct jw w = jw_to(b);
	jw_obj(&w);
	jw_ki64(&w, "v", SPEC_VERSION);
	jw_kstr(&w, "name", s->name);
	jw_kstr(&w, "image_ref", s->image_ref);
	jw_kstr(&w, "image_id", s->image_id);
	jw_kstr(&w, "path", s->path);
	jw_karr(&w, "args");
	for (size_t i = 0; i < s->n_args; i++)
		jw_str(&w, s->args[i]);
	jw_end(&w);
	jw_key(&w, "config");
	api_container_config_encode(&w, s->config);
	jw_key(&w, "host");
	api_host_config_encode(&w, s->host);
	if (s->networking) {
		jw_key(&w, "networking");
		api_networking_config_encode(&w, s->networking);
	}
	jw_karr(&w, "mounts");
	for (size_t i = 0; i < s->n_mounts; i++)
		print_mount(&w, &s->mounts[i]);
	jw_end(&w);
	jw_end(&w);
}

struct container_spec *container_spec_parse(struct sv text, struct err **e)
{
	cleanup_arena struct arena *a = arena_new();
	struct container_spec *s = ARENA_NEW(a, struct container_spec);
	const struct json *j;
	int64_t v = 0;
	/* The tree points into the text. */
	if (json_parse(a, sv_n(arena_strndup(a, text.p, text.n), text.n), NULL, &j, e) < 0)
		return NULL;
	if (json_i64(json_get(j, "v"), &v) < 0 || v != SPEC_VERSION) {
		(void)err_set(e, ERR_DATA_LOSS, "container record of unknown version %lld", (long long)v);
		return NULL;
	}
	s->refs = 1;
	s->name = json_str(json_get(j, "name"));
	s->image_ref = json_str(json_get(j, "image_ref"));
	s->image_id = json_str(json_get(j, "image_id"));
	s->path = json_str(json_get(j, "path"));
	const struct json *args = json_get(j, "args");
	const char **argv = arena_alloc(a, sizeof(char *) * ((args ? args->n : 0) + 1));
	json_for_each (it, args)
		argv[s->n_args++] = json_str(it);
	s->args = argv;
	struct api_container_config *config;
	struct api_host_config *host;
	if (api_container_config_decode(a, json_get(j, "config"), &config, e) < 0 ||
	    api_host_config_decode(a, json_get(j, "host"), &host, e) < 0)
		return NULL;
	s->config = config;
	s->host = host;
	const struct json *networking = json_get(j, "networking");
	if (networking) {
		struct api_networking_config *n;
		if (api_networking_config_decode(a, networking, &n, e) < 0)
			return NULL;
		s->networking = n;
	}
	const struct json *mounts = json_get(j, "mounts");
	struct container_mount *m = arena_alloc(a, sizeof(*m) * ((mounts ? mounts->n : 0) + 1));
	json_for_each (it, mounts)
		parse_mount(it, &m[s->n_mounts++]);
	s->mounts = m;
	s->is_tty = config->tty;
	s->open_stdin = config->open_stdin;
	if (!s->name || !s->path || !s->image_id) {
		(void)err_set(e, ERR_DATA_LOSS, "container record is incomplete");
		return NULL;
	}
	s->arena = TAKE_PTR(a);
	return s;
}

struct container_spec *container_spec_clone(const struct container_spec *s)
{
	cleanup_strbuf struct strbuf b = { 0 };
	cleanup_err struct err *e = NULL;
	container_spec_print(s, &b);
	struct container_spec *copy = container_spec_parse(sb_sv(&b), &e);
	if (!copy) {
		log_error(log_kv("container", s->name), "cannot read back what was just written: %s",
			  err_text(e));
		abort();
	}
	return copy;
}

/* --- rows --- */

int container_db_insert(struct container *c, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	container_spec_print(c->spec, &b);
	return db_exec(c->en->db, e,
		       "INSERT INTO container VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)",
		       "ssisi", c->id, c->spec->name, c->created_ns, sb_str(&b), (int64_t)LIFE_CREATED) < 0
		       ? -1
		       : 0;
}

int container_db_update_spec(struct container *c, const struct container_spec *s, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	container_spec_print(s, &b);
	return db_exec(c->en->db, e, "UPDATE container SET name = ?, spec = ? WHERE id = ?", "sss", s->name,
		       sb_str(&b), c->id) < 0
		       ? -1
		       : 0;
}

int container_db_update_now(struct container *c, const struct container_now *n, struct err **e)
{
	return db_exec(c->en->db, e,
		       "UPDATE container SET state = ?, pid = ?, pid_start = ?, exit_code = ?, oom = ?, "
		       "was_started = ?,"
		       " manual_stop = ?, restarts = ?, started = ?, finished = ?, error = ?, net = ? WHERE "
		       "id = ?",
		       "iiiiiiiiiisss", (int64_t)n->state, (int64_t)n->pid, n->pid_start,
		       (int64_t)n->exit_code, (int64_t)n->oom_killed, (int64_t)n->was_started,
		       (int64_t)n->manual_stop, (int64_t)n->restart_count, n->started_ns, n->finished_ns,
		       n->error, life_is_running(n->state) ? c->net_text : NULL, c->id) < 0
		       ? -1
		       : 0;
}

int container_db_delete(struct engine *en, const char *id, struct err **e)
{
	return db_exec(en->db, e, "DELETE FROM container WHERE id = ?", "s", id) < 0 ? -1 : 0;
}

static struct container *load_row(struct engine *en, struct db_query *q)
{
	cleanup_err struct err *e = NULL;
	const char *id = db_col_str(q, 0);
	if (!id || !id_is_full(sv_of(id)))
		return NULL;
	struct container *c = container_new(en, id);
	c->created_ns = db_col_i64(q, 2);
	c->spec = container_spec_parse(sv_of(db_col_str(q, 3)), &e);
	if (!c->spec) {
		log_error(log_kv("container", id), "cannot load the container: %s", err_text(e));
		container_unref(c);
		return NULL;
	}
	int64_t state = db_col_i64(q, 4);
	c->now = (struct container_now){
		.state = state >= 0 && state < LIFE_COUNT ? (enum life)state : LIFE_DEAD,
		.pid = (pid_t)db_col_i64(q, 5),
		.pid_start = db_col_i64(q, 6),
		.exit_code = (int32_t)db_col_i64(q, 7),
		.oom_killed = db_col_i64(q, 8),
		.was_started = db_col_i64(q, 9),
		.manual_stop = db_col_i64(q, 10),
		.restart_count = (uint32_t)db_col_i64(q, 11),
		.started_ns = db_col_i64(q, 12),
		.finished_ns = db_col_i64(q, 13),
		.error = xstrdup_opt(db_col_str(q, 14)),
	};
	c->net_text = xstrdup_opt(db_col_str(q, 15));
	return c;
}

int container_db_load(struct engine *en, struct err **e)
{
	cleanup_query struct db_query q = { 0 };
	int r;
	if (db_query(en->db, &q, e,
		     "SELECT id, name, created, spec, state, pid, pid_start, exit_code, oom, was_started, "
		     "manual_stop,"
		     " restarts, started, finished, error, net FROM container",
		     "") < 0)
		return -1;
	while ((r = db_step(&q, e)) > 0) {
		cleanup_container struct container *c = load_row(en, &q);
		if (!c)
			continue;
		if (container_name_reserve(en, c, c->spec->name, NULL) < 0)
			log_error(log_kv("container", c->id), "its name '%s' is taken", c->spec->name);
		container_publish(c);
	}
	return r;
}
