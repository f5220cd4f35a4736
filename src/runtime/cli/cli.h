/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hoy-runtime: runc's command line over plan and launch. One thread, short-lived; everything a command makes lives
 * in its arena. Called by programs/hoy-runtime.c.
 *
 * A container's state is a directory <root>/<id>:
 *	state.json	what it is (struct state)
 *	config.json	the specification it was created from: exec's defaults, hooks of deletion
 *	start.sock	while it is created and not started: its init waits behind it
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RUNTIME_VERSION_SPEC "1.2.0"
#define CONFIG_MAX           (16u << 20)

struct rt {
	struct arena *arena;
	const char *root, *log, *log_format, *criu;
	bool debug, systemd_cgroup;
	int logfd;
	const char *command;
};

struct command {
	const char *name, *usage, *help;
	int (*run)(struct rt *rt, int argc, char **argv, struct err **e); /* exit code; -1 with *e */
};

enum opt_kind { OPT_BOOL, OPT_STR, OPT_INT, OPT_LIST };
struct opt {
	const char *name;
	char letter; /* 0: none */
	enum opt_kind kind;
	void *dst; /* bool, const char *, int64_t, struct strlist */
	const char *help;
};
/* Flags before the first argument (all of argv with anywhere); *rest gets the index of the first argument. 1: help
 * was asked for and printed. */
int opts_parse(const struct command *cmd, const struct opt *o, size_t n, int argc, char **argv, int *rest,
	       struct err **e) NODISCARD;

int cmd_create(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_run(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_start(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_exec(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_state(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_list(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_kill(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_delete(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_ps(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_pause(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_resume(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_update(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_events(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_spec(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_features(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_checkpoint(struct rt *rt, int argc, char **argv, struct err **e);
int cmd_restore(struct rt *rt, int argc, char **argv, struct err **e);
/* The table's entry of the command that runs (for usage). */
const struct command *rt_command(const char *name);

int runtime_cli(int argc, char **argv);
/* Runs on from a sealed copy of our own file; returns when we already do (or -errno when that is impossible). */
int self_seal(char **argv);

void rt_warn(struct rt *rt, const char *text);

/* --- state.c --- */

enum status { ST_CREATING, ST_CREATED, ST_RUNNING, ST_PAUSED, ST_STOPPED };
const char *status_word(enum status s);

struct cgroup_layout;
struct oci_spec;
struct state {
	const char *id, *bundle, *rootfs, *created, *oci_version;
	const char *cgroup_path; /* as given to kernel/cgroup.h; NULL: none */
	int64_t pid;
	uint64_t start_time;
	bool systemd;
	bool no_pivot;
	int dirfd; /* of <root>/<id>; the arena does not own it */
};

int id_check(const char *id, struct err **e) NODISCARD;
/* Makes <root>/<id>; CONFLICT when it is there. */
int state_dir_make(struct rt *rt, const char *id, int *dirfd, struct err **e) NODISCARD;
void state_dir_remove(struct rt *rt, const char *id);
int state_save(struct rt *rt, const struct state *s, struct err **e) NODISCARD;
int state_load(struct rt *rt, const char *id, struct state *out, struct err **e) NODISCARD;
enum status state_status(struct rt *rt, const struct state *s);
bool state_alive(const struct state *s);
/* The saved config.json. */
int state_spec(struct rt *rt, const struct state *s, struct oci_spec **out, struct err **e) NODISCARD;
/* Its annotations etc. as `state` prints. */
int state_json(struct rt *rt, const struct state *s, struct strbuf *out, struct err **e) NODISCARD;
/* A program naming its control group; empty when it has none. */
int state_cgroup(struct rt *rt, const struct state *s, struct strbuf *prog, struct err **e) NODISCARD;
/* Ends the scope systemd made for it, if it did. */
void state_scope_stop(const struct state *s);
const struct cgroup_layout *rt_cgroups(struct rt *rt);

int spec_read(struct rt *rt, int dirfd, const char *name, struct sv *text, struct oci_spec **out,
	      struct err **e) NODISCARD;

/* --- tty.c --- */

int console_send(const char *socket_path, int master, struct err **e) NODISCARD;
/* Runs in the foreground until the process ends: forwards signals, and a terminal's bytes when master >= 0.
 * Returns the exit code. */
int foreground(int pidfd, pid_t pid, int master);
int pid_file_write(const char *path, pid_t pid, struct err **e) NODISCARD;
