/* SPDX-License-Identifier: Apache-2.0 */
#include "model/options.h"

#include "model/ports.h"
#include "model/size.h"

#include <errno.h>

/* --- ulimits --- */

static const char *const ulimits[] = {
	"cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
	"memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
};

int ulimit_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ulimits); i++) {
		if (str_eq(name, ulimits[i]))
			return (int)i;
	}
	return -1;
}

int ulimit_check(const struct api_ulimit *u, struct err **e)
{
	if (ulimit_number(u->name) < 0)
		return err_set(e, ERR_INVALID, "invalid ulimit type: %s", u->name ? u->name : "");
	if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
		return err_set(e, ERR_INVALID,
			       "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
			       (long long)u->soft, (long long)u->hard);
	return 0;
}

int ulimit_parse(struct arena *a, struct sv s, struct api_ulimit *out, struct err **e)
{
	struct api_ulimit u = { 0 };
	struct sv name, val, soft, hard;

	if (!sv_cut(s, '=', &name, &val))
		return err_set(e, ERR_INVALID, "invalid ulimit argument: %.*s", (int)s.n, s.p);
	u.name = arena_strndup(a, name.p, name.n);
	if (ulimit_number(u.name) < 0)
		return err_set(e, ERR_INVALID, "invalid ulimit type: %s", u.name);
	bool two = sv_cut(val, ':', &soft, &hard);
	if (two && sv_find(hard, ':') >= 0)
		return err_set(
			e, ERR_INVALID,
			"too many limit value arguments - %.*s, can only have up to two, `soft[:hard]`",
			(int)val.n, val.p);
	if (parse_i64(soft, -1, INT64_MAX, &u.soft) < 0)
		return err_set(e, ERR_INVALID, "strconv.ParseInt: parsing \"%.*s\": invalid syntax",
			       (int)soft.n, soft.p);
	u.hard = u.soft;
	if (two && parse_i64(hard, -1, INT64_MAX, &u.hard) < 0)
		return err_set(e, ERR_INVALID, "strconv.ParseInt: parsing \"%.*s\": invalid syntax",
			       (int)hard.n, hard.p);
	if (ulimit_check(&u, e) < 0)
		return -1;
	*out = u;
	return 0;
}

/* --- restart policy --- */

bool restart_policy_is_none(const struct api_restart_policy *p)
{
	return str_empty(p->name) || str_eq(p->name, "no");
}

int restart_policy_parse(struct arena *a, struct sv s, struct api_restart_policy *out, struct err **e)
{
	struct api_restart_policy p = { .name = "" };
	struct sv name, count;

	if (s.n) {
		bool with_count = sv_cut(s, ':', &name, &count);
		if (with_count && !name.n)
			return err_set(e, ERR_INVALID,
				       "invalid restart policy format: no policy provided before colon");
		if (with_count && count.n &&
		    parse_i64(count, INT32_MIN, INT32_MAX, &p.maximum_retry_count) < 0)
			return err_set(
				e, ERR_INVALID,
				"invalid restart policy format: maximum retry count must be an integer");
		p.name = arena_strndup(a, name.p, name.n);
	}
	*out = p;
	return 0;
}

int restart_policy_check(const struct api_restart_policy *p, struct err **e)
{
	const char *n = p->name;

	if (str_eq(n, "always") || str_eq(n, "unless-stopped") || restart_policy_is_none(p)) {
		if (p->maximum_retry_count)
			return err_set(e, ERR_INVALID,
				       "invalid restart policy: maximum retry count can only be used with "
				       "'on-failure'%s",
				       p->maximum_retry_count < 0 ? " and cannot be negative" : "");
		return 0;
	}
	if (str_eq(n, "on-failure")) {
		if (p->maximum_retry_count < 0)
			return err_set(e, ERR_INVALID,
				       "invalid restart policy: maximum retry count cannot be negative");
		return 0;
	}
	return err_set(
		e, ERR_INVALID,
		"invalid restart policy: unknown policy '%s'; use one of 'no', 'always', 'on-failure', or "
		"'unless-stopped'",
		n);
}

/* --- devices --- */

bool device_mode_is_valid(struct sv m)
{
	int r = 0, w = 0, k = 0;

	for (size_t i = 0; i < m.n; i++) {
		if (m.p[i] == 'r')
			r++;
		else if (m.p[i] == 'w')
			w++;
		else if (m.p[i] == 'm')
			k++;
		else
			return false;
	}
	return m.n && r <= 1 && w <= 1 && k <= 1;
}

