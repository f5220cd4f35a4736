/* SPDX-License-Identifier: Apache-2.0 */
/* top: the host's ps, of which the rows of the container's processes are kept. */
#include "base/proc.h"
#include "engine/engine-internal.h"
#include "engine/observe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TOP_MAX_PIDS   16384
#define TOP_MAX_OUTPUT ((size_t)16 << 20)
#define TOP_MAX_ARGS   64

struct pids {
	pid_t *v;
	size_t n;
};

static bool has_pid(const struct pids *p, uint32_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if ((uint32_t)p->v[i] == pid)
			return true;
	return false;
}

/* `-o x=PID` would make another column look like the process id. */
static int check_args(const char *args, struct err **e)
{
	for (const char *eq = strchr(args, '='); eq; eq = strchr(eq + 1, '=')) {
		const char *value = eq + 1 + strspn(eq + 1, " \t\n\v\f\r"), *key = eq;
		if (strncmp(value, "PID", 3) != 0)
			continue;
		while (key > args && !strchr(" \t\n\v\f\r", key[-1]))
			key--;
		size_t value_n = strcspn(value, " \t\n\v\f\r");
		if (key == args || (eq - key == 3 && !strncmp(key, "pid", 3)))
			continue;
		return err_set(e, ERR_INVALID, "specifying \"%.*s=%.*s\" is not allowed", (int)(eq - key),
			       key, (int)value_n, value);
	}
	return 0;
}

static const char *ps_path(void)
{
	static const char *const places[] = { "/usr/bin/ps", "/bin/ps", "/usr/local/bin/ps" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (path_exists(places[i]))
			return places[i];
	return NULL;
}

/* Runs ps with the words of `args`, and with the pids if `pid_list` is given. Its exit code, or -errno. */
static int run_ps(const char *path, const char *args, const char *pid_list, char **out)
{
	cleanup_strlist struct strlist argv = { 0 };
	struct sv word, rest = sv_of(args);
	bool more = true;

	strlist_add(&argv, path);
	while (more && argv.n < TOP_MAX_ARGS) {
		more = sv_cut(rest, ' ', &word, &rest);
		strlist_addn(&argv, word.p, word.n);
	}
	if (pid_list)
		strlist_add(&argv, pid_list);
	return proc_run(argv.v, NULL, 0, out, TOP_MAX_OUTPUT);
}

/* Words of a line; what overhangs the number of titles is the last one's. */
static struct sv next_word(struct sv *rest)
{
	size_t i = 0, from;

	while (i < rest->n && strchr(" \t\v\f\r", rest->p[i]))
		i++;
	from = i;
	while (i < rest->n && !strchr(" \t\v\f\r", rest->p[i]))
		i++;
	struct sv w = sv_sub(*rest, from, i);
	*rest = sv_sub(*rest, i, rest->n);
	return w;
}

static void add_row(struct arena *a, struct sv line, size_t n_titles, struct api_top_response *out)
{
	struct model_str_list *row = model_list_add(a, &out->processes);
	cleanup_strbuf struct strbuf last = { 0 };

	for (size_t i = 0; i + 1 < n_titles; i++) {
		struct sv w = next_word(&line);
		model_strs_add(a, row, arena_strndup(a, w.p, w.n));
	}
	for (struct sv w = next_word(&line); w.n; w = next_word(&line)) {
		if (last.n)
			sb_addc(&last, ' ');
		sb_addsv(&last, w);
	}
	model_strs_add(a, row, sb_str(&last));
}

static int parse_output(struct arena *a, struct sv text, const struct pids *pids,
			struct api_top_response *out, struct err **e)
{
	struct sv line, rest = text;
	size_t pid_at = SIZE_MAX;
	bool kept = false;

	(void)sv_cut(rest, '\n', &line, &rest);
	for (struct sv w = next_word(&line); w.n; w = next_word(&line)) {
		if (pid_at == SIZE_MAX && sv_eqs(w, "PID"))
			pid_at = out->titles.n;
		model_strs_add(a, &out->titles, arena_strndup(a, w.p, w.n));
	}
	if (pid_at == SIZE_MAX)
		return err_set(e, ERR_SYSTEM, "Couldn't find PID field in ps output");
	while (rest.n) {
		struct sv word = { "", 0 }, copy;
		uint32_t pid;
		(void)sv_cut(rest, '\n', &line, &rest);
		if (!sv_trim(line).n)
			continue;
		copy = line;
		for (size_t i = 0; i <= pid_at; i++)
			word = next_word(&copy);
		/* a thread of the process above */
		if (sv_eqs(word, "-")) {
			if (kept)
				add_row(a, line, out->titles.n, out);
			continue;
		}
		if (parse_u32(word, INT32_MAX, &pid) < 0)
			return err_set(e, ERR_SYSTEM, "Unexpected pid '%.*s'", (int)word.n, word.p);
		kept = has_pid(pids, pid);
		if (kept)
			add_row(a, line, out->titles.n, out);
	}
	return 0;
}

static int find_pids(struct container *c, struct arena *a, struct pids *out, struct err **e)
{
	cleanup_look struct container_look look = { 0 };

	container_look(c, &look);
	if (look.now.state == LIFE_RESTARTING)
		return err_set(e, ERR_CONFLICT,
			       "Container %s is restarting, wait until the container is running", c->id);
	if (!life_is_running(look.now.state))
		return err_set(e, ERR_CONFLICT, "container %s is not running", c->id);
	out->n = TOP_MAX_PIDS;
	out->v = arena_alloc(a, TOP_MAX_PIDS * sizeof(*out->v));
	int r = cgroup_exec_procs(c->cgroup_prog, c->cgroup_prog_n, out->v, &out->n);
	if (r < 0)
		return err_sys(e, -r, "list the processes of container %s", c->id);
	out->n = MIN(out->n, (size_t)TOP_MAX_PIDS);
	return 0;
}

int engine_container_top(struct engine *en, const char *ref, const char *ps_args, struct arena *a,
			 struct api_top_response **out, struct err **e)
{
	cleanup_container struct container *c = NULL;
	cleanup_strbuf struct strbuf list = { 0 };
	cleanup_free char *text = NULL;
	struct pids pids;

	if (check_args(ps_args, e) < 0)
		return -1;
	c = container_find(en, ref, e);
	if (!c || find_pids(c, a, &pids, e) < 0)
		return -1;
	const char *path = ps_path();
	if (!path)
		return err_set(e, ERR_SYSTEM, "ps: exec: \"ps\": executable file not found in $PATH");
	sb_add(&list, "-q");
	for (size_t i = 0; i < pids.n; i++)
		sb_addf(&list, "%s%d", i ? "," : "", pids.v[i]);
	int r = run_ps(path, ps_args, list.p, &text);
	if (r != 0) {
		/* some options do not go together with -q */
		free(TAKE_PTR(text));
		r = run_ps(path, ps_args, NULL, &text);
	}
	if (r < 0)
		return err_sys(e, -r, "ps");
	if (r > 0)
		return err_set(e, ERR_SYSTEM, "ps: %.*s", (int)strcspn(text ? text : "", "\n"),
			       text ? text : "");
	struct api_top_response *res = ARENA_NEW(a, struct api_top_response);
	if (parse_output(a, sv_of(text), &pids, res, e) < 0)
		return -1;
	container_event(c, "top", NULL);
	*out = res;
	return 0;
}
