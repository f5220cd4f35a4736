/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

const struct command_group command_groups[] = {
	{ "container", "Manage containers" }, { "image", "Manage images" },
	{ "network", "Manage networks" },     { "system", "Manage Docker" },
	{ "volume", "Manage volumes" },
};
const size_t n_command_groups = ARRAY_LEN(command_groups);

const struct command *const commands[] = {
	/* the common ones, in the order help shows them */
	&cmd_run,
	&cmd_exec,
	&cmd_ps,
	&cmd_pull,
	&cmd_images,
	&cmd_version,
	&cmd_info,
	/* the rest */
	&cmd_attach,
	&cmd_completion,
	&cmd_container_inspect,
	&cmd_container_prune,
	&cmd_create,
	&cmd_events,
	&cmd_history,
	&cmd_image_bootstrap,
	&cmd_image_inspect,
	&cmd_image_prune,
	&cmd_import,
	&cmd_inspect,
	&cmd_kill,
	&cmd_load,
	&cmd_logs,
	&cmd_network_inspect,
	&cmd_network_ls,
	&cmd_pause,
	&cmd_port,
	&cmd_rename,
	&cmd_restart,
	&cmd_rm,
	&cmd_rmi,
	&cmd_save,
	&cmd_start,
	&cmd_stats,
	&cmd_stop,
	&cmd_system_df,
	&cmd_system_prune,
	&cmd_tag,
	&cmd_top,
	&cmd_unpause,
	&cmd_update,
	&cmd_volume_create,
	&cmd_volume_inspect,
	&cmd_volume_ls,
	&cmd_volume_prune,
	&cmd_volume_rm,
	&cmd_wait,
};
const size_t n_commands = ARRAY_LEN(commands);