bool device_is_cdi(struct sv s)
{
	struct sv kind, name, vendor, class;

	if (s.n && s.p[0] == '/')
		return false;
	return sv_cut(s, '=', &kind, &name) && name.n && sv_cut(kind, '/', &vendor, &class) && vendor.n &&
	       class.n && sv_find(class, '/') < 0;
}

int device_parse(struct arena *a, struct sv s, struct api_device_mapping *out, struct err **e)
{
	struct sv part[3] = { 0 }, rest = s, dst, mode = SV("rwm");
	size_t n = 0;
	bool more;

	do {
		if (n == 3)
			return err_set(e, ERR_INVALID, "bad format for path: %.*s", (int)s.n, s.p);
		more = sv_cut(rest, ':', &part[n++], &rest);
	} while (more);
	dst = part[0];
	if (n == 3) {
		if (!device_mode_is_valid(part[2]))
			return err_set(e, ERR_INVALID, "bad mode specified: %.*s", (int)part[2].n, part[2].p);
		mode = part[2];
	}
	if (n == 2 && device_mode_is_valid(part[1]))
		mode = part[1];
	else if (n > 1)
		dst = part[1];
	if (!part[0].n || !dst.n)
		return err_set(e, ERR_INVALID, "bad format for path: %.*s", (int)s.n, s.p);
	if (part[0].p[0] != '/' || dst.p[0] != '/') {
		struct sv bad = part[0].p[0] != '/' ? part[0] : dst;
		return err_set(e, ERR_INVALID, "%.*s is not an absolute path", (int)bad.n, bad.p);
	}
	*out = (struct api_device_mapping){
		.path_on_host = arena_strndup(a, part[0].p, part[0].n),
		.path_in_container = arena_strndup(a, dst.p, dst.n),
		.cgroup_permissions = arena_strndup(a, mode.p, mode.n),
	};
	return 0;
}

static bool rule_number(struct sv s, int64_t *out)
{
	uint64_t v;

	if (sv_eqs(s, "*")) {
		*out = -1;
		return true;
	}
	if (parse_u64(s, UINT32_MAX, &v) < 0)
		return false;
	*out = (int64_t)v;
	return true;
}

int device_rule_parse(struct sv s, struct device_rule *out, struct err **e)
{
	struct device_rule r = { 0 };
	struct sv type, nums, access, major, minor;

	if (!sv_cut(s, ' ', &type, &nums) || !sv_cut(nums, ' ', &nums, &access) || type.n != 1 ||
	    !strchr("abc", type.p[0]) || !sv_cut(nums, ':', &major, &minor) ||
	    !rule_number(major, &r.major) || !rule_number(minor, &r.minor) || !access.n || access.n > 3)
		return err_set(e, ERR_INVALID, "invalid device cgroup rule format: '%.*s'", (int)s.n, s.p);
	r.type = type.p[0];
	for (size_t i = 0; i < access.n; i++) {
		if (access.p[i] == 'r')
			r.r = true;
		else if (access.p[i] == 'w')
			r.w = true;
		else if (access.p[i] == 'm')
			r.m = true;
		else
			return err_set(e, ERR_INVALID, "invalid device cgroup rule format: '%.*s'", (int)s.n,
				       s.p);
	}
	*out = r;
	return 0;
}

static int split_device(struct sv s, struct sv *path, struct sv *val, struct err **e)
{
	if (!sv_cut(s, ':', path, val) || !path->n)
		return err_set(e, ERR_INVALID, "bad format: %.*s", (int)s.n, s.p);
	if (!sv_starts(*path, SV("/dev/")))
		return err_set(e, ERR_INVALID, "bad format for device path: %.*s", (int)s.n, s.p);
	return 0;
}

int throttle_parse(struct arena *a, struct sv s, bool is_bytes, struct api_throttle_device *out,
		   struct err **e)
{
	struct sv path, val;
	int64_t size = 0;
	uint64_t rate = 0;

	if (split_device(s, &path, &val, e) < 0)
		return -1;
	if (is_bytes) {
		if (size_parse_ram(val, &size, NULL) < 0)
			return err_set(e, ERR_INVALID,
				       "invalid rate for device: %.*s. The correct format is "
				       "<device-path>:<number>[<unit>]. "
				       "Number must be a positive integer. Unit is optional and can be kb, "
				       "mb, or gb",
				       (int)s.n, s.p);
		rate = (uint64_t)size;
	} else if (parse_u64(val, UINT64_MAX, &rate) < 0) {
		return err_set(e, ERR_INVALID,
			       "invalid rate for device: %.*s. The correct format is <device-path>:<number>. "
			       "Number must be "
			       "a positive integer",
			       (int)s.n, s.p);
	}
	*out = (struct api_throttle_device){ .path = arena_strndup(a, path.p, path.n), .rate = rate };
	return 0;
}

