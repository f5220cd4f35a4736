/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled filters by the content of their profile. */
#include "kernel/seccomp.h"

#include "base/mem.h"

#include <pthread.h>

#define CACHE_MAX 64

struct entry {
	char *key;
	size_t key_n;
	struct seccomp_filter filter;
};

struct seccomp_cache {
	pthread_mutex_t lock;
	struct entry e[CACHE_MAX];
	size_t n;
};

struct seccomp_cache *seccomp_cache_new(void)
{
	struct seccomp_cache *c = NEW(struct seccomp_cache);

	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void seccomp_cache_free(struct seccomp_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->e[i].key);
		seccomp_filter_release(&c->e[i].filter);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void add_u64(struct strbuf *b, uint64_t v)
{
	sb_addn(b, &v, sizeof(v));
}

/* Everything that counts, with lengths, so that different profiles have different texts. */
static void key_of(const struct seccomp_profile *p, struct strbuf *b)
{
	sb_reserve(b, 8192);
	add_u64(b, p->default_action);
	add_u64(b, p->flags | (uint64_t)p->new_calls_enosys << 32 | (uint64_t)p->repeated_arg_is_and << 33);
	add_u64(b, p->n_arches);
	for (size_t i = 0; i < p->n_arches; i++)
		add_u64(b, p->arches[i]);
	add_u64(b, p->n_rules);
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct seccomp_rule *r = &p->rules[i];
		add_u64(b, r->action);
		add_u64(b, r->n_names);
		for (size_t k = 0; k < r->n_names; k++)
			sb_addn(b, r->names[k], strlen(r->names[k]) + 1);
		add_u64(b, r->n_args);
		for (size_t k = 0; k < r->n_args; k++) {
			const struct seccomp_arg *a = &r->args[k];
			add_u64(b, a->index | (uint64_t)a->cmp << 8 | (uint64_t)a->low32 << 16);
			add_u64(b, a->value);
			add_u64(b, a->value_two);
		}
	}
}

static const struct seccomp_filter *find_locked(struct seccomp_cache *c, const struct strbuf *key)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->e[i].key_n == key->n && memcmp(c->e[i].key, key->p, key->n) == 0)
			return &c->e[i].filter;
	return NULL;
}

int seccomp_cache_compile(struct seccomp_cache *c, const struct seccomp_profile *p,
			  struct seccomp_filter *spill, const struct seccomp_filter **out, struct err **e)
{
	cleanup_strbuf struct strbuf key = { 0 };
	struct seccomp_filter f;

	key_of(p, &key);
	pthread_mutex_lock(&c->lock);
	const struct seccomp_filter *found = find_locked(c, &key);
	pthread_mutex_unlock(&c->lock);
	if (found) {
		*out = found;
		return 0;
	}
	if (seccomp_compile(p, &f, e) < 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	found = find_locked(c, &key);
	if (!found && c->n < CACHE_MAX) {
		struct entry *en = &c->e[c->n++];
		en->key_n = key.n;
		en->key = sb_take(&key);
		en->filter = f;
		f = (struct seccomp_filter){ 0 };
		found = &en->filter;
	}
	pthread_mutex_unlock(&c->lock);
	if (found) {
		seccomp_filter_release(&f);
		*out = found;
	} else {
		*spill = f;
		*out = spill;
	}
	return 0;
}
