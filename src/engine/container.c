/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine-internal.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

/* --- life.h --- */

static const char *const words[LIFE_COUNT] = {
#define X(e, word, num) [e] = word,
	LIFE_STATES(X)
#undef X
};

#define B(s) (1u << (s))
static const unsigned may_follow[LIFE_COUNT] = {
	[LIFE_CREATING] = B(LIFE_CREATED) | B(LIFE_GONE),
	[LIFE_CREATED] = B(LIFE_STARTING) | B(LIFE_REMOVING),
	/* A failed start leaves "created" when it never ran, else "exited". */
	[LIFE_STARTING] = B(LIFE_RUNNING) | B(LIFE_CREATED) | B(LIFE_EXITED) | B(LIFE_RESTARTING),
	[LIFE_RUNNING] = B(LIFE_PAUSED) | B(LIFE_RESTARTING) | B(LIFE_EXITED),
	[LIFE_PAUSED] = B(LIFE_RUNNING) | B(LIFE_RESTARTING) | B(LIFE_EXITED),
	[LIFE_RESTARTING] = B(LIFE_STARTING) | B(LIFE_EXITED) | B(LIFE_REMOVING),
	[LIFE_EXITED] = B(LIFE_STARTING) | B(LIFE_REMOVING),
	[LIFE_REMOVING] = B(LIFE_GONE) | B(LIFE_DEAD),
	[LIFE_DEAD] = B(LIFE_REMOVING),
	[LIFE_GONE] = 0,
};
#undef B

const char *life_word(enum life s)
{
	return (unsigned)s < LIFE_COUNT ? words[s] : "unknown";
}

bool life_may(enum life from, enum life to)
{
	return (unsigned)from < LIFE_COUNT && (unsigned)to < LIFE_COUNT && (may_follow[from] & 1u << to);
}

/* --- counted things --- */

struct container_spec *container_spec_ref(struct container_spec *s)
{
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void container_spec_unref(struct container_spec *s)
{
	/* The spec itself lives in its arena. */
	if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		arena_free(s->arena);
}

struct container *container_new(struct engine *en, const char *id)
{
	struct container *c = NEW(struct container);
	c->refs = 1;
	c->en = en;
	memcpy(c->id, id, ID_LEN);
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_mutex_init(&c->spec_lock, NULL);
	(void)pthread_cond_init(&c->changed, NULL);
	list_init(&c->waiters);
	list_init(&c->pending);
	list_init(&c->execs);
	c->now.state = LIFE_CREATING;
	return c;
}

struct container *container_ref(struct container *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

static void container_free(struct container *c)
{
	assert(list_empty(&c->waiters));
	list_for_each_safe (it, &c->pending) {
		struct pending_attach *p = LIST_ENTRY(it, struct pending_attach, link);
		list_del(&p->link);
		fd_close(&p->fd);
		free(p);
	}
	container_spec_unref(c->spec);
	free(c->now.error);
	free(c->net_text);
	run_unref(c->last_run);
	free(c->log_path);
	free(c->cgroup_path);
	free(c->cgroup_prog);
	(void)pthread_cond_destroy(&c->changed);
	(void)pthread_mutex_destroy(&c->lock);
	(void)pthread_mutex_destroy(&c->spec_lock);
	free(c);
}

void container_unref(struct container *c)
{
	if (c && __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0)
		container_free(c);
}

struct run *run_ref(struct run *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

struct run *container_run_get(struct container *c)
{
	pthread_mutex_lock(&c->lock);
	struct run *r = c->run ? run_ref(c->run) : NULL;
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* --- the table --- */

int container_name_reserve(struct engine *en, struct container *c, const char *name, struct err **e)
{
	int r = 0;
	pthread_mutex_lock(&en->table_lock);
	struct container *other = map_get(&en->by_name, name);
	if (other == c)
		r = 0;
	else if (other)
		r = err_set(e, ERR_CONFLICT,
			    "Conflict. The container name \"/%s\" is already in use by container \"%s\". You "
			    "have to remove (or "
			    "rename) that container to be able to reuse that name.",
			    name, other->id);
	else
		(void)map_put(&en->by_name, name, c);
	pthread_mutex_unlock(&en->table_lock);
	return r;
}

void container_name_release(struct engine *en, struct container *c, const char *name)
{
	pthread_mutex_lock(&en->table_lock);
	if (map_get(&en->by_name, name) == c)
		(void)map_del(&en->by_name, name);
	pthread_mutex_unlock(&en->table_lock);
}

void container_publish(struct container *c)
{
	pthread_mutex_lock(&c->en->table_lock);
	(void)map_put(&c->en->by_id, c->id, container_ref(c));
	pthread_mutex_unlock(&c->en->table_lock);
}

void container_unpublish(struct container *c)
{
	struct engine *en = c->en;
	pthread_mutex_lock(&en->table_lock);
	struct container *was = map_del(&en->by_id, c->id);
	for (uint32_t i = 0; i < en->by_name.n;) {
		if (en->by_name.e[i].value == c)
			(void)map_del(&en->by_name, en->by_name.e[i].key);
		else
			i++;
	}
	pthread_mutex_unlock(&en->table_lock);
	container_unref(was);
}

bool container_id_taken(struct engine *en, const char *id)
{
	pthread_mutex_lock(&en->table_lock);
	bool has = map_has(&en->by_id, id);
	pthread_mutex_unlock(&en->table_lock);
	return has;
}

static bool is_hex(const char *s)
{
	for (; *s; s++)
		if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'f')))
			return false;
	return true;
}

/* Docker's order: full ID, full name, unique ID prefix. */
struct container *container_find(struct engine *en, const char *ref, struct err **e)
{
	struct container *c = NULL;
	const char *name = ref[0] == '/' ? ref + 1 : ref;
	size_t n = strlen(ref);
	bool many = false;
	if (!n) {
		(void)err_set(e, ERR_INVALID, "No container name or ID supplied");
		return NULL;
	}
	pthread_mutex_lock(&en->table_lock);
	c = map_get(&en->by_id, ref);
	if (!c) {
		c = map_get(&en->by_name, name);
		if (c && !map_has(&en->by_id, c->id))
			c = NULL; /* a name only reserved */
	}
	if (!c && n < ID_LEN && is_hex(ref)) {
		map_for_each (it, &en->by_id) {
			if (strncmp(it->key, ref, n) != 0)
				continue;
			if (c) {
				many = true;
				c = NULL;
				break;
			}
			c = it->value;
		}
	}
	if (c)
		container_ref(c);
	pthread_mutex_unlock(&en->table_lock);
	if (many)
		(void)err_set(e, ERR_INVALID, "multiple IDs found with provided prefix: %s", ref);
	else if (!c)
		(void)err_set(e, ERR_NOT_FOUND, "No such container: %s", ref);
	return c;
}

static int newer_first(const void *a, const void *b)
{
	const struct container *x = *(struct container *const *)a, *y = *(struct container *const *)b;
	return x->created_ns < y->created_ns ? 1 : x->created_ns > y->created_ns ? -1 : strcmp(x->id, y->id);
}

struct container **container_all(struct engine *en, size_t *n)
{
	pthread_mutex_lock(&en->table_lock);
	struct container **v = xcalloc(en->by_id.n + 1, sizeof(struct container *));
	*n = 0;
	map_for_each (it, &en->by_id)
		v[(*n)++] = container_ref(it->value);
	pthread_mutex_unlock(&en->table_lock);
	qsort(v, *n, sizeof(struct container *), newer_first);
	return v;
}

void container_list_free(struct container **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		container_unref(v[i]);
	free(v);
}

void container_look(struct container *c, struct container_look *out)
{
	pthread_mutex_lock(&c->lock);
	out->spec = container_spec_ref(c->spec);
	out->now = c->now;
	out->error = xstrdup_opt(c->now.error);
	out->now.error = out->error;
	pthread_mutex_unlock(&c->lock);
}

void container_look_release(struct container_look *l)
{
	container_spec_unref(l->spec);
	free(l->error);
	l->spec = NULL;
	l->error = NULL;
}

/* --- waiters --- */

struct waiter *waiter_add_locked(struct container *c, enum engine_wait_condition cond)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return NULL;
	struct waiter *w = NEW(struct waiter);
	w->fd = fd;
	w->condition = cond;
	list_add_tail(&c->waiters, &w->link);
	return w;
}

