/* SPDX-License-Identifier: Apache-2.0 */
/* What attach and exec share about a client's socket. */
#pragma once

#include "engine/engine-internal.h"

/* NULL or "": ctrl-p,ctrl-q. */
int detach_keys_parse(const char *s, char out[32], size_t *n, struct err **e) NODISCARD;
/* A descriptor to hand to the monitor: sockfd itself, or with early bytes one whose other end is pumped to it. Takes
 * sockfd; the result is the caller's to close. */
int attach_with_early(int sockfd, struct sv early);
