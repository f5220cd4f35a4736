/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the volume room share. */
#pragma once

#include "volume/volume.h"

/* Checks the keys of a local volume's options: type, o, device, size. */
int volume_check_options(const struct model_str_map *options, struct err **e) NODISCARD;
/* Makes the file system that the options describe, detached; a descriptor or -1. */
int volume_mount_options(const struct volume *v, struct err **e) NODISCARD;
