/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells those who follow a log that its file has grown or was replaced. One inotify descriptor and one thread for all
 * (the kernel gives a user only 128 of them), one eventfd a follower. Where inotify is not to be had, followers poll.
 * Called by the engine, any thread.
 */
#pragma once

#include "base/attr.h"

#include <stddef.h>

struct logs_hub;
struct logs_watch;

#define LOGS_POLL_MS 100 /* without inotify */

struct logs_hub *logs_hub_new(void) __attribute__((returns_nonnull));
/* No watch may be left. NULL is fine. */
void logs_hub_free(struct logs_hub *h);

/* Watches the directory of a log. Never fails: fd is -1 when there is no inotify. */
struct logs_watch *logs_watch_open(struct logs_hub *h, int dirfd) __attribute__((returns_nonnull));
/* An eventfd, readable when something in the directory changed since logs_watch_clear(); -1: poll every LOGS_POLL_MS. */
int logs_watch_fd(const struct logs_watch *w);
void logs_watch_clear(struct logs_watch *w);
void logs_watch_close(struct logs_watch *w);
DEFINE_CLEANUP(struct logs_watch *, logs_watch_close)
#define cleanup_logs_watch CLEANUP(logs_watch_close)
