/* SPDX-License-Identifier: Apache-2.0 */
#include "model/reference.h"

#include <errno.h>

#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL      "library/"

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}

static bool is_hex(struct sv s, bool lower_only)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!is_digit(c) && !(c >= 'a' && c <= 'f') && (lower_only || !(c >= 'A' && c <= 'F')))
			return false;
	}
	return s.n > 0;
}

/* a-z0-9 runs, joined by one of ". _ __" or any number of "-". */
static bool path_component_ok(struct sv s)
{
	size_t i = 0;

	for (;;) {
		size_t from = i;
		while (i < s.n && (is_lower(s.p[i]) || is_digit(s.p[i])))
			i++;
		if (i == from)
			return false;
		if (i == s.n)
			return true;
		if (s.p[i] == '.') {
			i++;
		} else if (s.p[i] == '_') {
			i++;
			if (i < s.n && s.p[i] == '_')
				i++;
		} else if (s.p[i] == '-') {
			while (i < s.n && s.p[i] == '-')
				i++;
		} else {
			return false;
		}
	}
}

static bool path_ok(struct sv path)
{
	struct sv head;
	bool more;

	do {
		more = sv_cut(path, '/', &head, &path);
		if (!path_component_ok(head))
			return false;
	} while (more);
	return true;
}

static bool host_label_ok(struct sv s)
{
	if (!s.n || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	}
	return true;
}

static bool domain_ok(struct sv s)
{
	struct sv host = s, port = { 0 }, label;
	bool more;

	if (s.n && s.p[0] == '[') {
		ssize_t end = sv_find(s, ']');
		if (end < 2)
			return false;
		for (ssize_t i = 1; i < end; i++) {
			if (!is_hex(sv_n(s.p + i, 1), false) && s.p[i] != ':')
				return false;
		}
		port = sv_sub(s, (size_t)end + 1, s.n);
		if (!port.n)
			return true;
		if (port.p[0] != ':')
			return false;
		port = sv_sub(port, 1, port.n);
		if (!port.n)
			return false;
	} else {
		if (sv_cut(s, ':', &host, &port) && !port.n)
			return false;
		do {
			more = sv_cut(host, '.', &label, &host);
			if (!host_label_ok(label))
				return false;
		} while (more);
	}
	for (size_t i = 0; i < port.n; i++) {
		if (!is_digit(port.p[i]))
			return false;
	}
	return true;
}

bool reference_tag_is_valid(struct sv t)
{
	if (!t.n || t.n > REFERENCE_TAG_MAX || t.p[0] == '.' || t.p[0] == '-')
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (!is_alnum(t.p[i]) && t.p[i] != '_' && t.p[i] != '.' && t.p[i] != '-')
			return false;
	}
	return true;
}

/* The loose form of the reference grammar: algorithm words, then at least 32 hex digits. */
static bool digest_form_ok(struct sv s)
{
	struct sv algo, hex;

	if (!sv_cut(s, ':', &algo, &hex) || hex.n < 32 || !is_hex(hex, false))
		return false;
	bool word_start = true;
	for (size_t i = 0; i < algo.n; i++) {
		char c = algo.p[i];
		if (word_start) {
			if (!is_lower(c) && !is_upper(c))
				return false;
			word_start = false;
		} else if (c == '+' || c == '.' || c == '-' || c == '_') {
			word_start = true;
		} else if (!is_alnum(c)) {
			return false;
		}
	}
	return algo.n && !word_start;
}

static size_t digest_hex_len(struct sv algo)
{
	if (sv_eqs(algo, "sha256"))
		return 64;
	if (sv_eqs(algo, "sha384"))
		return 96;
	if (sv_eqs(algo, "sha512"))
		return 128;
	return 0;
}

bool digest_is_valid(struct sv s)
{
	struct sv algo, hex;

	return sv_cut(s, ':', &algo, &hex) && digest_hex_len(algo) && hex.n == digest_hex_len(algo) &&
	       is_hex(hex, true);
}

static bool has_upper(struct sv s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_upper(s.p[i]))
			return true;
	}
	return false;
}

/* What stands before the first '/' is a host only if it looks like one. */
static bool looks_like_domain(struct sv head)
{
	return sv_find(head, '.') >= 0 || sv_find(head, ':') >= 0 || sv_eqs(head, "localhost") ||
	       has_upper(head);
}

static int fail_format(struct err **e)
{
	return err_set(e, ERR_INVALID, "invalid reference format");
}