int weight_device_parse(struct arena *a, struct sv s, struct api_weight_device *out, struct err **e)
{
	struct sv path, val;
	uint64_t w;

	if (split_device(s, &path, &val, e) < 0)
		return -1;
	if (parse_u64(val, 1000, &w) < 0 || (w && w < 10))
		return err_set(e, ERR_INVALID, "invalid weight for device: %.*s", (int)s.n, s.p);
	*out = (struct api_weight_device){ .path = arena_strndup(a, path.p, path.n), .weight = (uint16_t)w };
	return 0;
}

/* --- hosts, CPUs, LXC --- */

int extra_host_check(const char *s, struct err **e)
{
	struct sv name, ip;

	if (!sv_cut(sv_of(s), ':', &name, &ip) || !name.n)
		return err_set(e, ERR_INVALID, "bad format for add-host: \"%s\"", s ? s : "");
	/* The daemon puts its own address there. */
	if (!sv_eqs(ip, "host-gateway") && !ip_is_valid(ip))
		return err_set(e, ERR_INVALID, "invalid IP address in add-host: \"%.*s\"", (int)ip.n, ip.p);
	return 0;
}

int extra_host_parse(struct arena *a, struct sv s, const char **out, struct err **e)
{
	struct sv name, ip;

	if (!sv_cut(s, sv_find(s, '=') >= 0 ? '=' : ':', &name, &ip) || !name.n)
		return err_set(e, ERR_INVALID, "bad format for add-host: \"%.*s\"", (int)s.n, s.p);
	if (ip.n > 2 && ip.p[0] == '[' && ip.p[ip.n - 1] == ']')
		ip = sv_sub(ip, 1, ip.n - 1);
	const char *text = arena_printf(a, "%.*s:%.*s", (int)name.n, name.p, (int)ip.n, ip.p);
	if (extra_host_check(text, e) < 0)
		return -1;
	*out = text;
	return 0;
}

int nano_cpus_parse(struct sv s, int64_t *out, struct err **e)
{
	struct sv t = s, whole, frac;
	uint64_t w = 0, f = 0;
	bool neg = t.n && t.p[0] == '-';

	/* A negative number is one, too; the daemon has the word for it. */
	if (neg)
		t = sv_sub(t, 1, t.n);
	(void)sv_cut(t, '.', &whole, &frac);
	if ((!whole.n && !frac.n) || (whole.n && parse_u64(whole, 1000000, &w) < 0) ||
	    (frac.n && parse_u64(frac, UINT64_MAX, &f) < 0))
		return err_set(e, ERR_INVALID, "failed to parse %.*s as a rational number", (int)s.n, s.p);
	if (frac.n > 9)
		return err_set(e, ERR_INVALID, "value is too precise");
	for (size_t i = frac.n; i < 9; i++)
		f *= 10;
	*out = (int64_t)(w * 1000000000u + f) * (neg ? -1 : 1);
	return 0;
}

int lxc_conf_parse(struct arena *a, struct sv s, struct api_key_value *out, struct err **e)
{
	struct sv key, val, rest;

	if (!sv_cut(s, '=', &key, &val))
		return err_set(e, ERR_INVALID, "Unable to parse key/value option: %.*s", (int)s.n, s.p);
	key = sv_trim(key);
	val = sv_trim(val);
	if (!sv_cut(key, '.', &key, &rest))
		return err_set(e, ERR_INVALID, "Illegal Key passed into LXC Configurations");
	*out = (struct api_key_value){
		.key = arena_printf(a, "lxc.%.*s", (int)rest.n, rest.p),
		.value = arena_strndup(a, val.p ? val.p : "", val.n),
	};
	return 0;
}

/* --- security options --- */

int security_options_parse(struct arena *a, const struct model_str_list *opts, struct security_options *out,
			   struct err **e)
{
	struct security_options so = { 0 };

