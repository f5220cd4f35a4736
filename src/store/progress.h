/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the JSON progress stream (api.md 2.5). */
#pragma once

#include "store/store.h"

/* {"stream":"text\n"} */
void progress_stream(const struct store_progress *p, const char *fmt, ...) PRINTF(2, 3);
/* {"status":…,"progressDetail":{"current":…,"total":…},"id":…}; nothing when quiet. */
void progress_bar(const struct store_progress *p, const char *status, const char *id, uint64_t current,
		  uint64_t total);
/* {"status":"…"} */
void progress_status(const struct store_progress *p, const char *text);
