/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: the first byte picks the command from the table, lines of the rest are its arguments. */
#include "cli/cli.h"

#include <assert.h>

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *argv[ARGS_MAX];
	size_t argc = 0;

	if (!n)
		return 0;
	cleanup_arena struct arena *a = arena_new();
	const struct command *cmd = commands[data[0] % n_commands];
	char *text = arena_strndup(a, (const char *)data + 1, n - 1);
	while (*text && argc < ARGS_MAX) {
		size_t len = strcspn(text, "\n");
		bool is_last = !text[len];

		text[len] = 0;
		argv[argc++] = text;
		text += is_last ? len : len + 1;
	}
	struct flags f;
	cleanup_err struct err *e = NULL;
	if (flags_parse(&f, a, cmd->flags, cmd->n_flags, argv, argc, cmd->only_first, &e) < 0) {
		assert(err_class(e) == ERR_INVALID && *err_text(e));
		return 0;
	}
	assert(f.args.n <= argc);
	for (size_t i = 0; i < f.n; i++)
		for (size_t k = 0; k < f.v[i].list.n; k++)
			assert(f.v[i].list.v[k]);
	return 0;
}
