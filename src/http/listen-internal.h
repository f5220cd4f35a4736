/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: from a -H value, from systemd, or given. */
#pragma once

#include "http/tls.h"

#include <stddef.h>
#include <sys/types.h>

struct http_listener {
	int fd;
	struct http_tls *tls; /* borrowed */
	char *unlink_path;    /* a unix socket we made */
	dev_t dev;
	ino_t ino;
	int family;
};

struct http_listener http_listener_of(int fd, struct http_tls *tls);
/* One or more (fd://) listeners into out[max]: how many, or -1. */
int http_listen_spec(const char *spec, const char *group, struct http_tls *tls, struct http_listener *out,
		     size_t max, struct err **e) NODISCARD;
void http_listener_close(struct http_listener *l);
void http_listener_tune(const struct http_listener *l, int fd);
bool http_listener_peer(const struct http_listener *l, int fd, uid_t *uid, pid_t *pid);
