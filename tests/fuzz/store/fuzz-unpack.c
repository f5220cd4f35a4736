/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's code over any bytes: a layer (first byte even) or an archive with its manifests (odd). Files go to a
 * directory of its own beside a canary; run as a user without rights.
 */
#include "base/fs.h"
#include "base/mem.h"
#include "store/unpack.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void seal(uint8_t *p, size_t n)
{
	for (size_t at = 0; at + 512 <= n; at += 512) {
		uint32_t sum = 8 * ' ';
		for (size_t i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : p[at + i];
		if (p[at + 155] != 0x42)
			continue;
		for (int i = 5; i >= 0; i--, sum >>= 3)
			p[at + 148 + (size_t)i] = (uint8_t)('0' + (sum & 7));
		p[at + 154] = 0;
		p[at + 155] = ' ';
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char dir[] = "/tmp/hoy-fuzz-unpack-XXXXXX";
	static int top = -1;
	struct unpack_result r;
	struct stat st;

	if (n < 1)
		return 0;
	if (top < 0) {
		assert(mkdtemp(dir));
		top = fs_open(dir, O_RDONLY | O_DIRECTORY, 0);
		assert(fs_mkdir_at(top, "canary", 0700) == 0);
	}
	assert(fs_mkdir_at(top, "root", 0700) == 0);
	cleanup_close int root = fs_open_at(top, "root", O_RDONLY | O_DIRECTORY, 0);
	cleanup_close int in = memfd_create("in", MFD_CLOEXEC);
	cleanup_free uint8_t *copy = xmemdup(data + 1, n - 1);
	seal(copy, n - 1);
	assert(fd_write_full(in, copy, n - 1) == 0 && lseek(in, 0, SEEK_SET) == 0);
	struct unpack u = {
		.in_fd = in,
		.root_fd = root,
		.tee_fd = -1,
		.is_base = data[0] & 2,
		.no_devices = true,
		.max_entries = 64,
		.max_bytes = 1 << 20,
	};
	cleanup_err struct err *e = NULL;
	int k = data[0] & 1 ? unpack_archive(&u, "linux", "amd64", &e) : unpack_layer(&u, &r, &e);
	assert(k == 0 || err_text(e));
	assert(fstatat(top, "canary", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink == 2);
	(void)fs_rmtree_at(top, "root");
	return 0;
}
