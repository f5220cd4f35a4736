/* SPDX-License-Identifier: Apache-2.0 */
#include "model/size.h"

#include <stdio.h>
#include <stdlib.h>

static struct size_text scaled(double size, double base, int digits, const char *const *units)
{
	struct size_text t;
	int i = 0;

	while (size >= base && i < 8) {
		size /= base;
		i++;
	}
	(void)snprintf(t.s, sizeof(t.s), "%.*g%s", digits, size, units[i]);
	return t;
}

struct size_text size_human_prec(double bytes, int digits)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };
	return scaled(bytes, 1000, digits, units);
}

struct size_text size_human(double bytes)
{
	return size_human_prec(bytes, 4);
}

struct size_text size_bytes(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB" };
	return scaled(bytes, 1024, 4, units);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The number of a size: digits with at most one point. */
static int parse_number(struct sv s, double *out)
{
	char buf[64];
	bool point = false, digit = false;

	if (!s.n || s.n >= sizeof(buf))
		return -1;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (c == '.' && !point)
			point = true;
		else if (c >= '0' && c <= '9')
			digit = true;
		else
			return -1;
		buf[i] = c;
	}
	buf[s.n] = '\0';
	if (!digit)
		return -1;
	*out = strtod(buf, NULL);
	return 0;
}

static int parse_size(struct sv s, double base, int64_t *out, struct err **e)
{
	static const char letters[] = "kmgtp";
	size_t sep = s.n;
	double v;

	while (sep > 0 && !strchr("0123456789. ", s.p[sep - 1]))
		sep--;
	if (!sep)
		return err_set(e, ERR_INVALID, "invalid size: '%.*s'", (int)s.n, s.p);
	struct sv num = sv_sub(s, 0, s.p[sep - 1] == ' ' ? sep - 1 : sep), sfx = sv_sub(s, sep, s.n);
	if (num.n && num.p[0] == '-' && parse_number(sv_sub(num, 1, num.n), &v) == 0)
		return err_set(e, ERR_INVALID, "invalid size: '%.*s'", (int)s.n, s.p);
	if (parse_number(num, &v) < 0)
		return err_set(e, ERR_INVALID, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
			       (int)num.n, num.p);

	char unit[4] = { 0 };
	for (size_t i = 0; i < sfx.n && i < 3; i++)
		unit[i] = lower(sfx.p[i]);
	if (sfx.n > 3)
		goto bad_suffix;
	if (unit[0] == 'b') {
		if (sfx.n > 1)
			goto bad_suffix;
	} else if (sfx.n) {
		const char *l = strchr(letters, unit[0]);
		if (!l || (sfx.n == 2 && unit[1] != 'b') ||
		    (sfx.n == 3 && (unit[1] != 'i' || unit[2] != 'b')))
			goto bad_suffix;
		for (const char *p = letters; p <= l; p++)
			v *= base;
	}
	if (v >= 9223372036854775808.0)
		return err_set(e, ERR_INVALID, "invalid size: '%.*s'", (int)s.n, s.p);
	*out = (int64_t)v;
	return 0;
bad_suffix:
	return err_set(e, ERR_INVALID, "invalid suffix: '%.*s'", (int)sfx.n, sfx.p);
}

int size_parse_ram(struct sv s, int64_t *out, struct err **e)
{
	return parse_size(s, 1024, out, e);
}

int size_parse_human(struct sv s, int64_t *out, struct err **e)
{
	return parse_size(s, 1000, out, e);
}