int reference_parse(struct arena *a, struct sv s, struct reference *out, struct err **e)
{
	struct sv domain = SV(REFERENCE_DEFAULT_DOMAIN), rest = s, head, tail;
	struct sv name, digest = { 0 }, tag = { 0 };

	if (s.n == 64 && is_hex(s, true))
		return err_set(e, ERR_INVALID,
			       "invalid repository name (%.*s), cannot specify 64-byte hexadecimal strings",
			       (int)s.n, s.p);
	if (!s.n || memchr(s.p, '\0', s.n))
		return fail_format(e);
	if (sv_cut(s, '/', &head, &tail) && looks_like_domain(head)) {
		domain = head;
		rest = tail;
	}
	if (sv_eqs(domain, LEGACY_DOMAIN))
		domain = SV(REFERENCE_DEFAULT_DOMAIN);

	ssize_t colon = sv_find(rest, ':');
	struct sv remote = colon < 0 ? rest : sv_sub(rest, 0, (size_t)colon);
	if (has_upper(remote))
		return err_set(e, ERR_INVALID,
			       "invalid reference format: repository name (%s%.*s) must be lowercase",
			       sv_eqs(domain, REFERENCE_DEFAULT_DOMAIN) && sv_find(rest, '/') < 0 ? OFFICIAL
												  : "",
			       (int)remote.n, remote.p);

	bool has_digest = sv_cut(rest, '@', &name, &digest);
	bool has_tag = sv_cut(name, ':', &name, &tag);
	if (has_digest && !digest_form_ok(digest))
		return fail_format(e);
	if ((has_tag && !reference_tag_is_valid(tag)) || !domain_ok(domain) || !path_ok(name))
		return fail_format(e);
	if (has_digest) {
		struct sv algo, hex;
		(void)sv_cut(digest, ':', &algo, &hex);
		if (!digest_hex_len(algo))
			return err_set(e, ERR_INVALID, "unsupported digest algorithm");
		if (hex.n != digest_hex_len(algo))
			return err_set(e, ERR_INVALID, "invalid checksum digest length");
		if (!digest_is_valid(digest))
			return err_set(e, ERR_INVALID, "invalid checksum digest format");
	}

	bool official = sv_eqs(domain, REFERENCE_DEFAULT_DOMAIN) && sv_find(name, '/') < 0;
	size_t path_n = name.n + (official ? sizeof(OFFICIAL) - 1 : 0);
	if (path_n > REFERENCE_NAME_MAX)
		return err_set(e, ERR_INVALID, "repository name must not be more than %d characters",
			       REFERENCE_NAME_MAX);
	*out = (struct reference){
		.domain = arena_strndup(a, domain.p, domain.n),
		.path = arena_printf(a, "%s%.*s", official ? OFFICIAL : "", (int)name.n, name.p),
		.tag = has_tag ? arena_strndup(a, tag.p, tag.n) : NULL,
		.digest = has_digest ? arena_strndup(a, digest.p, digest.n) : NULL,
	};
	return 0;
}

void reference_default_tag(struct reference *r)
{
	if (!r->tag && !r->digest)
		r->tag = "latest";
}

const char *reference_name(struct arena *a, const struct reference *r)
{
	return arena_printf(a, "%s/%s", r->domain, r->path);
}

const char *reference_familiar_name(struct arena *a, const struct reference *r)
{
	if (!str_eq(r->domain, REFERENCE_DEFAULT_DOMAIN))
		return reference_name(a, r);
	if (str_starts(r->path, OFFICIAL) && !strchr(r->path + sizeof(OFFICIAL) - 1, '/'))
		return arena_strdup(a, r->path + sizeof(OFFICIAL) - 1);
	return arena_strdup(a, r->path);
}

static const char *with_suffix(struct arena *a, const char *name, const struct reference *r)
{
	return arena_printf(a, "%s%s%s%s%s", name, r->tag ? ":" : "", r->tag ? r->tag : "",
			    r->digest ? "@" : "", r->digest ? r->digest : "");
}

const char *reference_string(struct arena *a, const struct reference *r)
{
	return with_suffix(a, reference_name(a, r), r);
}

const char *reference_familiar(struct arena *a, const struct reference *r)
{
	return with_suffix(a, reference_familiar_name(a, r), r);
}

bool reference_equal(const struct reference *a, const struct reference *b)
{
	return str_eq(a->domain, b->domain) && str_eq(a->path, b->path) && str_eq(a->tag, b->tag) &&
	       str_eq(a->digest, b->digest);
}

/* --- patterns --- */

