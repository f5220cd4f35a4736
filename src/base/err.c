/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct err {
	enum err_class class;
	int sys;
	char *text;
};

const char *err_sys_text(int sys, char *buf, size_t n)
{
	/* strerror() may translate and share a buffer; the GNU strerror_r returns a constant here. */
	char tmp[96];
#ifdef __GLIBC__
	const char *s = strerror_r(sys, tmp, sizeof(tmp));
#else
	const char *s = strerror_r(sys, tmp, sizeof(tmp)) == 0 ? tmp : "unknown error";
#endif

	(void)snprintf(buf, n, "%s", s);
	/* "Input/output error" -> "input/output error", but leave acronyms alone. */
	if (n > 1 && buf[0] >= 'A' && buf[0] <= 'Z' && buf[1] >= 'a' && buf[1] <= 'z')
		buf[0] = (char)(buf[0] - 'A' + 'a');
	return buf;
}

void err_set_(struct err **e, enum err_class c, int sys, const char *fmt, ...)
{
	va_list ap;
	struct err *n;

	if (!e || *e)
		return;
	n = NEW(struct err);
	n->class = c;
	n->sys = sys;
	va_start(ap, fmt);
	n->text = xvasprintf(fmt, ap);
	va_end(ap);
	if (sys) {
		char text[96];
		char *whole = xasprintf("%s: %s", n->text, err_sys_text(sys, text, sizeof(text)));

		free(n->text);
		n->text = whole;
	}
	*e = n;
}

void err_wrap_(struct err **e, const char *fmt, ...)
{
	va_list ap;
	char *prefix, *whole;

	if (!e || !*e)
		return;
	va_start(ap, fmt);
	prefix = xvasprintf(fmt, ap);
	va_end(ap);
	whole = xasprintf("%s: %s", prefix, (*e)->text);
	free(prefix);
	free((*e)->text);
	(*e)->text = whole;
}

enum err_class err_class(const struct err *e)
{
	return e ? e->class : ERR_SYSTEM;
}

int err_errno(const struct err *e)
{
	return e ? e->sys : 0;
}

const char *err_text(const struct err *e)
{
	return e ? e->text : "";
}

void err_move(struct err **dst, struct err **src)
{
	if (dst && !*dst)
		*dst = TAKE_PTR(*src);
	err_free(TAKE_PTR(*src));
}

void err_free(struct err *e)
{
	if (!e)
		return;
	free(e->text);
	free(e);
}
