/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/log.h"
#include "engine/events.h"
#include "model/filters.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct ctx now_or_never = { .deadline_ns = 1 };

static struct event_sub *subscribe(struct events *ev, const struct event_range *r)
{
	cleanup_err struct err *e = NULL;
	struct event_sub *s;

	if (events_subscribe(ev, r, &s, &e) < 0)
		fail_msg("%s", err_text(e));
	return s;
}

/* All that waits, as "type action id" lines. */
static char *drain(struct event_sub *s)
{
	cleanup_strbuf struct strbuf b = { 0 };
	const struct event *ev;

	while (events_next(s, &now_or_never, &ev) == 1)
		sb_addf(&b, "%s %s %s\n", ev->type, ev->action, ev->id);
	return sb_take(&b);
}

static void expect(struct event_sub *s, const char *lines)
{
	cleanup_free char *got = drain(s);
	assert_string_equal(got, lines);
}

static void listeners_hear_in_order(void **state)
{
	struct events *ev = events_new();
	struct event_sub *a = subscribe(ev, &(struct event_range){ 0 });

	(void)state;
	events_publish(ev, "container", "create", "c1", log_kv("name", "n", "image", "i"));
	struct event_sub *b = subscribe(ev, &(struct event_range){ 0 });
	events_publish(ev, "container", "start", "c1", NULL);
	assert_int_equal(events_listeners(ev), 2);
	expect(a, "container create c1\ncontainer start c1\n");
	expect(b, "container start c1\n");
	events_unsubscribe(a);
	events_unsubscribe(b);
	assert_int_equal(events_listeners(ev), 0);
	events_free(ev);
}

static void the_json_is_dockers(void **state)
{
	struct events *ev = events_new();
	struct event_sub *s = subscribe(ev, &(struct event_range){ 0 });
	const struct event *got;
	char want[512];

	(void)state;
	events_publish(ev, "container", "die", "c1",
		       log_kv("name", "web", "image", "busybox", "exitCode", "1", "b", "2", "b", "3"));
	assert_int_equal(events_next(s, NULL, &got), 1);
	(void)snprintf(want, sizeof(want),
		       "{\"status\":\"die\",\"id\":\"c1\",\"from\":\"busybox\",\"Type\":\"container\","
		       "\"Action\":\"die\","
		       "\"Actor\":{\"ID\":\"c1\",\"Attributes\":{\"b\":\"3\",\"exitCode\":\"1\",\"image\":"
		       "\"busybox\","
		       "\"name\":\"web\"}},\"scope\":\"local\",\"time\":%lld,\"timeNano\":%lld}",
		       (long long)(got->time_ns / NS_PER_SEC), (long long)got->time_ns);
	assert_string_equal(got->json.p, want);
	events_publish(ev, "volume", "create", "v", log_kv("driver", "local"));
	assert_int_equal(events_next(s, NULL, &got), 1);
	assert_null(strstr(got->json.p, "status"));
	events_unsubscribe(s);
	events_free(ev);
}

static void since_replays_the_last_256(void **state)
{
	struct events *ev = events_new();
	char id[16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		events_publish(ev, "container", "start", id, NULL);
	}
	struct event_sub *s = subscribe(ev, &(struct event_range){ .since_ns = 1 });
	const struct event *got;
	int n = 0;
	int64_t last = 0, middle = 0;
	while (events_next(s, &now_or_never, &got) == 1) {
		if (n == 0)
			assert_string_equal(got->id, "44");
		assert_true(got->time_ns > last);
		last = got->time_ns;
		if (++n == 200)
			middle = last;
	}
	assert_int_equal(n, EVENTS_KEPT);
	events_unsubscribe(s);

	/* since is inclusive, until too; with until in the past the stream ends */
	s = subscribe(ev, &(struct event_range){ .since_ns = middle, .until_ns = last - 1 });
	for (n = 0; events_next(s, NULL, &got) == 1; n++)
		;
	assert_int_equal(n, EVENTS_KEPT - 200);
	events_unsubscribe(s);
	events_free(ev);
}

