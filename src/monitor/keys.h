/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detach keys: a byte sequence in a client's input that ends its attachment. Bytes of a match are swallowed; those of
 * a match that fails are passed on after all, in order. Called by hoy-monitor for each read from a tty client. Pure.
 */
#pragma once

#include "monitor/client.h"

struct keys {
	uint8_t n, matched;
	char seq[MONITOR_MAX_KEYS];
};

void keys_init(struct keys *k, const char *seq, size_t n);
/* Filters in[0..n) to out, which needs n + MONITOR_MAX_KEYS bytes and may not be `in`. Returns how many were put there;
 * *detached: the sequence was completed (what follows it in `in` is dropped). */
size_t keys_feed(struct keys *k, const char *in, size_t n, char *out, bool *detached);
