/* SPDX-License-Identifier: Apache-2.0 */
/* Time: nanoseconds since the epoch or of the monotonic clock, and Go's RFC 3339 forms. */
#pragma once

#include "base/attr.h"
#include "base/str.h"

#include <stdint.h>

#define NS_PER_SEC 1000000000LL
#define NS_PER_MS  1000000LL

int64_t clock_now_ns(void);  /* CLOCK_REALTIME */
int64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */

struct time_text {
	char s[40];
};
/* RFC3339Nano as Go prints it: UTC, trailing zeros of the fraction cut; 0 gives "0001-01-01T00:00:00Z". */
struct time_text clock_rfc3339nano(int64_t ns);
/* Always nine digits: what `logs -t` prints. */
struct time_text clock_rfc3339_fixed(int64_t ns);
/* RFC 3339 with any offset and fraction; 0 or -EINVAL. "0001-01-01T00:00:00Z" gives 0. */
int clock_parse_rfc3339(struct sv s, int64_t *ns) NODISCARD;
/* Docker's timestamp query values: seconds[.nanos], RFC 3339 and its shortened dates, Go durations ("10m":
 * that long before now_ns). 0 or -EINVAL. */
int clock_parse_docker(struct sv s, int64_t now_ns, int64_t *ns) NODISCARD;
/* Go's time.ParseDuration: "1h15m30.5s", "300ms". */
int clock_parse_duration(struct sv s, int64_t *ns) NODISCARD;
/* docker/go-units HumanDuration: "Less than a second", "2 hours", "3 weeks". */
struct time_text clock_human_duration(int64_t ns);