static struct event_sub *filtered(struct events *ev, struct arena *a, const char *json)
{
	struct filters *f = ARENA_NEW(a, struct filters);
	cleanup_err struct err *e = NULL;

	if (filters_parse(a, sv_of(json), NULL, f, &e) < 0)
		fail_msg("%s", err_text(e));
	return subscribe(ev, &(struct event_range){ .since_ns = 1, .filters = f });
}

static void filters_choose(void **state)
{
	static const struct {
		const char *filter, *lines;
	} cases[] = {
		{ "{\"type\":[\"image\"]}", "image pull busybox:latest\n" },
		{ "{\"event\":[\"start\",\"die\"]}", "container start abc\ncontainer die abd\n" },
		{ "{\"event\":[\"exec_create\"]}", "container exec_create: sh abc\n" },
		{ "{\"event\":[\"exec\"]}", "" },
		{ "{\"container\":{\"ab\":true}}",
		  "container start abc\ncontainer exec_create: sh abc\ncontainer die abd\n" },
		{ "{\"container\":[\"web\"]}", "container start abc\ncontainer exec_create: sh abc\n" },
		{ "{\"image\":[\"busybox\"]}",
		  "container start abc\ncontainer exec_create: sh abc\nimage pull busybox:latest\n" },
		{ "{\"label\":[\"a=1\"]}", "container start abc\n" },
		{ "{\"label\":[\"a=1\",\"b\"]}", "" },
		{ "{\"scope\":[\"swarm\"]}", "" },
		{ "{\"volume\":[\"v\"]}", "volume create vol\n" },
	};
	struct events *ev = events_new();
	cleanup_arena struct arena *a = arena_new();

	(void)state;
	events_publish(ev, "container", "start", "abc",
		       log_kv("a", "1", "image", "busybox:latest", "name", "web1"));
	events_publish(ev, "container", "exec_create: sh", "abc", log_kv("image", "busybox", "name", "web1"));
	events_publish(ev, "container", "die", "abd", log_kv("image", "debian", "name", "db"));
	events_publish(ev, "image", "pull", "busybox:latest", log_kv("name", "busybox"));
	events_publish(ev, "volume", "create", "vol", log_kv("driver", "local"));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct event_sub *s = filtered(ev, a, cases[i].filter);
		cleanup_free char *got = drain(s);
		if (strcmp(got, cases[i].lines) != 0)
			fail_msg("%s gave '%s'", cases[i].filter, got);
		events_unsubscribe(s);
	}
	events_free(ev);
}

static void a_slow_listener_loses_the_oldest(void **state)
{
	struct events *ev = events_new();
	struct event_sub *s = subscribe(ev, &(struct event_range){ 0 });
	const struct event *got;
	char id[16];
	int n = 0;

	(void)state;
	for (int i = 0; i < EVENTS_QUEUE_MAX + 10; i++) {
		(void)snprintf(id, sizeof(id), "%d", i);
		events_publish(ev, "container", "start", id, NULL);
	}
	while (events_next(s, &now_or_never, &got) == 1)
		if (n++ == 0)
			assert_string_equal(got->id, "10");
	assert_int_equal(n, EVENTS_QUEUE_MAX);
	events_unsubscribe(s);
	events_free(ev);
}

static void *publisher(void *arg)
{
	for (int i = 0; i < 500; i++)
		events_publish(arg, "container", "start", "x", log_kv("name", "n"));
	return NULL;
}

static void many_publishers_one_order(void **state)
{
	struct events *ev = events_new();
	struct event_sub *s = subscribe(ev, &(struct event_range){ 0 });
	const struct event *got;
	pthread_t t[4];
	int64_t last = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, publisher, ev), 0);
	for (int n = 0; n < 2000; n++) {
		assert_int_equal(events_next(s, NULL, &got), 1);
		assert_true(got->time_ns > last);
		last = got->time_ns;
	}
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	events_unsubscribe(s);
	events_free(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_hear_in_order),
		cmocka_unit_test(the_json_is_dockers),
		cmocka_unit_test(since_replays_the_last_256),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(a_slow_listener_loses_the_oldest),
		cmocka_unit_test(many_publishers_one_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
