/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lets a blocking call end early: the client that asked for it is gone, the program stops, or a deadline
 * has passed. Plain data, passed by pointer from the HTTP request down; NULL means "nothing cancels this".
 * Fields are descriptors that somebody else owns and keeps open while the call runs; 0 or less: not watched.
 */
#pragma once

#include "base/attr.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct ctx {
	int client_fd;       /* socket: cancelled when the peer has closed (POLLRDHUP, POLLHUP, POLLERR) */
	int stop_fd;         /* eventfd or the like: cancelled when readable */
	int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

#define CTX_MAX_FDS 16

/*
 * poll() on n <= CTX_MAX_FDS descriptors, and on the context. Returns the number that are ready, 0 when
 * timeout_ms
 * (< 0: none) has passed, -ECANCELED, -ETIME for the context's deadline, or -errno. EINTR is retried.
 */
int ctx_poll(const struct ctx *c, struct pollfd *fds, unsigned int n, int timeout_ms) NODISCARD;
/* Without waiting: 0, -ECANCELED or -ETIME. */
int ctx_check(const struct ctx *c);
