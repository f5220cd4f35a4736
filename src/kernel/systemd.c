/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/systemd.h"

#include "base/clock.h"
#include "base/fdpass.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PRIVATE_SOCKET "/run/systemd/private"
#define TIMEOUT_MS     30000
#define MAX_FIELDS     32

/* --- writing D-Bus: little endian, alignments relative to the start of the message (a body starts at 8n) --- */

static void align(struct strbuf *b, size_t n)
{
	while (b->n % n)
		sb_addc(b, '\0');
}
static void put_u32(struct strbuf *b, uint32_t v)
{
	align(b, 4);
	sb_addn(b, &v, 4);
}
static void put_u64(struct strbuf *b, uint64_t v)
{
	align(b, 8);
	sb_addn(b, &v, 8);
}
static void put_str(struct strbuf *b, const char *s)
{
	put_u32(b, (uint32_t)strlen(s));
	sb_addn(b, s, strlen(s) + 1);
}
static void put_sig(struct strbuf *b, const char *s)
{
	sb_addc(b, (char)strlen(s));
	sb_addn(b, s, strlen(s) + 1);
}
/* The length of an array is written when its end is known; it does not count the padding before the first element. */
static size_t array_begin(struct strbuf *b, size_t element_align, size_t *first)
{
	put_u32(b, 0);
	size_t at = b->n - 4;

	align(b, element_align);
	*first = b->n;
	return at;
}
static void array_end(struct strbuf *b, size_t at, size_t first)
{
	uint32_t n = (uint32_t)(b->n - first);

	memcpy(b->p + at, &n, 4);
}

static void prop_str(struct strbuf *b, const char *name, const char *v)
{
	align(b, 8);
	put_str(b, name);
	put_sig(b, "s");
	put_str(b, v);
}
static void prop_bool(struct strbuf *b, const char *name, bool v)
{
	align(b, 8);
	put_str(b, name);
	put_sig(b, "b");
	put_u32(b, v);
}
static void prop_u64(struct strbuf *b, const char *name, uint64_t v)
{
	align(b, 8);
	put_str(b, name);
	put_sig(b, "t");
	put_u64(b, v);
}

static uint64_t or_infinity(int64_t v)
{
	return v < 0 ? UINT64_MAX : (uint64_t)v;
}

static void put_limits(struct strbuf *b, const struct cgroup_settings *l, bool v2)
{
	if (l->mem_limit.set && l->mem_limit.v)
		prop_u64(b, v2 ? "MemoryMax" : "MemoryLimit", or_infinity(l->mem_limit.v));
	if (v2 && l->mem_reservation.set && l->mem_reservation.v)
		prop_u64(b, "MemoryLow", or_infinity(l->mem_reservation.v));
	if (v2 && l->mem_swap.set && l->mem_swap.v) {
		int64_t swap = l->mem_swap.v;

		if (swap > 0 && l->mem_limit.set && l->mem_limit.v > 0)
			swap = swap > l->mem_limit.v ? swap - l->mem_limit.v : 0;
		prop_u64(b, "MemorySwapMax", or_infinity(swap));
	}
	if (!v2 && l->cpu_shares.set && l->cpu_shares.v)
		prop_u64(b, "CPUShares", l->cpu_shares.v);
	if (l->cpu_quota.set && l->cpu_quota.v > 0) {
		uint64_t period = l->cpu_period.set && l->cpu_period.v ? l->cpu_period.v : 100000;
		uint64_t per_sec = (uint64_t)l->cpu_quota.v * 1000000 / period;

		/* systemd rounds down to 10 ms: up, so that a limit is never tighter than asked for */
		prop_u64(b, "CPUQuotaPerSecUSec", (per_sec + 9999) / 10000 * 10000);
		if (v2)
			prop_u64(b, "CPUQuotaPeriodUSec", period);
	}
	if (l->pids_limit.set)
		prop_u64(b, "TasksMax", l->pids_limit.v > 0 ? (uint64_t)l->pids_limit.v : UINT64_MAX);
	if (!v2 && l->blkio_weight.set && l->blkio_weight.v)
		prop_u64(b, "BlockIOWeight", l->blkio_weight.v);
}

