/* SPDX-License-Identifier: Apache-2.0 */
/* What plan_compile() writes, what it refuses, and that plan_check() lets no damaged byte through to a crash. */
#include "kernel/caps.h"
#include "kernel/mount.h"
#include "kernel/ns.h"
#include "model/oci.gen.h"
#include "runtime/launch.h"
#include "runtime/plan-internal.h"

#include "../unit.h"

#include <errno.h>
#include <linux/filter.h>

#define MINIMAL                                                                                              \
	"\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/r\"},"                                               \
	"\"process\":{\"args\":[\"prog\",\"arg\"],\"cwd\":\"/\",\"env\":[\"PATH=/a:/b\",\"X=1\",\"X=2\"]}"

struct made {
	struct arena *a;
	struct strbuf plan;
	struct err *e;
	int r;
};

static struct made make(const char *json)
{
	struct made m = { .a = arena_new() };
	struct oci_spec *spec;

	assert_int_equal(oci_spec_parse(m.a, sv_of(json), &spec, NULL), 0);
	struct plan_input in = { .spec = spec,
				 .id = "c1",
				 .bundle = "/bundle",
				 .root_fd = PLAN_NO_FD,
				 .rootfs_dirfd = -1,
				 .start_fd = PLAN_NO_FD };
	m.r = plan_compile(&in, &m.plan, &m.e);
	return m;
}

static void done(struct made *m)
{
	sb_release(&m->plan);
	err_free(m->e);
	arena_free(m->a);
}

static void refused(const char *json, const char *words)
{
	struct made m = make(json);

	assert_int_equal(m.r, -1);
	assert_int_equal(m.plan.n, 0);
	if (!strstr(err_text(m.e), words))
		fail_msg("'%s' lacks '%s'", err_text(m.e), words);
	done(&m);
}

static void test_minimal(void **state)
{
	struct made m =
		make("{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}]}}");

	(void)state;
	assert_int_equal(m.r, 0);
	assert_int_equal(plan_check(m.plan.p, m.plan.n, 0), 0);
	struct plan_hdr *h = PLAN_HDR(m.plan.p);
	assert_int_equal(h->clone_flags, NS_MOUNT | NS_PID);
	assert_int_equal(h->argv.n, 2);
	assert_true(h->flags & PLAN_SEARCH);
	assert_int_equal(h->lookup.n, 2);
	assert_string_equal(m.plan.p + PLAN_LIST(m.plan.p, uint64_t, h->lookup)[1], "/b/prog");
	/* The last value of a name, in the first one's place. */
	assert_int_equal(h->envp.n, 2);
	assert_string_equal(m.plan.p + PLAN_LIST(m.plan.p, uint64_t, h->envp)[1], "X=2");
	assert_int_equal(plan_kind(m.plan.p), PLAN_INIT);
	assert_false(plan_has_tty(m.plan.p));
	done(&m);
}

static const struct plan_mount *mount_at(struct made *m, uint32_t i)
{
	struct plan_hdr *h = PLAN_HDR(m->plan.p);

	assert_true(i < h->mounts.n);
	return &PLAN_LIST(m->plan.p, const struct plan_mount, h->mounts)[i];
}

static void test_mounts(void **state)
{
	struct made m =
		make("{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},\"mounts\":["
		     "{\"destination\":\"/a/../b//"
		     "c\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"ro\",\"nosuid\",\"size=1k,mode="
		     "700\"]},"
		     "{\"destination\":\"/"
		     "x\",\"type\":\"bind\",\"source\":\"rel\",\"options\":[\"rbind\",\"ro\",\"rw\","
		     "\"rnosuid\",\"rslave\"]},"
		     "{\"destination\":\"/y\",\"source\":\"/s\",\"options\":[\"bind\",\"noatime\"]}]}");

	(void)state;
	assert_int_equal(m.r, 0);
	assert_int_equal(plan_check(m.plan.p, m.plan.n, 0), 0);
	const struct plan_mount *t = mount_at(&m, 0);
	assert_int_equal(t->kind, PLAN_MOUNT_FS);
	assert_string_equal(plan_s(m.plan.p, t->dest), "/b/c");
	assert_int_equal(t->set, MNT_ATTR_NOSUID);
	assert_int_equal(t->late_set, MNT_ATTR_RDONLY); /* after what lies inside */
	assert_int_equal(t->opts.n, 2);
	assert_false(t->flags & PLAN_M_KEEP_MODE);

	const struct plan_mount *x = mount_at(&m, 1);
	assert_int_equal(x->kind, PLAN_MOUNT_BIND);
	assert_string_equal(plan_s(m.plan.p, x->source), "/bundle/rel");
	assert_true(x->flags & PLAN_M_RECURSIVE);
	assert_int_equal(x->set, 0); /* rw came last */
	assert_int_equal(x->clear, MNT_ATTR_RDONLY);
	assert_int_equal(x->set_rec, MNT_ATTR_NOSUID);
	assert_int_equal(x->n_props, 1);
	assert_int_equal(x->prop[0], MNT_SLAVE);
	assert_int_equal(x->prop_rec, 1);

	const struct plan_mount *y = mount_at(&m, 2);
	assert_false(y->flags & PLAN_M_RECURSIVE);
	assert_int_equal(y->set, MNT_ATTR_NOATIME);
	assert_int_equal(y->clear, MNT_ATTR_ATIME);
	/* Nothing said: it must not stay a peer of the host's mount. */
	assert_int_equal(y->prop[0], MNT_PRIVATE);
	done(&m);
}

