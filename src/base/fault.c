/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FAULT_MAX 16

int fault_armed_ = -1;

struct fault {
	char name[64];
	char action[200];
	int skip; /* how many hits pass by before the one that is taken */
};

static struct fault faults[FAULT_MAX];
static size_t n_faults;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fault_read(void)
{
	const char *env = getenv("HOY_FAULT");
	struct sv rest = sv_of(env ? env : "");

	while (rest.n && n_faults < FAULT_MAX) {
		struct sv one, name, action, count, tail;
		struct fault *f = &faults[n_faults];
		uint32_t skip;

		(void)sv_cut(rest, ';', &one, &rest);
		if (!sv_cut(one, '=', &name, &action) || name.n >= sizeof(f->name) ||
		    action.n >= sizeof(f->action))
			continue;
		f->skip = 0;
		if (sv_cut(action, '*', &count, &tail) && parse_u32(count, 1000000, &skip) == 0 && skip > 0) {
			f->skip = (int)skip - 1;
			action = tail;
		}
		memcpy(f->name, name.p, name.n);
		memcpy(f->action, action.p, action.n);
		n_faults++;
	}
	__atomic_store_n(&fault_armed_, n_faults ? 1 : 0, __ATOMIC_RELEASE);
}

static void fault_hold(const char *dir, const char *name)
{
	char here[320], go[320];
	int fd;

	(void)snprintf(here, sizeof(here), "%s/%s.here", dir, name);
	(void)snprintf(go, sizeof(go), "%s/%s.go", dir, name);
	fd = open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		(void)close(fd);
	while (access(go, F_OK) != 0)
		(void)poll(NULL, 0, 2);
}

static int fault_errno(const char *name)
{
	static const struct {
		const char *name;
		int value;
	} known[] = {
		{ "ENOSPC", ENOSPC }, { "EIO", EIO },       { "ENOMEM", ENOMEM }, { "EAGAIN", EAGAIN },
		{ "EMFILE", EMFILE }, { "EPERM", EPERM },   { "EACCES", EACCES }, { "ENOENT", ENOENT },
		{ "EEXIST", EEXIST }, { "EBUSY", EBUSY },   { "ENOSYS", ENOSYS }, { "EINVAL", EINVAL },
		{ "EPIPE", EPIPE },   { "EDQUOT", EDQUOT }, { "EROFS", EROFS },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return -known[i].value;
	return -EIO;
}

int fault_hit_(const char *name)
{
	char action[sizeof(faults[0].action)];
	struct fault *f = NULL;

	(void)pthread_mutex_lock(&lock);
	if (fault_armed_ < 0)
		fault_read();
	for (size_t i = 0; i < n_faults && !f; i++)
		if (strcmp(faults[i].name, name) == 0)
			f = &faults[i];
	if (f && f->skip > 0) {
		f->skip--;
		f = NULL;
	}
	if (f)
		memcpy(action, f->action, sizeof(action));
	(void)pthread_mutex_unlock(&lock);
	if (!f)
		return 0;
	if (strcmp(action, "kill") == 0) {
		(void)kill(getpid(), SIGKILL);
		for (;;)
			(void)pause();
	}
	if (str_starts(action, "hold:")) {
		fault_hold(action + strlen("hold:"), name);
		return 0;
	}
	return fault_errno(action);
}
