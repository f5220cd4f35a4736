/* SPDX-License-Identifier: Apache-2.0 */
/* Every command's entry; commands.c lists them in the order of `hoy help`. */
#pragma once

#include "cli/cli.h"

extern const struct command cmd_run, cmd_create, cmd_start, cmd_attach, cmd_exec, cmd_stop, cmd_restart,
	cmd_kill, cmd_pause, cmd_unpause, cmd_wait, cmd_rename, cmd_rm, cmd_ps, cmd_logs, cmd_top, cmd_port,
	cmd_stats, cmd_update, cmd_container_inspect, cmd_container_prune;
extern const struct command cmd_completion, cmd_inspect, cmd_version, cmd_info, cmd_events, cmd_system_df,
	cmd_system_prune;
extern const struct command cmd_images, cmd_load, cmd_save, cmd_import, cmd_pull, cmd_tag, cmd_rmi,
	cmd_history, cmd_image_inspect, cmd_image_prune, cmd_image_bootstrap;
extern const struct command cmd_volume_create, cmd_volume_ls, cmd_volume_inspect, cmd_volume_rm,
	cmd_volume_prune;
extern const struct command cmd_network_ls, cmd_network_inspect;