static void field_str(struct strbuf *b, uint8_t code, const char *sig, const char *v)
{
	align(b, 8);
	sb_addc(b, (char)code);
	put_sig(b, sig);
	if (sig[0] == 'g')
		put_sig(b, v);
	else
		put_str(b, v);
}

static void put_call(struct strbuf *out, const char *member, const char *signature, uint32_t serial,
		     const struct strbuf *body)
{
	static const unsigned char start[4] = { 'l', 1, 0, 1 };
	size_t first;
	struct strbuf h = { 0 };

	sb_addn(&h, start, 4);
	put_u32(&h, (uint32_t)body->n);
	put_u32(&h, serial);
	size_t at = array_begin(&h, 8, &first);
	field_str(&h, 1, "o", "/org/freedesktop/systemd1");
	field_str(&h, 6, "s", "org.freedesktop.systemd1");
	field_str(&h, 2, "s", "org.freedesktop.systemd1.Manager");
	field_str(&h, 3, "s", member);
	field_str(&h, 8, "g", signature);
	array_end(&h, at, first);
	align(&h, 8);
	sb_addn(out, h.p, h.n);
	sb_addn(out, body->p, body->n);
	sb_release(&h);
}

void systemd_start_message(const struct systemd_scope *s, pid_t pid, uint32_t serial, struct strbuf *out)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t at, first, pids_at, pids_first;

	put_str(&b, s->unit);
	put_str(&b, "replace");
	at = array_begin(&b, 8, &first);
	prop_str(&b, "Description", s->description ? s->description : s->unit);
	prop_str(&b, "Slice", s->slice);
	prop_bool(&b, "Delegate", true);
	prop_bool(&b, "DefaultDependencies", false);
	prop_bool(&b, "MemoryAccounting", true);
	prop_bool(&b, "CPUAccounting", true);
	prop_bool(&b, "TasksAccounting", true);
	align(&b, 8);
	put_str(&b, "PIDs");
	put_sig(&b, "au");
	pids_at = array_begin(&b, 4, &pids_first);
	put_u32(&b, (uint32_t)pid);
	array_end(&b, pids_at, pids_first);
	if (s->limits)
		put_limits(&b, s->limits, s->v2);
	array_end(&b, at, first);
	at = array_begin(&b, 8, &first); /* no auxiliary units */
	array_end(&b, at, first);
	put_call(out, "StartTransientUnit", "ssa(sv)a(sa(sv))", serial, &b);
}

/* --- reading --- */

struct reader {
	const char *p;
	size_t at, end;
	bool bad;
};

static void r_align(struct reader *r, size_t n)
{
	size_t to = (r->at + n - 1) / n * n;

	if (to > r->end)
		r->bad = true;
	else
		r->at = to;
}
static uint32_t r_u32(struct reader *r)
{
	uint32_t v = 0;

	r_align(r, 4);
	if (r->bad || r->end - r->at < 4) {
		r->bad = true;
		return 0;
	}
	memcpy(&v, r->p + r->at, 4);
	r->at += 4;
	return v;
}
static uint8_t r_u8(struct reader *r)
{
	if (r->bad || r->at >= r->end) {
		r->bad = true;
		return 0;
	}
	return (uint8_t)r->p[r->at++];
}
static struct sv r_bytes(struct reader *r, size_t n)
{
	if (r->bad || n >= r->end - r->at || r->p[r->at + n] != '\0') {
		r->bad = true;
		return SV("");
	}
	struct sv s = sv_n(r->p + r->at, n);
	r->at += n + 1;
	return s;
}
static struct sv r_str(struct reader *r)
{
	return r_bytes(r, r_u32(r));
}
static struct sv r_sig(struct reader *r)
{
	return r_bytes(r, r_u8(r));
}

