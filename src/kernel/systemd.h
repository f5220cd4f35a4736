/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd cgroup driver: a container's group is a transient scope that systemd makes and knows about, so that its
 * own bookkeeping and ours do not fight. Called by hoy-runtime with --systemd-cgroup (what podman and Kubernetes pass on
 * such hosts).
 *
 *	systemd_scope_start(&(struct systemd_scope){ .unit = "docker-ID.scope", .slice = "system.slice", .limits = &s }, &hold, e)
 *	... the group exists: cgroup_exec_create/apply/attach as without systemd ...
 *	systemd_scope_hold_end(hold);
 *
 * A scope needs a process from its first moment, before the container has one: a child of ours that does nothing stays in
 * it until hold_end. Limits are told to systemd too, so that its next reload does not reset them. It speaks D-Bus to
 * systemd's own socket (/run/systemd/private), with a hundred lines instead of a library: replies are bounded and checked.
 * Single-threaded callers only (it forks). Blocking, at most 30 s.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "kernel/cgroup.h"

#define SYSTEMD_MAX_MESSAGE (256 * 1024)

struct systemd_scope {
	const char *unit;  /* "x.scope" */
	const char *slice; /* "system.slice" */
	const char *description;
	const struct cgroup_settings *limits; /* may be NULL */
	bool v2;                              /* which names systemd has for limits */
};

/* Is PID 1 a systemd? */
bool systemd_runs(void);
int systemd_scope_start(const struct systemd_scope *s, pid_t *hold, struct err **e) NODISCARD;
void systemd_scope_hold_end(pid_t hold);
/* Stops the unit (SIGTERM is not waited for: callers have killed the group before). A unit that is gone is fine. */
int systemd_unit_stop(const char *unit, struct err **e) NODISCARD;

/* For tests: the call's bytes, and what a message from systemd says. */
void systemd_start_message(const struct systemd_scope *s, pid_t pid, uint32_t serial, struct strbuf *out);

enum systemd_said { SYSTEMD_OTHER, SYSTEMD_REPLY, SYSTEMD_ERROR, SYSTEMD_JOB_REMOVED };
struct systemd_message {
	enum systemd_said said;
	uint32_t reply_to;
	struct sv text; /* of an error; the result of a job ("done") */
	struct sv unit; /* of the job */
	size_t size;    /* how long the message is; 0: more bytes are needed */
};
/* Looks at the bytes at the start of buf: 0 and *m (borrowing from buf), or -EBADMSG. */
int systemd_message_read(const void *buf, size_t n, struct systemd_message *m) NODISCARD;
