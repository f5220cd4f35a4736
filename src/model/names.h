/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of containers and volumes: what is allowed, and names made up for those who gave none. Pure, but for the random
 * source. Error texts are Docker's, class ERR_INVALID.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>

#define NAME_RANDOM_MAX 48

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool name_is_valid(struct sv s);
/* A leading '/' is let pass and not part of *out. */
int container_name_check(struct sv s, struct sv *out, struct err **e) NODISCARD;
int volume_name_check(struct sv s, struct err **e) NODISCARD;
/* adjective_surname; from the second attempt on with a digit, as a taken name is likely to be met again. */
void name_random(char out[NAME_RANDOM_MAX], unsigned attempt);
/* A host name for `--hostname`: letters, digits, '-', '.', at most 64 in all, as the kernel takes it. */
bool hostname_is_valid(struct sv s);
