/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a civil date, and back (proleptic Gregorian; era arithmetic on 400-year cycles).
 */
static int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + (int64_t)(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
	int64_t era;
	unsigned doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = (unsigned)(z - era * 146097);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = doy - (153 * mp + 2) / 5 + 1;
	*m = mp < 10 ? mp + 3 : mp - 9;
	*y = (int64_t)yoe + era * 400 + (*m <= 2);
}

static struct time_text rfc3339(int64_t ns, bool trim)
{
	struct time_text t;
	int64_t sec = ns / NS_PER_SEC, frac = ns % NS_PER_SEC, days, rem, y;
	unsigned mon, day;
	int n;

	if (ns == 0) {
		(void)snprintf(t.s, sizeof(t.s), "%s",
			       trim ? "0001-01-01T00:00:00Z" : "0001-01-01T00:00:00.000000000Z");
		return t;
	}
	if (frac < 0) {
		frac += NS_PER_SEC;
		sec--;
	}
	days = sec / 86400;
	rem = sec % 86400;
	if (rem < 0) {
		rem += 86400;
		days--;
	}
	civil_from_days(days, &y, &mon, &day);
	n = snprintf(t.s, sizeof(t.s), "%04d-%02u-%02uT%02d:%02d:%02d.%09d", (int)y, mon, day,
		     (int)(rem / 3600), (int)(rem / 60 % 60), (int)(rem % 60), (int)frac);
	if (trim) {
		while (t.s[n - 1] == '0')
			n--;
		if (t.s[n - 1] == '.')
			n--;
	}
	t.s[n] = 'Z';
	t.s[n + 1] = '\0';
	return t;
}

struct time_text clock_rfc3339nano(int64_t ns)
{
	return rfc3339(ns, true);
}

struct time_text clock_rfc3339_fixed(int64_t ns)
{
	return rfc3339(ns, false);
}

static int take_number(struct sv *s, size_t digits, unsigned max, unsigned *out)
{
	uint64_t v;
	int r;

	if (s->n < digits)
		return -EINVAL;
	r = parse_u64(sv_sub(*s, 0, digits), max, &v);
	if (r < 0)
		return -EINVAL;
	*out = (unsigned)v;
	*s = sv_sub(*s, digits, s->n);
	return 0;
}

static int take_char(struct sv *s, const char *set)
{
	if (s->n == 0 || !strchr(set, s->p[0]))
		return -EINVAL;
	*s = sv_sub(*s, 1, s->n);
	return 0;
}

/* ".123456" -> nanoseconds; more than nine digits are cut, as Go does. */
static int take_fraction(struct sv *s, int64_t *ns)
{
	int64_t unit = NS_PER_SEC / 10, v = 0;
	size_t n = 0;

	if (s->n == 0 || (s->p[0] != '.' && s->p[0] != ','))
		return 0;
	*s = sv_sub(*s, 1, s->n);
	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9') {
		v += (s->p[n] - '0') * unit;
		unit /= 10;
		n++;
	}
	if (n == 0)
		return -EINVAL;
	*s = sv_sub(*s, n, s->n);
	*ns = v;
	return 0;
}

