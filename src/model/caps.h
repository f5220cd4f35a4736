/* SPDX-License-Identifier: Apache-2.0 */
/* Capability names as --cap-add and --cap-drop take them, and Docker's rule for combining them. Pure. */
#pragma once

#include "model/schema.h"

/* "net_admin", "CAP_NET_ADMIN", "ALL": the name with CAP_ in upper case (static text; "ALL" for all), or NULL. */
const char *cap_normalize(struct sv s);
/* Number of the capability ("CAP_CHOWN" is 0), or -1. */
int cap_number(struct sv name);
const char *cap_name(int number); /* NULL beyond the last known */
/* "invalid CapAdd: unknown capability: "CAP_FOO"" and the like. */
int caps_check(const struct model_str_list *add, const struct model_str_list *drop, struct err **e) NODISCARD;
/* The capabilities of a container: Docker's 14, or all, changed by add and drop. Names with CAP_. */
void caps_combine(struct arena *a, const struct model_str_list *add, const struct model_str_list *drop,
		  bool privileged, struct model_str_list *out);