/* Header fields: only strings, object paths, signatures and numbers occur there. */
static void read_fields(struct reader *r, uint32_t *reply_to, struct sv *member, struct sv *signature)
{
	for (int i = 0; i < MAX_FIELDS && !r->bad && r->at < r->end; i++) {
		r_align(r, 8);
		if (r->at == r->end)
			return;
		uint8_t code = r_u8(r);
		struct sv sig = r_sig(r), text = SV("");
		uint32_t v = 0;

		if (sv_eqs(sig, "u"))
			v = r_u32(r);
		else if (sv_eqs(sig, "s") || sv_eqs(sig, "o"))
			text = r_str(r);
		else if (sv_eqs(sig, "g"))
			text = r_sig(r);
		else
			r->bad = true;
		if (code == 5)
			*reply_to = v;
		else if (code == 3)
			*member = text;
		else if (code == 8)
			*signature = text;
	}
}

int systemd_message_read(const void *buf, size_t n, struct systemd_message *m)
{
	struct reader r = { .p = buf, .at = 4, .end = n };
	struct sv member = SV(""), signature = SV("");

	*m = (struct systemd_message){ 0 };
	if (n < 16)
		return 0;
	if (r.p[0] != 'l' || r.p[3] != 1)
		return -EBADMSG;
	uint32_t body = r_u32(&r);
	(void)r_u32(&r); /* serial */
	uint32_t fields = r_u32(&r);
	if (body > SYSTEMD_MAX_MESSAGE || fields > SYSTEMD_MAX_MESSAGE)
		return -EBADMSG;
	size_t body_at = (16 + (size_t)fields + 7) / 8 * 8;
	if (n < body_at + body)
		return 0;
	r.end = 16 + fields;
	read_fields(&r, &m->reply_to, &member, &signature);
	if (r.bad)
		return -EBADMSG;

	/* Alignments in a body count from its own start, which is a multiple of 8. */
	struct reader b = { .p = (const char *)buf + body_at, .end = body };
	switch (r.p[1]) {
	case 2: m->said = SYSTEMD_REPLY; break;
	case 3:
		m->said = SYSTEMD_ERROR;
		if (sv_starts(signature, SV("s")))
			m->text = r_str(&b);
		break;
	case 4:
		if (!sv_eqs(member, "JobRemoved") || !sv_eqs(signature, "uoss"))
			break;
		(void)r_u32(&b);
		(void)r_str(&b);
		m->unit = r_str(&b);
		m->text = r_str(&b);
		m->said = SYSTEMD_JOB_REMOVED;
		break;
	}
	if (b.bad)
		return -EBADMSG;
	m->size = body_at + body;
	return 0;
}

/* --- talking --- */

struct bus {
	int fd;
	size_t n;
	int64_t end_ns;
	char buf[SYSTEMD_MAX_MESSAGE * 2 + 64] __attribute__((aligned(8)));
};

