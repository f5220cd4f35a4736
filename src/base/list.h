/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list, and a string-keyed hash map. Neither locks. */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

struct list {
	struct list *prev, *next;
};
static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_tail(struct list *head, struct list *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = n;
}
#define LIST_ENTRY(ptr, type, member) CONTAINER_OF(ptr, type, member)
#define list_for_each(it, head)       for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, head)                                                                         \
	for (struct list *it = (head)->next, *it##_next_ = it->next; it != (head);                           \
	     it = it##_next_, it##_next_ = it->next)

/* Keys are copied; values are the caller's. Iteration order is insertion order unless something was deleted.
 */
struct map_entry {
	char *key;
	void *value;
	uint32_t hash;
};
struct map {
	struct map_entry *e; /* dense */
	uint32_t *slot;      /* open addressing: index + 1 into e */
	uint32_t n, cap, n_slots;
};
void *map_get(const struct map *m, const char *key);
bool map_has(const struct map *m, const char *key);
/* Returns the value that was replaced, or NULL. */
void *map_put(struct map *m, const char *key, void *value);
/* Removes; returns the value, or NULL. The last entry takes the freed place. */
void *map_del(struct map *m, const char *key);
void map_release(struct map *m); /* frees keys, not values */
#define map_for_each(it, m) for (struct map_entry *it = (m)->e; it < (m)->e + (m)->n; it++)
