/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities by raw system calls (no libcap, no allocation). Called by runtime/ and engine/ (names).
 * Sets are 64-bit masks. Primitives: 0 or -errno.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

#define CAPS_BIT(n) (UINT64_C(1) << (n))

enum {
	CAPS_CHOWN = 0,
	CAPS_SETGID = 6,
	CAPS_SETUID = 7,
	CAPS_SETPCAP = 8,
	CAPS_NET_ADMIN = 12,
	CAPS_SYS_ADMIN = 21,
	CAPS_SYS_RESOURCE = 24,
	CAPS_LAST_KNOWN = 40,
};

struct caps {
	uint64_t bounding, permitted, effective, inheritable, ambient;
};

/* "CAP_CHOWN", "chown": its number, or -ENOENT. */
int caps_number(const char *name) NODISCARD;
/* "CAP_CHOWN", or NULL. */
const char *caps_name(unsigned n);
/* All the running kernel knows. */
uint64_t caps_supported(void);
/* Our own bounding set: what `privileged` may give. */
uint64_t caps_own_bounding(void);

/* Takes everything out of the bounding set that is not in keep. */
int caps_limit_bounding(uint64_t keep) NODISCARD;
int caps_set(uint64_t permitted, uint64_t effective, uint64_t inheritable) NODISCARD;
int caps_get(uint64_t *permitted, uint64_t *effective, uint64_t *inheritable) NODISCARD;
/* Clears the ambient set, then raises these. They must be permitted and inheritable already. */
int caps_set_ambient(uint64_t ambient) NODISCARD;
