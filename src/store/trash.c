/* SPDX-License-Identifier: Apache-2.0 */
/* What is deleted is renamed first, which is atomic and quick; a thread deletes the bytes. */
#include "store/store-internal.h"

#include "base/fs.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define STACK_SIZE ((size_t)256 << 10)

/* Deletes what is there now; returns whether something was. */
static bool empty_once(struct store *s)
{
	bool any = false;
	int fd = fs_open_at(s->trash_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *ent;
	if (!d) {
		fd_close(&fd);
		return false;
	}
	while ((ent = readdir(d))) {
		if (str_eq(ent->d_name, ".") || str_eq(ent->d_name, ".."))
			continue;
		int r = fs_rmtree_at(s->trash_fd, ent->d_name);
		if (r < 0) {
			char text[16];
			(void)snprintf(text, sizeof(text), "%d", -r);
			log_warn(log_kv("name", ent->d_name, "errno", text),
				 "cannot delete from trash; next start tries again");
		} else {
			any = true;
		}
		pthread_mutex_lock(&s->trash_lock);
		bool stop = s->trash_stop;
		pthread_mutex_unlock(&s->trash_lock);
		if (stop)
			break;
	}
	closedir(d);
	return any;
}

static void *trash_main(void *arg)
{
	struct store *s = arg;
	pthread_mutex_lock(&s->trash_lock);
	while (!s->trash_stop) {
		if (!s->trash_work) {
			pthread_cond_wait(&s->trash_cond, &s->trash_lock);
			continue;
		}
		s->trash_work = false;
		pthread_mutex_unlock(&s->trash_lock);
		while (empty_once(s))
			;
		pthread_mutex_lock(&s->trash_lock);
	}
	pthread_mutex_unlock(&s->trash_lock);
	return NULL;
}

void trash_wake(struct store *s)
{
	pthread_mutex_lock(&s->trash_lock);
	s->trash_work = true;
	if (!s->trash_running && !s->trash_stop) {
		pthread_attr_t attr;
		sigset_t all, old;
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, STACK_SIZE);
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		s->trash_running = pthread_create(&s->trash_thread, &attr, trash_main, s) == 0;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		pthread_attr_destroy(&attr);
	}
	pthread_cond_signal(&s->trash_cond);
	pthread_mutex_unlock(&s->trash_lock);
}

int trash(struct store *s, int dirfd, const char *name)
{
	char to[24];
	(void)snprintf(to, sizeof(to), "%016llx", (unsigned long long)random_u64());
	if (renameat(dirfd, name, s->trash_fd, to) < 0)
		return errno == ENOENT ? 0 : -errno;
	trash_wake(s);
	return 0;
}

void trash_stop(struct store *s)
{
	pthread_mutex_lock(&s->trash_lock);
	s->trash_stop = true;
	bool running = s->trash_running;
	pthread_cond_signal(&s->trash_cond);
	pthread_mutex_unlock(&s->trash_lock);
	if (running)
		pthread_join(s->trash_thread, NULL);
}