static void test_middle(void **state)
{
	static const struct {
		const char *namespaces;
		bool middle;
	} cases[] = {
		{ "[{\"type\":\"mount\"},{\"type\":\"network\",\"path\":\"/n\"}]", false },
		{ "[{\"type\":\"mount\"},{\"type\":\"pid\",\"path\":\"/n\"}]", true },
		{ "[{\"type\":\"mount\"},{\"type\":\"user\"},{\"type\":\"network\",\"path\":\"/n\"}]", true },
		{ "[{\"type\":\"mount\"},{\"type\":\"user\",\"path\":\"/u\"}]", true },
		{ "[{\"type\":\"mount\"},{\"type\":\"user\"}]", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool user = strstr(cases[i].namespaces, "\"user\"}");
		cleanup_free char *json =
			xasprintf("{" MINIMAL ",\"linux\":{%s\"namespaces\":%s}}",
				  user ? "\"uidMappings\":[{\"containerID\":0,\"hostID\":9,\"size\":1}],"
					 "\"gidMappings\":[{\"containerID\":0,\"hostID\":9,\"size\":1}],"
				       : "",
				  cases[i].namespaces);
		struct made m = make(json);

		assert_int_equal(m.r, 0);
		assert_int_equal(!!(PLAN_HDR(m.plan.p)->flags & PLAN_MIDDLE), cases[i].middle);
		done(&m);
	}
}

static void test_caps_and_ids(void **state)
{
	struct made m = make("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/"
			     "r\"},\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},"
			     "\"process\":{\"args\":[\"/p\"],\"cwd\":\"/"
			     "\",\"user\":{\"uid\":5,\"gid\":6,\"additionalGids\":[7,8]},"
			     "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_NONSENSE\"],\"effective\":["
			     "\"CAP_KILL\"],"
			     "\"permitted\":[\"CAP_CHOWN\"],\"ambient\":[\"CAP_CHOWN\"]}}}");

	(void)state;
	assert_int_equal(m.r, 0);
	struct plan_hdr *h = PLAN_HDR(m.plan.p);
	assert_int_equal(h->bounding, CAPS_BIT(CAPS_CHOWN));
	assert_int_equal(h->effective, 0); /* not permitted */
	assert_int_equal(h->ambient, 0);   /* not inheritable */
	assert_int_equal(h->uid, 5);
	assert_int_equal(h->groups.n, 2);
	assert_false(h->flags & PLAN_SEARCH);
	done(&m);
}

static void test_refusals(void **state)
{
#define LINUX(x) "{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]," x "}}"
#define MOUNT(x) "{" MINIMAL ",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]},\"mounts\":[" x "]}"
	(void)state;
	refused("{\"ociVersion\":\"2.0.0\"}", "unsupported spec version");
	refused("{\"ociVersion\":\"1.0.0\"}", "process");
	refused("{" MINIMAL "}", "linux");
	refused(LINUX("\"intelRdt\":{}"), "intelRdt");
	refused(LINUX("\"sysctl\":{\"kernel.core_pattern\":\"x\"}"), "sysctl");
	refused(LINUX("\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}"), "host network namespace");
	refused(LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}]"), "user namespace");
	refused(LINUX("\"timeOffsets\":{\"monotonic\":{\"secs\":1}}"), "time namespace");
	refused(LINUX("\"maskedPaths\":[\"rel\"]"), "absolute");
	refused(LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":-1,\"minor\":0}]"),
		"device number");
	refused(MOUNT("{\"destination\":\"/\",\"type\":\"tmpfs\"}"), "root");
	refused(MOUNT("{\"destination\":\"/proc/../proc/sys\",\"type\":\"bind\",\"source\":\"/x\"}"),
		"inside /proc");
	refused(MOUNT("{\"destination\":\"/m\",\"type\":\"bind\"}"), "source");
	refused(MOUNT("{\"destination\":\"/m\"}"), "type");
	refused(MOUNT("{\"destination\":\"/m\",\"type\":\"ext4\",\"options\":[\"tmpcopyup\"]}"), "tmpfs");
	refused(MOUNT("{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"/x\",\"options\":[\"idmap\"]}"),
		"idmap");
	refused("{" MINIMAL ",\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}", "UTS");
}

