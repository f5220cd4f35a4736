/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container whose program (or script's or ELF file's interpreter) is /proc/self/exe would run the runtime's own
 * file, and could then open it for writing (CVE-2019-5736). So we run through a read-only mount that is in no mount
 * namespace: nobody can find it, and the kernel changes no mount that is in none. It shares the page cache with the
 * file, which a copy in memory does not; the copy is for callers that may not mount.
 */
#include "runtime/cli/cli.h"

#include "base/fs.h"
#include "kernel/mount.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <linux/memfd.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void execute(int fd, char **argv)
{
	(void)syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
}

/* What the kernel maps of our file: symbols and debug information behind it need no copy. */
static off_t loaded_size(off_t all)
{
#ifdef HOY_STATIC
	const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
	unsigned long n = getauxval(AT_PHNUM);
	off_t end = 0;

	for (unsigned long i = 0; ph && i < n; i++)
		if (ph[i].p_type == PT_LOAD)
			end = MAX(end, (off_t)(ph[i].p_offset + ph[i].p_filesz));
	if (end > 0 && end < all)
		return end;
#endif
	return all;
}

static int copy_and_execute(int self, char **argv)
{
	cleanup_close int copy = -1;
	struct stat st;

	copy = (int)syscall(SYS_memfd_create, "hoy-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL)
		copy = (int)syscall(SYS_memfd_create, "hoy-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(self, &st) < 0)
		return -errno;
	for (off_t left = loaded_size(st.st_size); left > 0;) {
		ssize_t n = sendfile(copy, self, NULL, (size_t)left);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		left -= n;
	}
	if (fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return -errno;
	execute(copy, argv);
	return -errno;
}

int self_seal(char **argv)
{
	cleanup_close int self = fs_open("/proc/self/exe", O_RDONLY, 0);
	cleanup_close int mount = -1;
	struct statvfs fs;
	int seals;

	if (self < 0)
		return self;
	seals = fcntl(self, F_GET_SEALS);
	if (seals >= 0 && (seals & SEALS) == SEALS)
		return 0;
	if (fstatvfs(self, &fs) == 0 && fs.f_flag & ST_RDONLY)
		return 0;
	mount = mnt_clone(self, "", false);
	if (mount >= 0 && mnt_setattr(mount, "", false, MNT_ATTR_RDONLY, 0, MNT_PRIVATE, -1) == 0)
		execute(mount, argv);
	return copy_and_execute(self, argv);
}
