/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of commands: dispatch, help and completion come from it. */
#include "cli/cli.h"
#include "cli/create.h"

/* X(symbol of a struct command) */
#define COMMANDS(X)                                                                                          \
	X(cmd_run)                                                                                           \
	X(cmd_create)                                                                                        \
	X(cmd_start)                                                                                         \
	X(cmd_attach)                                                                                        \
	X(cmd_exec)                                                                                          \
	X(cmd_stop)                                                                                          \
	X(cmd_restart)                                                                                       \
	X(cmd_kill)                                                                                          \
	X(cmd_pause)                                                                                         \
	X(cmd_unpause)                                                                                       \
	X(cmd_rename)                                                                                        \
	X(cmd_wait)                                                                                          \
	X(cmd_rm)                                                                                            \
	X(cmd_container_prune)                                                                               \
	X(cmd_port)                                                                                          \
	X(cmd_top)                                                                                           \
	X(cmd_logs)                                                                                          \
	X(cmd_update)                                                                                        \
	X(cmd_ps)                                                                                            \
	X(cmd_stats)                                                                                         \
	X(cmd_inspect)                                                                                       \
	X(cmd_image_inspect)                                                                                 \
	X(cmd_volume_inspect)                                                                                \
	X(cmd_network_inspect)                                                                               \
	X(cmd_images)                                                                                        \
	X(cmd_history)                                                                                       \
	X(cmd_tag)                                                                                           \
	X(cmd_rmi)                                                                                           \
	X(cmd_load)                                                                                          \
	X(cmd_import)                                                                                        \
	X(cmd_save)                                                                                          \
	X(cmd_image_prune)                                                                                   \
	X(cmd_bootstrap)                                                                                     \
	X(cmd_volume_create)                                                                                 \
	X(cmd_volume_ls)                                                                                     \
	X(cmd_volume_rm)                                                                                     \
	X(cmd_volume_prune)                                                                                  \
	X(cmd_network_ls)                                                                                    \
	X(cmd_version)                                                                                       \
	X(cmd_info)                                                                                          \
	X(cmd_events)                                                                                        \
	X(cmd_df)                                                                                            \
	X(cmd_system_prune)

#define X(c) extern const struct command c;
COMMANDS(X)
#undef X

#define X(c) &c,
const struct command *const cli_commands[] = { COMMANDS(X) };
#undef X
const size_t cli_n_commands = ARRAY_LEN(cli_commands);
