/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/list.h"
#include "codec/tar.h"
#include "store/pack.h"

#include <sys/stat.h>

struct packer {
	int out_fd;
	struct tar_writer w;
	struct strbuf out;    /* not written yet */
	struct map inodes;    /* "dev:ino" of files with several names -> path in the tar */
	unsigned char *buf;   /* file data */
	struct strbuf xattrs; /* of the current entry: names and values */
	struct tar_xattr xattr[TAR_MAX_XATTRS];
};
void packer_init(struct packer *p, int out_fd);
/* What is still in the buffer goes out. */
int packer_flush(struct packer *p, struct err **e) NODISCARD;
void packer_release(struct packer *p);

/* One file, link, device or directory (its entry alone) as `path`. What vanished or is a socket is passed over. */
int packer_add(struct packer *p, int dirfd, const char *base, const char *path, struct err **e) NODISCARD;
/* The same with everything below. */
int packer_add_tree(struct packer *p, int dirfd, const char *base, const char *path, unsigned depth,
		    struct err **e) NODISCARD;
/* Sorted names of a directory; -errno. */
int list_dir(int dirfd, struct strlist *names) NODISCARD;
