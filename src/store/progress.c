/* SPDX-License-Identifier: Apache-2.0 */
#include "store/progress.h"

#include "base/mem.h"
#include "codec/json.h"
#include "model/size.h"

#include <stdio.h>

#define BAR_WIDTH 50u

static void send(const struct store_progress *p, struct strbuf *b)
{
	p->message(p->ctx, sb_sv(b));
}

void progress_stream(const struct store_progress *p, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf b = { 0 }, text = { 0 };
	struct jw w = jw_to(&b);
	va_list ap;
	if (!p || !p->message)
		return;
	va_start(ap, fmt);
	sb_vaddf(&text, fmt, ap);
	va_end(ap);
	jw_obj(&w);
	jw_kstr(&w, "stream", sb_str(&text));
	jw_end(&w);
	send(p, &b);
}

void progress_status(const struct store_progress *p, const char *text)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	if (!p || !p->message)
		return;
	jw_obj(&w);
	jw_kstr(&w, "status", text);
	jw_end(&w);
	send(p, &b);
}

static void human(struct strbuf *b, uint64_t n)
{
	sb_add(b, size_human((double)n).s);
}

static void bar(struct strbuf *b, uint64_t current, uint64_t total)
{
	if (total && current <= total) {
		unsigned done = (unsigned)((double)current / (double)total * BAR_WIDTH);
		sb_addc(b, '[');
		for (unsigned i = 0; i < BAR_WIDTH; i++)
			sb_addc(b, i < done ? '=' : i == done ? '>' : ' ');
		sb_add(b, "]  ");
	}
	human(b, current);
	if (total) {
		sb_addc(b, '/');
		human(b, total);
	}
}

void progress_bar(const struct store_progress *p, const char *status, const char *id, uint64_t current,
		  uint64_t total)
{
	cleanup_strbuf struct strbuf b = { 0 }, text = { 0 };
	struct jw w = jw_to(&b);
	if (!p || !p->message || p->quiet)
		return;
	jw_obj(&w);
	jw_kstr(&w, "status", status);
	jw_kobj(&w, "progressDetail");
	if (current || total) {
		jw_ku64(&w, "current", current);
		if (total)
			jw_ku64(&w, "total", total);
	}
	jw_end(&w);
	if (current || total) {
		bar(&text, current, total);
		jw_kstr(&w, "progress", sb_str(&text));
	}
	if (id)
		jw_kstr(&w, "id", id);
	jw_end(&w);
	send(p, &b);
}