void waiter_remove(struct container *c, struct waiter *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&c->lock);
	list_del(&w->link);
	pthread_mutex_unlock(&c->lock);
	fd_close(&w->fd);
	free(w->message);
	free(w);
}

int waiter_wait(struct waiter *w, const struct ctx *ctx, int timeout_ms)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	return ctx_poll(ctx, &p, 1, timeout_ms);
}

void container_fire_locked(struct container *c, enum engine_wait_condition cond, int32_t code,
			   const char *message)
{
	list_for_each_safe (it, &c->waiters) {
		struct waiter *w = LIST_ENTRY(it, struct waiter, link);
		if (w->condition != cond)
			continue;
		w->exit_code = code;
		w->message = xstrdup_opt(message);
		w->fired = true;
		list_del(&w->link);
		(void)eventfd_write(w->fd, 1);
	}
}

/* --- state --- */

void container_record_locked(struct container *c)
{
	cleanup_err struct err *e = NULL;
	if (container_db_update_now(c, &c->now, &e) < 0)
		log_error(log_kv("container", c->id), "cannot record the state: %s", err_text(e));
}

static void told_locked(struct container *c)
{
	if (!life_is_running(c->now.state) && c->now.state != LIFE_STARTING &&
	    c->now.state != LIFE_RESTARTING) {
		container_fire_locked(c, ENGINE_WAIT_NOT_RUNNING, c->now.exit_code, NULL);
	}
	(void)pthread_cond_broadcast(&c->changed);
}

int container_move_locked(struct container *c, enum life to, struct err **e)
{
	enum life from = c->now.state;
	assert(life_may(from, to));
	c->now.state = to;
	if (container_db_update_now(c, &c->now, e) < 0) {
		c->now.state = from;
		return -1;
	}
	told_locked(c);
	return 0;
}

void container_must_move_locked(struct container *c, enum life to)
{
	assert(life_may(c->now.state, to));
	c->now.state = to;
	container_record_locked(c);
	told_locked(c);
}

void container_settle_locked(struct container *c)
{
	while (life_is_transient(c->now.state))
		(void)pthread_cond_wait(&c->changed, &c->lock);
}

void container_set_spec_locked(struct container *c, struct container_spec *s)
{
	struct container_spec *old = c->spec;
	c->spec = s;
	container_spec_unref(old);
}

/* --- directories --- */

static int sub_dirfd(int dirfd, const char *id, bool make)
{
	if (make) {
		int r = fs_mkdir_at(dirfd, id, 0710);
		if (r < 0)
			return r;
	}
	return fs_open_at(dirfd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

int container_data_dirfd(struct container *c, bool make)
{
	return sub_dirfd(c->en->containers_dirfd, c->id, make);
}

int container_exec_dirfd(struct container *c, bool make)
{
	return sub_dirfd(c->en->exec_dirfd, c->id, make);
}
