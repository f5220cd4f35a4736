/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: os[/arch[/variant]], with the aliases people use. Pure. Error texts are containerd's, class ERR_INVALID. */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct platform {
	const char *os, *arch, *variant; /* variant: "" when none */
};

/* What this program runs on: static strings. */
struct platform platform_host(void);
/* "linux", "arm64", "linux/arm/v7"; what is not said is the host's. */
int platform_parse(struct arena *a, struct sv s, struct platform *out, struct err **e) NODISCARD;
/* aarch64 is arm64, x86_64 is amd64, armhf is arm v7, amd64 v1 has no variant, arm64 v8 neither. Static or arena text. */
struct platform platform_normalize(struct arena *a, struct platform p);
const char *platform_text(struct arena *a, struct platform p); /* linux/arm/v7 */
/* Whether an image for `have` runs where `want` was asked for: same os and architecture, arm variants downwards. */
bool platform_matches(struct platform want, struct platform have);
