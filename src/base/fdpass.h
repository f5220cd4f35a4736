/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with descriptors over unix sockets (SCM_RIGHTS). 0/count or -errno. Received fds are O_CLOEXEC. */
#pragma once

#include "base/attr.h"

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 64

int fdpass_send(int sock, const void *buf, size_t n, const int *fds, size_t n_fds) NODISCARD;
/* One message. *n_fds in: room in fds; out: how many came. Returns the byte count, 0 at the end. A message
 * that was truncated (data or descriptors) is -EMSGSIZE, and its descriptors are closed. */
ssize_t fdpass_recv(int sock, void *buf, size_t n, int *fds, size_t *n_fds) NODISCARD;

/* Unix sockets by path. Paths longer than sun_path go through the directory's descriptor. */
int unix_listen(const char *path, int type, mode_t mode, int backlog) NODISCARD;
int unix_connect(const char *path, int type) NODISCARD;
