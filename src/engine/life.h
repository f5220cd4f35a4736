/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a container: one state, one table of what may follow what. Nobody assigns a state but
 * container_move_locked() (engine/container.h), which checks this table, records the new state in the
 * database and only then tells it (wakes waiters; the caller publishes the event).
 *
 * A transient state owns the container: who moved it to STARTING or REMOVING is alone in working on it, and
 * everybody else waits for the next stable state. So no lock is held across I/O.
 */
#pragma once

#include <stdbool.h>

/* X(enumerator, the API's word, number in the database) */
#define LIFE_STATES(X)                                                                                       \
	X(LIFE_CREATING, "created", 0)                                                                       \
	X(LIFE_CREATED, "created", 1)                                                                        \
	X(LIFE_STARTING, "created", 2)                                                                       \
	X(LIFE_RUNNING, "running", 3)                                                                        \
	X(LIFE_PAUSED, "paused", 4)                                                                          \
	X(LIFE_RESTARTING, "restarting", 5)                                                                  \
	X(LIFE_EXITED, "exited", 6)                                                                          \
	X(LIFE_REMOVING, "removing", 7)                                                                      \
	X(LIFE_DEAD, "dead", 8)                                                                              \
	X(LIFE_GONE, "removed", 9)

enum life {
#define X(e, word, num) e = num,
	LIFE_STATES(X)
#undef X
};
#define LIFE_COUNT 10

/* "created", "running", …: what the API calls it. */
const char *life_word(enum life s);
bool life_may(enum life from, enum life to);
/* Somebody is at work on it; wait. */
static inline bool life_is_transient(enum life s)
{
	return s == LIFE_CREATING || s == LIFE_STARTING;
}
/* Docker's "Running": true while paused, too. */
static inline bool life_is_running(enum life s)
{
	return s == LIFE_RUNNING || s == LIFE_PAUSED;
}
