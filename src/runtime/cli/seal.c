/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container whose program is /proc/self/exe would run the runtime's own file, and could then open it for writing
 * (CVE-2019-5736). So we run from a copy in memory that nobody can change.
 */
#include "runtime/cli/cli.h"

#include "base/fs.h"

#include <errno.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int self_seal(char **argv)
{
	cleanup_close int self = fs_open("/proc/self/exe", O_RDONLY, 0);
	cleanup_close int copy = -1;
	struct stat st;
	int seals;

	if (self < 0)
		return self;
	seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS)
		return 0;
	copy = (int)syscall(SYS_memfd_create, "hoy-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = (int)syscall(SYS_memfd_create, "hoy-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(self, &st) < 0)
		return -errno;
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(copy, self, NULL, (size_t)left);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	(void)syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}
