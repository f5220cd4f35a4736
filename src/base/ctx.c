/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Milliseconds until the nearer of the two ends; -1: for ever. */
static int wait_ms(int64_t until_ns, int64_t deadline_ns)
{
	int64_t end = until_ns;
	if (deadline_ns && (!end || deadline_ns < end))
		end = deadline_ns;
	if (!end)
		return -1;
	int64_t left = end - clock_mono_ns();
	if (left <= 0)
		return 0;
	return (int)MIN((left + NS_PER_MS - 1) / NS_PER_MS, (int64_t)3600 * 1000);
}

int ctx_poll(const struct ctx *c, struct pollfd *fds, unsigned int n, int timeout_ms)
{
	struct pollfd p[CTX_MAX_FDS + 2];
	unsigned int k = n;

	assert(n <= CTX_MAX_FDS);
	if (n)
		memcpy(p, fds, n * sizeof(*p));
	if (c && c->client_fd > 0)
		p[k++] = (struct pollfd){ .fd = c->client_fd, .events = POLLRDHUP };
	if (c && c->stop_fd > 0)
		p[k++] = (struct pollfd){ .fd = c->stop_fd, .events = POLLIN };
	int64_t deadline = c ? c->deadline_ns : 0;
	int64_t until = timeout_ms > 0 ? clock_mono_ns() + timeout_ms * NS_PER_MS : 0;
	for (;;) {
		int r = poll(p, k, timeout_ms == 0 ? 0 : wait_ms(until, deadline));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		for (unsigned int i = n; i < k; i++)
			if (p[i].revents)
				return -ECANCELED;
		int ready = 0;
		for (unsigned int i = 0; i < n; i++) {
			fds[i].revents = p[i].revents;
			ready += p[i].revents != 0;
		}
		if (ready)
			return ready;
		int64_t now = clock_mono_ns();
		if (deadline && now >= deadline)
			return -ETIME;
		if (timeout_ms == 0 || (until && now >= until))
			return 0;
	}
}

int ctx_check(const struct ctx *c)
{
	if (!c)
		return 0;
	int r = ctx_poll(c, NULL, 0, 0);
	return r < 0 ? r : 0;
}
