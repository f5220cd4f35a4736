/* SPDX-License-Identifier: Apache-2.0 */
/* Option values and files of lines; the first byte picks. What a value is turned into is read back the same. */
#include "model/env.h"
#include "model/filters.h"
#include "model/mounts.h"
#include "model/names.h"
#include "model/options.h"
#include "model/platform.h"
#include "model/ports.h"
#include "model/reference.h"
#include "model/signals.h"
#include "model/size.h"
#include "model/user.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void reference(struct arena *a, struct sv s)
{
	struct reference r, again;
	struct image_ref ir;

	(void)image_ref_parse(a, s, &ir, NULL);
	if (reference_parse(a, s, &r, NULL) < 0)
		return;
	/* A repository of 64 hex digits shows as an ID in its short form; the long one is always read back. */
	assert(reference_parse(a, sv_of(reference_string(a, &r)), &again, NULL) == 0);
	assert(reference_equal(&r, &again));
}

static void mounts(struct arena *a, const char *text)
{
	struct mount_spec m;
	struct api_mount am;
	const char *x, *y;
	bool ro;

	if (mount_parse_bind(a, text, NULL, &m, NULL) == 0)
		assert(m.target[0] == '/' && m.target[1]);
	if (mount_cli_parse(a, text, "/cwd", &am, NULL) == 0)
		(void)mount_from_api(a, &am, &m, NULL);
	(void)mount_cli_volume(a, text, "/cwd", &x, &y, NULL);
	if (mount_parse_tmpfs(a, "/t", text, &m, NULL) == 0) {
		struct mount_spec again;
		assert(mount_parse_tmpfs(a, "/t", m.tmpfs_options, &again, NULL) == 0);
		assert(str_eq(again.tmpfs_options, m.tmpfs_options));
	}
	(void)mount_parse_volumes_from(a, text, &x, &ro, &y, NULL);
	const char *clean = path_clean(a, text);
	assert(str_eq(path_clean(a, clean), clean));
	if (path_is_local(text))
		assert(clean[0] != '/' && !str_eq(clean, "..") && !str_starts(clean, "../"));
}

static void ports(struct arena *a, struct sv s)
{
	struct api_port_binding_list_map m = { 0 };
	struct model_str_list ex = { 0 };

	if (ports_publish(a, s, &ex, &m, NULL) == 0)
		assert(ports_check_bindings(&m, NULL) == 0 && ports_check_exposed(&ex, NULL) == 0);
	(void)ports_expose(a, s, &ex, NULL);
}

static void options(struct arena *a, struct sv s)
{
	struct api_ulimit u;
	struct api_restart_policy rp;
	struct api_device_mapping d;
	struct device_rule dr;
	struct api_throttle_device t;
	struct api_weight_device w;
	struct api_key_value kv;
	struct security_options so;
	struct platform p;
	unsigned char mask[128], keys[DETACH_KEYS_MAX];
	const char *h;
	int64_t n;
	size_t k;
	int sig;

	(void)ulimit_parse(a, s, &u, NULL);
	if (restart_policy_parse(a, s, &rp, NULL) == 0)
		(void)restart_policy_check(&rp, NULL);
	(void)device_parse(a, s, &d, NULL);
	(void)device_rule_parse(s, &dr, NULL);
	(void)throttle_parse(a, s, true, &t, NULL);
	(void)throttle_parse(a, s, false, &t, NULL);
	(void)weight_device_parse(a, s, &w, NULL);
	(void)extra_host_parse(a, s, &h, NULL);
	(void)nano_cpus_parse(s, &n, NULL);
	(void)lxc_conf_parse(a, s, &kv, NULL);
	(void)cpu_list_parse(s, 1024, mask);
	(void)detach_keys_parse(s, keys, &k, NULL);
	(void)signal_check(s, &sig, NULL);
	(void)size_parse_ram(s, &n, NULL);
	(void)size_parse_human(s, &n, NULL);
	if (platform_parse(a, s, &p, NULL) == 0) {
		struct platform again;
		assert(platform_parse(a, sv_of(platform_text(a, p)), &again, NULL) == 0);
		assert(str_eq(platform_text(a, p), platform_text(a, again)));
	}
	const char *one[] = { arena_strndup(a, s.p, s.n) };
	(void)security_options_parse(a, &(struct model_str_list){ .v = one, .n = 1 }, &so, NULL);
	struct sysctl_scope scope = { .has_hostname = true };
	(void)sysctl_check(one[0], &scope, NULL);
	struct filters f = { 0 };
	(void)filters_add_arg(a, &f, one[0], NULL);
}

static void files(struct arena *a, struct sv s)
{
	struct model_str_list env = { 0 };
	struct sv spec, rest, passwd, group;
	struct user_id u;

	if (env_file_parse(a, "f", s, false, NULL, NULL, &env, NULL) == 0)
		assert(env_check(&env, NULL) == 0);
	(void)sv_cut(s, '\xff', &spec, &rest);
	(void)sv_cut(rest, '\xff', &passwd, &group);
	if (user_lookup(a, spec, passwd, group, &u, NULL) == 0) {
		assert(u.uid <= INT32_MAX && u.gid <= INT32_MAX);
		const char *names[] = { arena_strndup(a, spec.p, spec.n) };
		(void)user_add_groups(a, names, 1, group, &u, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n || n > 65536)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	struct sv s = sv_n((const char *)data + 1, n - 1), name;
	switch (data[0] % 6) {
	case 0: reference(a, s); break;
	case 1: mounts(a, arena_strndup(a, s.p, s.n)); break;
	case 2: ports(a, s); break;
	case 3: options(a, s); break;
	case 4: files(a, s); break;
	default: {
		struct sv pattern, text;
		(void)sv_cut(s, '\n', &pattern, &text);
		(void)path_match(pattern, text);
		(void)container_name_check(s, &name, NULL);
		break;
	}
	}
	return 0;
}
