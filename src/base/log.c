/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int level = LOG_INFO;
static bool as_json;
static const char *const names[] = { "error", "warning", "info", "debug" };

void log_set_level(enum log_level l)
{
	__atomic_store_n(&level, (int)l, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
	return (enum log_level)__atomic_load_n(&level, __ATOMIC_RELAXED);
}

void log_set_json(bool json)
{
	as_json = json;
}

static void add_quoted(struct strbuf *b, const char *s)
{
	sb_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			sb_addf(b, "\\%c", c);
		else if (c == '\n')
			sb_add(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			sb_addf(b, as_json ? "\\u%04x" : "\\x%02x", c);
		else
			sb_addc(b, (char)c);
	}
	sb_addc(b, '"');
}

static bool needs_quotes(const char *s)
{
	if (!*s)
		return true;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return false;
}

void log_msg_(enum log_level l, const char *const *kv, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf msg = { 0 };
	cleanup_strbuf struct strbuf line = { 0 };
	int saved = errno;
	va_list ap;

	if (l > log_get_level())
		return;
	va_start(ap, fmt);
	sb_vaddf(&msg, fmt, ap);
	va_end(ap);
	sb_addf(&line, as_json ? "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":" : "time=\"%s\" level=%s msg=",
		clock_rfc3339nano(clock_now_ns()).s, names[l]);
	add_quoted(&line, sb_str(&msg));
	for (; kv && kv[0]; kv += 2) {
		const char *value = kv[1] ? kv[1] : "";

		if (as_json) {
			sb_addc(&line, ',');
			add_quoted(&line, kv[0]);
			sb_addc(&line, ':');
			add_quoted(&line, value);
		} else {
			sb_addf(&line, " %s=", kv[0]);
			if (needs_quotes(value))
				add_quoted(&line, value);
			else
				sb_add(&line, value);
		}
		if (!kv[1])
			break;
	}
	sb_add(&line, as_json ? "}\n" : "\n");
	/* One write a line: lines of several threads do not mix. */
	(void)!write(STDERR_FILENO, line.p, line.n);
	errno = saved;
}
