/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured logs on stderr, one line each, logrus' text form: time="…" level=info msg="…" key=value.
 * Fields are (const char *key, const char *value) pairs ended by NULL; use log_kv("id", id, "name", name).
 * No secrets, no environment values, no auth headers.
 */
#pragma once

#include "base/attr.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level l);
enum log_level log_get_level(void);
void log_set_json(bool json);
void log_msg_(enum log_level l, const char *const *kv, const char *fmt, ...) PRINTF(3, 4);

#define log_kv(...)        ((const char *const[]){ __VA_ARGS__, NULL })
#define log_error(kv, ...) log_msg_(LOG_ERROR, (kv), __VA_ARGS__)
#define log_warn(kv, ...)  log_msg_(LOG_WARN, (kv), __VA_ARGS__)
#define log_info(kv, ...)  log_msg_(LOG_INFO, (kv), __VA_ARGS__)
#define log_debug(kv, ...)                                                                                   \
	do {                                                                                                 \
		if (log_get_level() >= LOG_DEBUG)                                                            \
			log_msg_(LOG_DEBUG, (kv), __VA_ARGS__);                                              \
	} while (0)
