/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route-internal.h"

#include <string.h>

/* Matches the rest of a pattern; a greedy name tries its longest value first. */
static bool match(const char *pattern, const char *path, struct api_match *m)
{
	while (*pattern && *pattern != '{') {
		if (*pattern++ != *path++)
			return false;
	}
	if (!*pattern)
		return !*path;

	const char *close = strchr(pattern, '}');
	bool greedy = close - pattern > 3 && !strncmp(close - 3, ":.*", 3);
	size_t max = greedy ? strlen(path) : strcspn(path, "/");
	size_t at = m->n++;
	for (size_t len = max;; len--) {
		m->param[at] = sv_n(path, len);
		if ((greedy || len) && match(close + 1, path + len, m))
			return true;
		m->n = at + 1;
		if (!len)
			break;
	}
	m->n = at;
	return false;
}

bool api_route_match(const char *pattern, const char *path, struct api_match *out)
{
	out->n = 0;
	return match(pattern, path, out);
}

const char *api_version_split(const char *path, struct sv *version)
{
	const char *p = path;

	*version = (struct sv){ NULL, 0 };
	if (p[0] != '/' || p[1] != 'v')
		return path;
	p += 2;
	size_t n = strspn(p, "0123456789.");
	if (!n || (p[n] != '/' && p[n]))
		return path;
	*version = sv_n(p, n);
	return p[n] ? p + n : "/";
}

/* The next number of a dotted version; junk and overflow count as a very large one. */
static uint32_t component(struct sv *v)
{
	struct sv head;
	uint32_t n;

	(void)sv_cut(*v, '.', &head, v);
	if (!head.n)
		return 0;
	return parse_u32(head, UINT32_MAX, &n) < 0 ? UINT32_MAX : n;
}

int api_version_compare(struct sv a, struct sv b)
{
	while (a.n || b.n) {
		uint32_t x = component(&a), y = component(&b);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}