	for (size_t i = 0; i < opts->n; i++) {
		const char *o = opts->v[i] ? opts->v[i] : "";
		struct sv k, v;
		if (str_eq(o, "no-new-privileges")) {
			so.has_no_new_privileges = so.no_new_privileges = true;
			continue;
		}
		if (str_eq(o, "disable")) {
			model_strs_add(a, &so.labels, o);
			continue;
		}
		/* ':' is the separator of older clients. */
		if (!sv_cut(sv_of(o), '=', &k, &v) && !sv_cut(sv_of(o), ':', &k, &v))
			return err_set(e, ERR_INVALID, "invalid --security-opt 1: \"%s\"", o);
		const char *val = arena_strndup(a, v.p, v.n);
		if (sv_eqs(k, "label")) {
			model_strs_add(a, &so.labels, val);
		} else if (sv_eqs(k, "apparmor")) {
			so.apparmor = val;
		} else if (sv_eqs(k, "seccomp")) {
			so.seccomp = val;
		} else if (sv_eqs(k, "no-new-privileges")) {
			so.has_no_new_privileges = true;
			if (parse_bool(v, &so.no_new_privileges) < 0)
				return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		} else if (sv_eqs(k, "writable-cgroups")) {
			so.has_writable_cgroups = true;
			if (parse_bool(v, &so.writable_cgroups) < 0)
				return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		} else if (sv_eqs(k, "systempaths") && sv_eqs(v, "unconfined")) {
			so.systempaths_unconfined = true;
		} else {
			return err_set(e, ERR_INVALID, "invalid --security-opt 2: \"%s\"", o);
		}
	}
	*out = so;
	return 0;
}

/* --- lists of numbers, modes --- */

int cpu_list_parse(struct sv s, unsigned limit, unsigned char *mask)
{
	struct sv one, lo, hi;
	uint64_t a, b;
	bool more;

	if (!s.n)
		return 0;
	do {
		more = sv_cut(s, ',', &one, &s);
		bool range = sv_cut(one, '-', &lo, &hi);
		if (parse_u64(lo, UINT32_MAX, &a) < 0)
			return -EINVAL;
		b = a;
		if (range && (parse_u64(hi, UINT32_MAX, &b) < 0 || b < a))
			return -EINVAL;
		if (b >= limit)
			return -ERANGE;
		for (uint64_t i = a; mask && i <= b; i++)
			mask[i / 8] = (unsigned char)(mask[i / 8] | 1u << (i % 8));
	} while (more);
	return 0;
}

const char *mode_container(const char *mode)
{
	return mode && str_starts(mode, "container:") ? mode + sizeof("container:") - 1 : NULL;
}

int sysctl_check(const char *key, const struct sysctl_scope *s, struct err **e)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
					   "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
					   "kernel.shmmni", "kernel.shm_rmid_forced" };
	cleanup_strbuf struct strbuf name = { 0 };

	/* "net/ipv4/ip_forward" is the same key. */
	for (const char *p = key; *p; p++)
		sb_addc(&name, *p == '/' ? '.' : *p);
	const char *k = sb_str(&name);
	bool is_ipc = str_starts(k, "fs.mqueue.");
	for (size_t i = 0; i < ARRAY_LEN(ipc); i++)
		is_ipc |= str_eq(k, ipc[i]);
	if (is_ipc) {
		if (s->host_ipc)
			return err_set(e, ERR_INVALID,
				       "sysctl \"%s\" is not allowed in the hosts ipc namespace", key);
		return 0;
	}
	if (str_starts(k, "net.")) {
		if (s->host_net)
			return err_set(e, ERR_INVALID, "sysctl \"%s\" not allowed in host network namespace",
				       key);
		return 0;
	}
	if (str_eq(k, "kernel.domainname") || str_eq(k, "kernel.hostname")) {
		bool host = str_eq(k, "kernel.hostname");
		if (s->host_uts)
			return err_set(e, ERR_INVALID,
				       "sysctl \"%s\" is not allowed in the hosts UTS namespace", key);
		if (host ? s->has_hostname : s->has_domainname)
			return err_set(
				e, ERR_INVALID,
				"sysctl \"%s\" is not allowed as it conflicts with the OCI \"%s\" field", key,
				host ? "hostname" : "domainname");
		return 0;
	}
	return err_set(e, ERR_INVALID, "sysctl \"%s\" is not in a separate kernel namespace", key);
}

int detach_keys_parse(struct sv s, unsigned char out[DETACH_KEYS_MAX], size_t *n, struct err **e)
{
	struct sv one, rest = s;
	size_t k = 0;
	bool more;

	do {
		more = sv_cut(rest, ',', &one, &rest);
		int c = -1;
		if (one.n == 1) {
			c = (unsigned char)one.p[0];
		} else if (sv_eqs(one, "DEL")) {
			c = 127;
		} else if (one.n == 6 && sv_starts(one, SV("ctrl-"))) {
			char l = one.p[5];
			if (l >= 'a' && l <= 'z')
				c = l - 'a' + 1;
			else if (l == '@')
				c = 0;
			else if (l >= '[' && l <= '_')
				c = l - '[' + 27;
		}
		if (c < 0 || k == DETACH_KEYS_MAX)
			return err_set(e, ERR_INVALID, "Unknown character: '%.*s'", (int)one.n, one.p);
		out[k++] = (unsigned char)c;
	} while (more);
	*n = k;
	return 0;
}