static int more(struct bus *b)
{
	struct pollfd pf = { .fd = b->fd, .events = POLLIN };
	int64_t left = (b->end_ns - clock_mono_ns()) / NS_PER_MS;

	if (left <= 0 || b->n == sizeof(b->buf))
		return left <= 0 ? -ETIMEDOUT : -EMSGSIZE;
	int r = poll(&pf, 1, (int)left);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ETIMEDOUT;
	ssize_t n = recv(b->fd, b->buf + b->n, sizeof(b->buf) - b->n, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	b->n += (size_t)n;
	return 0;
}

static int open_bus(struct bus *b, struct err **e)
{
	char hello[64], id[16];
	int n = snprintf(id, sizeof(id), "%u", (unsigned)geteuid());

	b->end_ns = clock_mono_ns() + TIMEOUT_MS * NS_PER_MS;
	b->fd = unix_connect(PRIVATE_SOCKET, SOCK_STREAM);
	if (b->fd < 0)
		return err_sys(e, -b->fd, "connect to systemd");
	/* A NUL first, then who we are in hex of its decimal digits: the kernel vouches for it. */
	size_t at = (size_t)snprintf(hello + 1, sizeof(hello) - 1, "AUTH EXTERNAL ") + 1;
	hello[0] = '\0';
	hex_encode(id, (size_t)n, hello + at);
	at += 2 * (size_t)n;
	memcpy(hello + at, "\r\n", 2);
	int r = fd_write_full(b->fd, hello, at + 2);
	while (r == 0 && !memchr(b->buf, '\n', b->n))
		r = more(b);
	if (r < 0)
		return err_sys(e, -r, "authenticate to systemd");
	if (b->n < 3 || memcmp(b->buf, "OK ", 3) != 0)
		return err_set(e, ERR_SYSTEM, "systemd refused our identity");
	b->n = 0;
	r = fd_write_full(b->fd, "BEGIN\r\n", 7);
	return r < 0 ? err_sys(e, -r, "authenticate to systemd") : 0;
}

/* Until the reply to `serial` came, and then, if a unit is named, until its job ended. */
static int wait_for(struct bus *b, uint32_t serial, const char *unit, struct err **e)
{
	bool replied = false, removed = unit == NULL;
	struct systemd_message m;

	while (!replied || !removed) {
		int r = systemd_message_read(b->buf, b->n, &m);

		if (r == 0 && m.size == 0)
			r = more(b);
		if (r < 0)
			return err_sys(e, -r, "wait for systemd's answer");
		if (m.size == 0)
			continue;
		if (m.said == SYSTEMD_ERROR && m.reply_to == serial)
			return err_set(e, ERR_SYSTEM, "%.*s", (int)m.text.n, m.text.p);
		if (m.said == SYSTEMD_REPLY && m.reply_to == serial)
			replied = true;
		if (m.said == SYSTEMD_JOB_REMOVED && unit && sv_eqs(m.unit, unit)) {
			if (!sv_eqs(m.text, "done"))
				return err_set(e, ERR_SYSTEM, "systemd's job for %s ended with '%.*s'", unit,
					       (int)m.text.n, m.text.p);
			removed = true;
		}
		memmove(b->buf, b->buf + m.size, b->n - m.size);
		b->n -= m.size;
	}
	return 0;
}

static int call(const struct strbuf *message, uint32_t serial, const char *unit, struct err **e)
{
	cleanup_free struct bus *b = NEW(struct bus);
	int rc = open_bus(b, e);

	if (rc == 0) {
		int r = fd_write_full(b->fd, message->p, message->n);

		rc = r < 0 ? err_sys(e, -r, "speak to systemd") : wait_for(b, serial, unit, e);
	}
	fd_close(&b->fd);
	return rc;
}

bool systemd_runs(void)
{
	struct stat st;

	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

static pid_t hold_start(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;)
		(void)pause();
}

void systemd_scope_hold_end(pid_t hold)
{
	if (hold <= 0)
		return;
	(void)kill(hold, SIGKILL);
	(void)waitpid(hold, NULL, 0);
}

int systemd_scope_start(const struct systemd_scope *s, pid_t *hold, struct err **e)
{
	cleanup_strbuf struct strbuf m = { 0 };
	pid_t pid;

	if (!systemd_runs())
		return err_set(e, ERR_INVALID,
			       "systemd not running on this host, cannot use systemd cgroups manager");
	pid = hold_start();
	if (pid < 0)
		return err_sys(e, errno, "fork");
	systemd_start_message(s, pid, 1, &m);
	if (call(&m, 1, s->unit, e) < 0) {
		systemd_scope_hold_end(pid);
		return err_wrap(e, "unable to start unit \"%s\"", s->unit);
	}
	*hold = pid;
	return 0;
}

int systemd_unit_stop(const char *unit, struct err **e)
{
	cleanup_strbuf struct strbuf body = { 0 }, m = { 0 };
	struct err *why = NULL;

	if (!systemd_runs())
		return 0;
	put_str(&body, unit);
	put_str(&body, "replace");
	put_call(&m, "StopUnit", "ss", 1, &body);
	if (call(&m, 1, NULL, &why) < 0 && !strstr(err_text(why), "not loaded")) {
		err_move(e, &why);
		return -1;
	}
	err_free(why);
	return 0;
}
