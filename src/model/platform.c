/* SPDX-License-Identifier: Apache-2.0 */
#include "model/platform.h"

#if defined(__x86_64__)
#define HOST_ARCH "amd64"
#elif defined(__aarch64__)
#define HOST_ARCH "arm64"
#elif defined(__arm__)
#define HOST_ARCH "arm"
#elif defined(__i386__)
#define HOST_ARCH "386"
#elif defined(__riscv)
#define HOST_ARCH "riscv64"
#elif defined(__powerpc64__)
#define HOST_ARCH "ppc64le"
#elif defined(__s390x__)
#define HOST_ARCH "s390x"
#else
#define HOST_ARCH "unknown"
#endif

struct platform platform_host(void)
{
	return (struct platform){ .os = "linux",
				  .arch = HOST_ARCH,
				  .variant = str_eq(HOST_ARCH, "arm") ? "v7" : "" };
}

static const char *const known_os[] = { "aix",     "android", "darwin",  "dragonfly", "freebsd", "hurd",
					"illumos", "ios",     "js",      "linux",     "nacl",    "netbsd",
					"openbsd", "plan9",   "solaris", "wasip1",    "windows", "zos" };
static const char *const known_arch[] = { "386",     "amd64",   "amd64p32", "arm",    "armbe",   "arm64",
					  "arm64be", "loong64", "mips",     "mipsle", "mips64",  "mips64le",
					  "ppc",     "ppc64",   "ppc64le",  "riscv",  "riscv64", "s390",
					  "s390x",   "sparc",   "sparc64",  "wasm" };

static bool known(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(s, list[i]))
			return true;
	}
	return false;
}

static const char *lower(struct arena *a, const char *s)
{
	char *t = arena_strdup(a, s ? s : "");

	for (char *p = t; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	return t;
}

struct platform platform_normalize(struct arena *a, struct platform p)
{
	struct platform r = { lower(a, p.os), lower(a, p.arch), lower(a, p.variant) };

	if (str_eq(r.os, "macos"))
		r.os = "darwin";
	if (str_eq(r.arch, "i386")) {
		r.arch = "386";
		r.variant = "";
	} else if (str_eq(r.arch, "x86_64") || str_eq(r.arch, "x86-64") || str_eq(r.arch, "amd64")) {
		r.arch = "amd64";
		if (str_eq(r.variant, "v1"))
			r.variant = "";
	} else if (str_eq(r.arch, "aarch64") || str_eq(r.arch, "arm64")) {
		r.arch = "arm64";
		if (str_eq(r.variant, "8") || str_eq(r.variant, "v8") || str_eq(r.variant, "v8.0"))
			r.variant = "";
	} else if (str_eq(r.arch, "armhf")) {
		r.arch = "arm";
		r.variant = "v7";
	} else if (str_eq(r.arch, "armel")) {
		r.arch = "arm";
		r.variant = "v6";
	} else if (str_eq(r.arch, "arm")) {
		if (str_eq(r.variant, "") || str_eq(r.variant, "7"))
			r.variant = "v7";
		else if (str_eq(r.variant, "5") || str_eq(r.variant, "6") || str_eq(r.variant, "8"))
			r.variant = arena_printf(a, "v%s", r.variant);
	}
	return r;
}

static bool part_ok(struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '-'))
			return false;
	}
	return s.n > 0;
}

int platform_parse(struct arena *a, struct sv s, struct platform *out, struct err **e)
{
	struct platform host = platform_host(), p = { "", "", "" };
	struct sv rest = s, part;
	const char *v[3];
	size_t n = 0;
	bool more;

	if (sv_find(s, '*') >= 0)
		return err_set(e, ERR_INVALID, "\"%.*s\": wildcards not yet supported: invalid argument",
			       (int)s.n, s.p);
	do {
		more = sv_cut(rest, '/', &part, &rest);
		if (n == 3)
			return err_set(e, ERR_INVALID,
				       "\"%.*s\": cannot parse platform specifier: invalid argument",
				       (int)s.n, s.p);
		if (!part_ok(part))
			return err_set(e, ERR_INVALID,
				       "\"%.*s\" is an invalid component of \"%.*s\": platform specifier "
				       "component must "
				       "match \"^[A-Za-z0-9_.-]+$\": invalid argument",
				       (int)part.n, part.p, (int)s.n, s.p);
		v[n++] = arena_strndup(a, part.p, part.n);
	} while (more);

	if (n == 1) {
		struct platform as_os = platform_normalize(a, (struct platform){ v[0], "", "" });
		struct platform as_arch = platform_normalize(a, (struct platform){ "", v[0], "" });
		if (known(as_os.os, known_os, ARRAY_LEN(known_os))) {
			p = host;
			p.os = as_os.os;
		} else if (known(as_arch.arch, known_arch, ARRAY_LEN(known_arch))) {
			p = as_arch;
			p.os = host.os;
		} else {
			return err_set(e, ERR_INVALID,
				       "\"%.*s\": unknown operating system or architecture: invalid argument",
				       (int)s.n, s.p);
		}
	} else {
		p = (struct platform){ v[0], v[1], n == 3 ? v[2] : "" };
	}
	*out = platform_normalize(a, p);
	return 0;
}

const char *platform_text(struct arena *a, struct platform p)
{
	return arena_printf(a, "%s/%s%s%s", p.os, p.arch, str_empty(p.variant) ? "" : "/",
			    p.variant ? p.variant : "");
}

/* "v7" is 7; 0 when it is no such thing. */
static unsigned variant_level(const char *v)
{
	return v && v[0] == 'v' && v[1] >= '1' && v[1] <= '9' && !v[2] ? (unsigned)(v[1] - '0') : 0;
}

bool platform_matches(struct platform want, struct platform have)
{
	if (!str_eq(want.os, have.os) || !str_eq(want.arch, have.arch))
		return false;
	if (str_eq(want.variant ? want.variant : "", have.variant ? have.variant : "") ||
	    str_empty(have.variant))
		return true;
	unsigned w = variant_level(want.variant), h = variant_level(have.variant);
	if (str_eq(want.arch, "arm"))
		return w && h && h <= w;
	if (str_eq(want.arch, "arm64") && str_empty(want.variant))
		return h == 8;
	return w && h && h <= w;
}
