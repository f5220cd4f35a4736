/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/list.h"
#include "base/mem.h"

#include <stdio.h>

/* Random puts and deletes against a plain array. */
static void map_agrees_with_an_array(void **state)
{
	enum { KEYS = 257 };
	static int values[KEYS];
	bool in[KEYS] = { false };
	struct map m = { 0 };
	unsigned seed = 1, count = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char key[16];
		unsigned k;

		seed = seed * 1103515245 + 12345;
		k = (seed >> 8) % KEYS;
		(void)snprintf(key, sizeof(key), "key-%u", k);
		if (seed & 0x40000000) {
			assert_ptr_equal(map_put(&m, key, &values[k]), in[k] ? &values[k] : NULL);
			count += !in[k];
			in[k] = true;
		} else {
			assert_ptr_equal(map_del(&m, key), in[k] ? &values[k] : NULL);
			count -= in[k];
			in[k] = false;
		}
		assert_int_equal(m.n, count);
		assert_ptr_equal(map_get(&m, key), in[k] ? &values[k] : NULL);
	}
	for (unsigned k = 0; k < KEYS; k++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "key-%u", k);
		assert_int_equal(map_has(&m, key), in[k]);
	}
	map_release(&m);
	assert_null(map_get(&m, "key-1"));
}

static void lists(void **state)
{
	struct item {
		struct list link;
		int n;
	} item[3] = { { .n = 0 }, { .n = 1 }, { .n = 2 } };
	struct list head;
	int sum = 0, next = 0;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_add_tail(&head, &item[i].link);
	list_for_each (it, &head)
		assert_int_equal(LIST_ENTRY(it, struct item, link)->n, next++);
	list_for_each_safe (it, &head) {
		sum += LIST_ENTRY(it, struct item, link)->n;
		list_del(it);
	}
	assert_int_equal(sum, 3);
	assert_true(list_empty(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(map_agrees_with_an_array),
					    cmocka_unit_test(lists) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
