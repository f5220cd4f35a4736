/* SPDX-License-Identifier: Apache-2.0 */
/* hoy-monitor ID: started by hoyd only, with the control socket as descriptor 3. The argument is for ps. */
#include "monitor/monitor.h"
#include "monitor/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct stat st;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("hoy-monitor version %s\n", HOY_VERSION);
		return 0;
	}
	if (argc != 2 || fstat(WIRE_CONTROL_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "hoy-monitor is started by hoyd; it has no command line of its own.\n");
		return 2;
	}
	return monitor_main();
}
