/* SPDX-License-Identifier: Apache-2.0 */
/* Signal names and numbers, as `docker kill -s` and StopSignal take them. Pure. */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* "KILL", "SIGKILL", "kill", "9", "RTMIN+3"; the number, or -EINVAL. 0 is no signal here. */
int signal_parse(struct sv s);
/* The same with Docker's "invalid signal: X". */
int signal_check(struct sv s, int *out, struct err **e) NODISCARD;
/* "SIGKILL", "SIGRTMIN+3", or NULL. */
const char *signal_name(int sig);