/* Parses as much of YYYY-MM-DD[THH[:MM[:SS[.frac]]]][Z|±HH:MM] as is there; `whole` demands all of it. */
static int parse_civil(struct sv s, bool whole, int64_t *ns)
{
	static const unsigned char mdays[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned y, mon, d, hh = 0, mm = 0, ss = 0, max_day;
	int64_t frac = 0, sec, offset = 0;
	bool leap;

	if (take_number(&s, 4, 9999, &y) || take_char(&s, "-") || take_number(&s, 2, 12, &mon) ||
	    take_char(&s, "-") || take_number(&s, 2, 31, &d) || mon == 0 || d == 0)
		return -EINVAL;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	max_day = mdays[mon - 1] + (mon == 2 && leap ? 1U : 0U);
	if (d > max_day)
		return -EINVAL;
	if (s.n && (s.p[0] == 'T' || s.p[0] == 't')) {
		s = sv_sub(s, 1, s.n);
		if (take_number(&s, 2, 23, &hh))
			return -EINVAL;
		if (s.n && s.p[0] == ':') {
			s = sv_sub(s, 1, s.n);
			if (take_number(&s, 2, 59, &mm))
				return -EINVAL;
			if (s.n && s.p[0] == ':') {
				s = sv_sub(s, 1, s.n);
				if (take_number(&s, 2, 59, &ss) || take_fraction(&s, &frac))
					return -EINVAL;
			} else if (whole) {
				return -EINVAL;
			}
		} else if (whole) {
			return -EINVAL;
		}
	} else if (whole) {
		return -EINVAL;
	}
	if (s.n && (s.p[0] == 'Z' || s.p[0] == 'z')) {
		s = sv_sub(s, 1, s.n);
	} else if (s.n && (s.p[0] == '+' || s.p[0] == '-')) {
		int64_t sign = s.p[0] == '+' ? 1 : -1;
		unsigned oh, om;

		s = sv_sub(s, 1, s.n);
		if (take_number(&s, 2, 23, &oh) || take_char(&s, ":") || take_number(&s, 2, 59, &om))
			return -EINVAL;
		offset = sign * ((int64_t)oh * 3600 + om * 60);
	} else if (whole) {
		return -EINVAL;
	}
	if (s.n)
		return -EINVAL;
	sec = days_from_civil((int64_t)y, mon, d) * 86400 + (int64_t)hh * 3600 + mm * 60 + ss - offset;
	/* Go's zero time is our 0; anything outside int64 nanoseconds (1678…2262) is no time of a container.
	 */
	if (y == 1 && mon == 1 && d == 1) {
		*ns = 0;
		return 0;
	}
	if (sec > INT64_MAX / NS_PER_SEC - 1 || sec < INT64_MIN / NS_PER_SEC + 1)
		return -EINVAL;
	*ns = sec * NS_PER_SEC + frac;
	return 0;
}

int clock_parse_rfc3339(struct sv s, int64_t *ns)
{
	return parse_civil(s, true, ns);
}

int clock_parse_duration(struct sv s, int64_t *ns)
{
	static const struct {
		const char *name;
		int64_t unit;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "\xc2\xb5s", 1000 },
		{ "\xce\xbcs", 1000 },
		{ "ms", NS_PER_MS },
		{ "s", NS_PER_SEC },
		{ "m", 60 * NS_PER_SEC },
		{ "h", 3600 * NS_PER_SEC },
	};
	bool neg = false;
	int64_t total = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
		neg = s.p[0] == '-';
		s = sv_sub(s, 1, s.n);
	}
	if (sv_eqs(s, "0")) {
		*ns = 0;
		return 0;
	}
	if (s.n == 0)
		return -EINVAL;
	while (s.n) {
		size_t i = 0, k = 0;
		uint64_t whole = 0;
		int64_t frac = 0, part, unit = 0;
		struct sv name;

		while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
			i++;
		if (i && parse_u64(sv_sub(s, 0, i), INT64_MAX, &whole) < 0)
			return -EINVAL;
		s = sv_sub(s, i, s.n);
		if (s.n && s.p[0] == '.') {
			if (i == 0 && (s.n < 2 || s.p[1] < '0' || s.p[1] > '9'))
				return -EINVAL;
			/* "1." is legal in Go */
			if (s.n < 2 || s.p[1] < '0' || s.p[1] > '9')
				s = sv_sub(s, 1, s.n);
			else if (take_fraction(&s, &frac))
				return -EINVAL;
		} else if (i == 0) {
			return -EINVAL;
		}
		while (k < s.n && s.p[k] != '.' && (s.p[k] < '0' || s.p[k] > '9'))
			k++;
		name = sv_sub(s, 0, k);
		for (size_t u = 0; u < ARRAY_LEN(units); u++)
			if (sv_eqs(name, units[u].name))
				unit = units[u].unit;
		if (unit == 0)
			return -EINVAL;
		if (__builtin_mul_overflow((int64_t)whole, unit, &part) ||
		    __builtin_add_overflow(total, part, &total) ||
		    __builtin_add_overflow(total, (int64_t)((__int128)frac * unit / NS_PER_SEC), &total))
			return -EINVAL;
		s = sv_sub(s, k, s.n);
	}
	*ns = neg ? -total : total;
	return 0;
}

int clock_parse_docker(struct sv s, int64_t now_ns, int64_t *ns)
{
	struct sv head, tail;
	int64_t sec, frac = 0, d;
	bool dotted;

	if (s.n == 0)
		return -EINVAL;
	if (clock_parse_duration(s, &d) == 0 && !sv_eqs(s, "0")) {
		*ns = now_ns - d;
		return 0;
	}
	dotted = sv_cut(s, '.', &head, &tail);
	if (parse_i64(head, INT64_MIN / NS_PER_SEC + 1, INT64_MAX / NS_PER_SEC - 1, &sec) == 0) {
		struct sv rest = sv_sub(s, head.n, s.n);

		if (dotted && tail.n && (take_fraction(&rest, &frac) || rest.n))
			return -EINVAL;
		*ns = sec * NS_PER_SEC + frac;
		return 0;
	}
	return parse_civil(s, false, ns);
}

struct time_text clock_human_duration(int64_t ns)
{
	struct time_text t;
	int64_t sec = ns / NS_PER_SEC, min = sec / 60, hours = (sec + 1800) / 3600;

	/* go-units: minutes are whole ones, hours are rounded to the nearest. */
	if (sec < 1)
		(void)snprintf(t.s, sizeof(t.s), "Less than a second");
	else if (sec == 1)
		(void)snprintf(t.s, sizeof(t.s), "1 second");
	else if (sec < 60)
		(void)snprintf(t.s, sizeof(t.s), "%lld seconds", (long long)sec);
	else if (min == 1)
		(void)snprintf(t.s, sizeof(t.s), "About a minute");
	else if (min < 60)
		(void)snprintf(t.s, sizeof(t.s), "%lld minutes", (long long)min);
	else if (hours == 1)
		(void)snprintf(t.s, sizeof(t.s), "About an hour");
	else if (hours < 48)
		(void)snprintf(t.s, sizeof(t.s), "%lld hours", (long long)hours);
	else if (hours < 24 * 7 * 2)
		(void)snprintf(t.s, sizeof(t.s), "%lld days", (long long)hours / 24);
	else if (hours < 24 * 30 * 2)
		(void)snprintf(t.s, sizeof(t.s), "%lld weeks", (long long)hours / 24 / 7);
	else if (hours < 24 * 365 * 2)
		(void)snprintf(t.s, sizeof(t.s), "%lld months", (long long)hours / 24 / 30);
	else
		(void)snprintf(t.s, sizeof(t.s), "%lld years", (long long)hours / 24 / 365);
	return t;
}
