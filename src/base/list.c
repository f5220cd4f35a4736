/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include "base/mem.h"

#include <string.h>

static uint32_t hash_of(const char *key)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 16777619U;
	return h;
}

/* Slot that holds the key, or the free slot where it would go. */
static uint32_t slot_of(const struct map *m, const char *key, uint32_t hash)
{
	uint32_t i = hash & (m->n_slots - 1);

	while (m->slot[i]) {
		const struct map_entry *e = &m->e[m->slot[i] - 1];

		if (e->hash == hash && strcmp(e->key, key) == 0)
			break;
		i = (i + 1) & (m->n_slots - 1);
	}
	return i;
}

static struct map_entry *find(const struct map *m, const char *key)
{
	uint32_t i;

	if (m->n == 0)
		return NULL;
	i = slot_of(m, key, hash_of(key));
	return m->slot[i] ? &m->e[m->slot[i] - 1] : NULL;
}

void *map_get(const struct map *m, const char *key)
{
	struct map_entry *e = find(m, key);

	return e ? e->value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	return find(m, key) != NULL;
}

static void rehash(struct map *m, uint32_t n_slots)
{
	free(m->slot);
	m->slot = xcalloc(n_slots, sizeof(*m->slot));
	m->n_slots = n_slots;
	for (uint32_t i = 0; i < m->n; i++)
		m->slot[slot_of(m, m->e[i].key, m->e[i].hash)] = i + 1;
}

void *map_put(struct map *m, const char *key, void *value)
{
	struct map_entry *e = find(m, key);
	uint32_t hash;

	if (e) {
		void *old = e->value;

		e->value = value;
		return old;
	}
	if ((m->n + 1) * 2 > m->n_slots)
		rehash(m, m->n_slots ? m->n_slots * 2 : 16);
	GROW(m->e, m->n, m->cap);
	hash = hash_of(key);
	m->slot[slot_of(m, key, hash)] = m->n + 1;
	m->e[m->n++] = (struct map_entry){ .key = xstrdup(key), .value = value, .hash = hash };
	return NULL;
}

/* Free slot i and move back what probed past it. */
static void slot_free(struct map *m, uint32_t i)
{
	uint32_t mask = m->n_slots - 1, j = i;

	for (;;) {
		uint32_t home;

		m->slot[i] = 0;
		do {
			j = (j + 1) & mask;
			if (!m->slot[j])
				return;
			home = m->e[m->slot[j] - 1].hash & mask;
		} while (i <= j ? (i < home && home <= j) : (i < home || home <= j));
		m->slot[i] = m->slot[j];
		i = j;
	}
}

void *map_del(struct map *m, const char *key)
{
	struct map_entry *e = find(m, key);
	uint32_t at;
	void *value;

	if (!e)
		return NULL;
	at = (uint32_t)(e - m->e);
	value = e->value;
	slot_free(m, slot_of(m, key, e->hash));
	free(e->key);
	if (at != m->n - 1) {
		struct map_entry *last = &m->e[m->n - 1];

		m->slot[slot_of(m, last->key, last->hash)] = at + 1;
		*e = *last;
	}
	m->n--;
	return value;
}

void map_release(struct map *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		free(m->e[i].key);
	free(m->e);
	free(m->slot);
	*m = (struct map){ 0 };
}
