/* SPDX-License-Identifier: Apache-2.0 */
/* hoy-runtime: an OCI runtime with runc's command line (src/runtime/cli). */
#include "runtime/cli/cli.h"

#include <stdio.h>
#include <sys/prctl.h>

int main(int argc, char **argv)
{
	static const char *const harmless[] = {
		"spec", "features", "--version", "-v", "--help", "-h", "help"
	};
	bool sealed_needed = argc > 1;
	char why[96];
	int r;

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(harmless); i++)
		if (str_eq(argv[1], harmless[i]))
			sealed_needed = false;
	/* Before anything is opened or read. */
	r = sealed_needed ? self_seal(argv) : 0;
	if (r < 0) {
		fprintf(stderr, "hoy-runtime: run from a sealed copy: %s\n",
			err_sys_text(-r, why, sizeof(why)));
		return 1;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return runtime_cli(argc, argv);
}