/* Whatever byte is changed: the walker says no, or what it lets through has every offset inside. Run under the
 * sanitizers, this reads past the end if it is wrong. */
static void test_damage(void **state)
{
	struct made m =
		make("{" MINIMAL ",\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{"
		     "\"type\":\"uts\"},{\"type\":\"network\",\"path\":\"/n\"}],"
		     "\"maskedPaths\":[\"/proc/kcore\"],\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},"
		     "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}},"
		     "\"hooks\":{\"poststop\":[{\"path\":\"/bin/x\",\"args\":[\"x\",\"y\"]}]},"
		     "\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"size=1k\"]}]}");

	(void)state;
	assert_int_equal(m.r, 0);
	assert_int_equal(plan_check(m.plan.p, m.plan.n, 0), 0);
	char *copy = xmalloc(m.plan.n);
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	size_t passed = 0;

	for (size_t i = 0; i < m.plan.n; i++)
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			memcpy(copy, m.plan.p, m.plan.n);
			copy[i] = (char)values[k];
			if (plan_check(copy, m.plan.n, 0) < 0)
				continue;
			passed++;
			struct plan_hdr *h = PLAN_HDR(copy);
			const uint64_t *v = PLAN_LIST(copy, uint64_t, h->argv);
			size_t total = 0;

			for (uint32_t j = 0; j < h->argv.n; j++)
				total += strlen(copy + v[j]);
			assert_true(total < m.plan.n * (h->argv.n + 1));
		}
	assert_true(passed > 0);
	for (size_t n = 0; n < m.plan.n; n++) {
		memcpy(copy, m.plan.p, n);
		assert_int_equal(plan_check(copy, n, 0), -EBADMSG);
	}
	/* Descriptors it was not given. */
	memcpy(copy, m.plan.p, m.plan.n);
	PLAN_HDR(copy)->root_fd = 0;
	assert_int_equal(plan_check(copy, m.plan.n, 0), -EBADMSG);
	assert_int_equal(plan_check(copy, m.plan.n, 1), 0);
	free(copy);
	done(&m);
}

static void test_launch_refuses_a_damaged_plan(void **state)
{
	_Alignas(8) char junk[4096] = { 0 };
	struct launch_io io = { .stdio = { -1, -1, -1 } };
	struct launch l;
	char text[LAUNCH_TEXT];

	(void)state;
	assert_int_equal(launch_start(junk, sizeof(junk), NULL, 0, &io, &l), -1);
	assert_int_equal(l.step, LAUNCH_PLAN);
	assert_non_null(strstr(launch_error_text(&l, text, sizeof(text)), "launch plan"));
	assert_int_equal(l.pid, 0);
}

static void test_exec_plan(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf plan = { 0 };
	struct oci_process *p;

	(void)state;
	assert_int_equal(
		oci_process_parse(a, sv_of("{\"args\":[\"ls\"],\"cwd\":\"/\",\"terminal\":true}"), &p, NULL),
		0);
	struct plan_exec_input in = { .process = p,
				      .id = "c",
				      .pidfd = PLAN_NO_FD,
				      .pid = 12,
				      .namespaces = NS_PID | NS_USER,
				      .root_fd = PLAN_NO_FD,
				      .rootfs_dirfd = -1 };
	assert_int_equal(plan_compile_exec(&in, &plan, NULL), 0);
	assert_int_equal(plan_check(plan.p, plan.n, 0), 0);
	assert_int_equal(plan_kind(plan.p), PLAN_EXEC);
	assert_true(plan_has_tty(plan.p));
	assert_true(PLAN_HDR(plan.p)->flags & PLAN_JOINED_USERNS);
	assert_true(PLAN_HDR(plan.p)->flags & PLAN_NEW_KEYRING);
	assert_string_equal(plan_s(plan.p, PLAN_HDR(plan.p)->keyring), "_ses.c");
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(caps_number("CAP_SYS_ADMIN"), 21);
	assert_int_equal(caps_number("chown"), 0);
	assert_int_equal(caps_number("cap_bpf"), 39);
	assert_int_equal(caps_number("CAP_"), -ENOENT);
	assert_int_equal(caps_number("nonsense"), -ENOENT);
	assert_string_equal(caps_name(40), "CAP_CHECKPOINT_RESTORE");
	assert_null(caps_name(41));
	assert_int_equal(ns_from_name("network"), NS_NET);
	assert_int_equal(ns_from_name("net"), 0);
	for (size_t i = 0; ns_at(i); i++)
		assert_int_equal(ns_from_name(ns_name(ns_at(i))), ns_at(i));
	assert_true(mnt_option_find("rro")->recursive);
	assert_null(mnt_option_find("size=1k"));
	for (size_t i = 0; mnt_option_at(i); i++)
		assert_ptr_equal(mnt_option_find(mnt_option_at(i)->name), mnt_option_at(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_caps_and_ids),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_launch_refuses_a_damaged_plan),
		cmocka_unit_test(test_exec_plan),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
