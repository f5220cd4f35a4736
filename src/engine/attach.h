/* SPDX-License-Identifier: Apache-2.0 */
/* What attach and exec share about a client's socket. */
#pragma once

#include "engine/engine-internal.h"
#include "model/options.h"

/* NULL or "": ctrl-p,ctrl-q. */
int attach_keys(const char *s, char out[DETACH_KEYS_MAX], size_t *n, struct err **e) NODISCARD;
/* A descriptor to hand to the monitor: sockfd itself, or with early bytes one whose other end is pumped to it. Takes
 * sockfd; the result is the caller's to close. */
int attach_with_early(int sockfd, struct sv early);
