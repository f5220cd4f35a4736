/* SPDX-License-Identifier: Apache-2.0 */
#include "model/caps.h"

/* In the order of their numbers. */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static const char *const defaults[] = {
	"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
	"CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	"CAP_KILL",    "CAP_AUDIT_WRITE",
};

int cap_number(struct sv name)
{
	if (name.n > 4 && sv_ieqs(sv_sub(name, 0, 4), "CAP_"))
		name = sv_sub(name, 4, name.n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (sv_ieqs(name, names[i] + 4))
			return (int)i;
	}
	return -1;
}

const char *cap_name(int number)
{
	return number >= 0 && (size_t)number < ARRAY_LEN(names) ? names[number] : NULL;
}

const char *cap_normalize(struct sv s)
{
	if (sv_ieqs(s, "ALL"))
		return "ALL";
	return cap_name(cap_number(s));
}

static int check(const struct model_str_list *l, const char *what, struct err **e)
{
	for (size_t i = 0; i < l->n; i++) {
		struct sv s = sv_of(l->v[i] ? l->v[i] : "");
		if (cap_normalize(s))
			continue;
		cleanup_strbuf struct strbuf b = { 0 };
		if (!(s.n > 4 && sv_ieqs(sv_sub(s, 0, 4), "CAP_")))
			sb_add(&b, "CAP_");
		for (size_t k = 0; k < s.n; k++)
			sb_addc(&b, s.p[k] >= 'a' && s.p[k] <= 'z' ? (char)(s.p[k] - 'a' + 'A') : s.p[k]);
		return err_set(e, ERR_INVALID, "invalid %s: unknown capability: \"%s\"", what, sb_str(&b));
	}
	return 0;
}

int caps_check(const struct model_str_list *add, const struct model_str_list *drop, struct err **e)
{
	if (check(add, "CapAdd", e) < 0 || check(drop, "CapDrop", e) < 0)
		return -1;
	return 0;
}

static bool listed(const struct model_str_list *l, const char *cap)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i] && str_eq(cap_normalize(sv_of(l->v[i])), cap))
			return true;
	}
	return false;
}

void caps_combine(struct arena *a, const struct model_str_list *add, const struct model_str_list *drop,
		  bool privileged, struct model_str_list *out)
{
	bool all = privileged || listed(add, "ALL"), none = !all && listed(drop, "ALL");

	model_strs_empty(a, out);
	if (all) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			if (privileged || !listed(drop, names[i]))
				model_strs_add(a, out, names[i]);
		}
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(defaults) && !none; i++) {
		if (!listed(drop, defaults[i]))
			model_strs_add(a, out, defaults[i]);
	}
	for (size_t i = 0; i < add->n; i++) {
		const char *cap = add->v[i] ? cap_normalize(sv_of(add->v[i])) : NULL;
		if (cap && !model_strs_has(out, cap))
			model_strs_add(a, out, cap);
	}
}