/* A bracket set at p (behind '['); *next gets what follows it. 1, 0 or -EINVAL. */
static int match_set(struct sv p, char c, struct sv *next)
{
	size_t i = 0;
	bool negate = false, hit = false, any = false;

	if (i < p.n && p.p[i] == '^') {
		negate = true;
		i++;
	}
	for (;; any = true) {
		char lo, hi;
		if (i >= p.n)
			return -EINVAL;
		if (p.p[i] == ']' && any)
			break;
		if (p.p[i] == '-' || p.p[i] == ']')
			return -EINVAL;
		if (p.p[i] == '\\' && ++i >= p.n)
			return -EINVAL;
		lo = hi = p.p[i++];
		if (i < p.n && p.p[i] == '-') {
			i++;
			if (i >= p.n || p.p[i] == '-' || p.p[i] == ']')
				return -EINVAL;
			if (p.p[i] == '\\' && ++i >= p.n)
				return -EINVAL;
			hi = p.p[i++];
		}
		if ((unsigned char)lo <= (unsigned char)c && (unsigned char)c <= (unsigned char)hi)
			hit = true;
	}
	*next = sv_sub(p, i + 1, p.n);
	return hit != negate;
}

/* Whether the pattern is well formed, whatever it is matched with. */
static bool pattern_ok(struct sv p)
{
	while (p.n) {
		char c = p.p[0];
		p = sv_sub(p, 1, p.n);
		if (c == '\\') {
			if (!p.n)
				return false;
			p = sv_sub(p, 1, p.n);
		} else if (c == '[' && match_set(p, 'a', &p) < 0) {
			return false;
		}
	}
	return true;
}

int path_match(struct sv p, struct sv s)
{
	struct sv star_p = { 0 }, star_s = { 0 };
	bool star = false;

	if (!pattern_ok(p))
		return -EINVAL;
	/* One level of going back is enough: a later star can only take what an earlier one left. */
	for (;;) {
		struct sv next = p;
		bool ok = false;
		if (p.n && p.p[0] == '*') {
			star = true;
			p = sv_sub(p, 1, p.n);
			star_p = p;
			star_s = s;
			continue;
		}
		if (!p.n) {
			if (!s.n)
				return 1;
		} else if (s.n) {
			if (p.p[0] == '?') {
				ok = s.p[0] != '/';
				next = sv_sub(p, 1, p.n);
			} else if (p.p[0] == '[') {
				ok = match_set(sv_sub(p, 1, p.n), s.p[0], &next) == 1 && s.p[0] != '/';
			} else {
				if (p.p[0] == '\\')
					p = sv_sub(p, 1, p.n);
				ok = p.p[0] == s.p[0];
				next = sv_sub(p, 1, p.n);
			}
		}
		if (ok) {
			p = next;
			s = sv_sub(s, 1, s.n);
			continue;
		}
		if (!star || !star_s.n || star_s.p[0] == '/')
			return 0;
		star_s = sv_sub(star_s, 1, star_s.n);
		s = star_s;
		p = star_p;
	}
}

int reference_match(struct arena *a, const char *pattern, const struct reference *r, bool *match,
		    struct err **e)
{
	int m = path_match(sv_of(pattern), sv_of(reference_familiar(a, r)));

	if (m == 0 && r->tag && r->digest) {
		struct reference tagged = *r;
		tagged.digest = NULL;
		m = path_match(sv_of(pattern), sv_of(reference_familiar(a, &tagged)));
	}
	if (m == 0)
		m = path_match(sv_of(pattern), sv_of(reference_familiar_name(a, r)));
	if (m < 0)
		return err_set(e, ERR_INVALID, "syntax error in pattern");
	*match = m == 1;
	return 0;
}

/* --- anything that names an image --- */

int image_ref_parse(struct arena *a, struct sv s, struct image_ref *out, struct err **e)
{
	struct image_ref r = { 0 };
	struct sv hex = s;
	bool prefixed = sv_starts(s, SV("sha256:"));

	if (prefixed)
		hex = sv_sub(s, 7, s.n);
	if (hex.n == 64 && is_hex(hex, true)) {
		r.kind = IMAGE_REF_ID;
		r.hex = arena_strndup(a, hex.p, hex.n);
		*out = r;
		return 0;
	}
	if (hex.n <= 64 && is_hex(hex, true)) {
		r.kind = IMAGE_REF_PREFIX;
		r.hex = arena_strndup(a, hex.p, hex.n);
		/* "sha256:abc" as a name would be the repository sha256, which nobody may have. */
		r.has_name = !prefixed && reference_parse(a, s, &r.ref, NULL) == 0;
		*out = r;
		return 0;
	}
	if (reference_parse(a, s, &r.ref, e) < 0)
		return -1;
	r.kind = IMAGE_REF_NAME;
	r.has_name = true;
	*out = r;
	return 0;
}
