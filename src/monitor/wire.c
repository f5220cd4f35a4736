/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/wire.h"

#include <errno.h>
#include <string.h>

void wire_head_set(struct wire_head *h, unsigned type, size_t size, size_t n_fds)
{
	*h = (struct wire_head){ .magic = WIRE_MAGIC,
				 .version = WIRE_VERSION,
				 .type = (uint16_t)type,
				 .size = (uint32_t)size,
				 .n_fds = (uint32_t)n_fds };
}

bool wire_id_set(struct wire_id *out, const char *id)
{
	size_t n = id ? strlen(id) : 0;

	if (n > MONITOR_ID_MAX)
		return false;
	memset(out, 0, sizeof(*out));
	if (n)
		memcpy(out->s, id, n);
	return true;
}

static bool is_id(const struct wire_id *id)
{
	size_t n = strnlen(id->s, sizeof(id->s));

	if (n > MONITOR_ID_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (id->s[i] <= ' ' || id->s[i] == '/' || id->s[i] == 0x7f)
			return false;
	return true;
}

static bool is_bool(uint8_t v)
{
	return v <= 1;
}

static int check_start(const struct wire_start *m, size_t n)
{
	if (n < sizeof(*m) || m->cgroup_n > WIRE_MAX_CGROUP || n != sizeof(*m) + m->cgroup_n)
		return -EBADMSG;
	if (!is_id(&m->id) || !m->id.s[0] || !is_bool(m->tty) || !is_bool(m->open_stdin) ||
	    !is_bool(m->stdin_once))
		return -EBADMSG;
	if (m->log > MONITOR_LOG_JSON_FILE || m->log_attrs_n > sizeof(m->log_attrs))
		return -EBADMSG;
	size_t name = strnlen(m->log_name, sizeof(m->log_name));
	/* Room for ".NNNNNNNNNN.gz" behind it. */
	if (name > sizeof(m->log_name) - 24 || memchr(m->log_name, '/', name))
		return -EBADMSG;
	if (m->log == MONITOR_LOG_JSON_FILE && (name == 0 || m->log_name[0] == '.' || m->log_max_file == 0))
		return -EBADMSG;
	if (m->head.n_fds < 4 || m->head.n_fds > 4 + MONITOR_MAX_FDS)
		return -EBADMSG;
	return 0;
}

static int check_attach_body(const struct wire_attach *m)
{
	if (!is_id(&m->exec_id) || !is_bool(m->use_stdin) || !is_bool(m->use_stdout) ||
	    !is_bool(m->use_stderr) || !is_bool(m->mux) || m->n_keys > MONITOR_MAX_KEYS)
		return -EBADMSG;
	return 0;
}

static int check_exec(const struct wire_exec *m)
{
	if (!is_id(&m->exec_id) || !m->exec_id.s[0] || !is_bool(m->tty) || !is_bool(m->open_stdin) ||
	    !is_bool(m->has_client))
		return -EBADMSG;
	if (m->head.n_fds < 1u + m->has_client || m->head.n_fds > 2 + MONITOR_MAX_FDS)
		return -EBADMSG;
	return check_attach_body(&m->client);
}

static int check_reply(const struct wire_reply *m)
{
	if (!is_id(&m->exec_id) || m->head.n_fds > 1 || m->state > WIRE_EXITED ||
	    strnlen(m->text, sizeof(m->text)) == sizeof(m->text))
		return -EBADMSG;
	return 0;
}

static int check_event(const struct wire_event *m)
{
	return !is_id(&m->exec_id) || m->kind > MONITOR_LOG_ROTATED ? -EBADMSG : 0;
}

int wire_check(const void *buf, size_t n, size_t n_fds)
{
	static const struct {
		size_t size; /* exact; 0: the type's own check */
		uint32_t fds;
		bool fds_vary;
	} shape[WIRE_TYPES_] = {
		[WIRE_START] = { 0, 0, true },
		[WIRE_HELLO] = { sizeof(struct wire_simple), 1, false },
		[WIRE_RELEASE] = { sizeof(struct wire_simple), 0, false },
		[WIRE_ATTACH] = { sizeof(struct wire_attach), 1, false },
		[WIRE_RESIZE] = { sizeof(struct wire_simple), 0, false },
		[WIRE_CLOSE_STDIN] = { sizeof(struct wire_simple), 0, false },
		[WIRE_SIGNAL] = { sizeof(struct wire_simple), 0, false },
		[WIRE_EXEC] = { sizeof(struct wire_exec), 0, true },
		[WIRE_EXECS] = { sizeof(struct wire_simple), 0, false },
		[WIRE_LOG_LIMITS] = { sizeof(struct wire_simple), 0, false },
		[WIRE_REPLY] = { sizeof(struct wire_reply), 0, true },
		[WIRE_EVENT] = { sizeof(struct wire_event), 0, false },
	};
	const struct wire_head *h = buf;

	if (n < sizeof(*h) || (uintptr_t)buf % 8 || h->magic != WIRE_MAGIC || h->version != WIRE_VERSION ||
	    h->size != n || h->n_fds != n_fds || h->type == 0 || h->type >= WIRE_TYPES_)
		return -EBADMSG;
	if (shape[h->type].size && n != shape[h->type].size)
		return -EBADMSG;
	if (!shape[h->type].fds_vary && n_fds != shape[h->type].fds)
		return -EBADMSG;
	switch ((enum wire_type)h->type) {
	case WIRE_START: return check_start(buf, n);
	case WIRE_ATTACH: return check_attach_body(buf);
	case WIRE_EXEC: return check_exec(buf);
	case WIRE_REPLY: return check_reply(buf);
	case WIRE_EVENT: return check_event(buf);
	case WIRE_HELLO:
	case WIRE_RELEASE:
	case WIRE_RESIZE:
	case WIRE_CLOSE_STDIN:
	case WIRE_SIGNAL:
	case WIRE_EXECS:
	case WIRE_LOG_LIMITS: return is_id(&((const struct wire_simple *)buf)->exec_id) ? 0 : -EBADMSG;
	case WIRE_TYPES_: break;
	}
	return -EBADMSG;
}

int wire_check_exit_file(const void *buf, size_t n)
{
	const struct wire_event *ev = buf;

	if (n != sizeof(*ev) || ev->head.magic != WIRE_MAGIC || ev->head.version != WIRE_VERSION ||
	    ev->head.type != WIRE_EXIT_FILE || ev->head.size != n || ev->kind != MONITOR_EXIT)
		return -EBADMSG;
	return check_event(ev);
}
