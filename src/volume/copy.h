/* SPDX-License-Identifier: Apache-2.0 */
/* Copy-up: what an image has at a volume's place fills a volume that is empty. Called by the engine at create. */
#pragma once

#include "base/err.h"

#include <stdbool.h>

/* Copies the tree below src_dirfd into the empty dst_dirfd: owner, mode, times, extended attributes, hard links,
 * devices. Follows no link, crosses no mount. The descriptor of the source must be readable. */
int volume_copy_tree(int src_dirfd, int dst_dirfd, struct err **e) NODISCARD;
bool volume_dir_is_empty(int dirfd);
