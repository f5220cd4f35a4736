/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion in shells: small scripts that ask the hidden `hoy __complete WORD...` for what may stand in place of the
 * last word, one a line. Commands and options come from the command table, names from the engine; without an engine
 * there are no names, and the shell offers files.
 */
#include "cli/commands.h"

static const char bash_script[] =
	"# bash completion for ~; load with: source <(~ completion bash)\n"
	"_hoy_complete() {\n"
	"	local line=\"${COMP_LINE:0:COMP_POINT}\" cur head\n"
	"	local -a words\n"
	"	read -ra words <<< \"$line\"\n"
	"	case $line in *[[:space:]]) words+=(\"\") ;; esac\n"
	"	cur=${words[-1]}\n"
	"	mapfile -t COMPREPLY < <(\"${words[0]}\" __complete \"${words[@]:1}\" 2>/dev/null)\n"
	"	# readline replaces only what follows the last colon or equals sign\n"
	"	head=${cur%\"${cur##*[:=]}\"}\n"
	"	COMPREPLY=(\"${COMPREPLY[@]#\"$head\"}\")\n"
	"}\n"
	"complete -o bashdefault -o default -F _hoy_complete ~\n";

static const char zsh_script[] =
	"#compdef ~\n"
	"# zsh completion for ~; load with: source <(~ completion zsh)\n"
	"_~() {\n"
	"	local -a found\n"
	"	found=(${(f)\"$(\"${words[1]}\" __complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\"})\n"
	"	if (( $#found )); then compadd -- $found; else _files; fi\n"
	"}\n"
	"if [ \"$funcstack[1]\" = \"_~\" ]; then _~ \"$@\"; else compdef _~ ~; fi\n";

static const char fish_script[] =
	"# fish completion for ~; load with: ~ completion fish | source\n"
	"function __~_complete\n"
	"	set -l words (commandline -opc)\n"
	"	set -e words[1]\n"
	"	~ __complete $words (commandline -ct | string collect -a) 2>/dev/null\n"
	"end\n"
	"complete -c ~ -a '(__~_complete)'\n";

static int completion(struct cli *c, struct err **e)
{
	const char *shell = cli_arg(c, 0), *script = NULL;

	if (strcmp(shell, "bash") == 0)
		script = bash_script;
	else if (strcmp(shell, "zsh") == 0)
		script = zsh_script;
	else if (strcmp(shell, "fish") == 0)
		script = fish_script;
	else
		return err_set(e, ERR_INVALID, "unknown shell \"%s\": bash, zsh or fish", shell);
	/* ~ is the program's name */
	for (const char *p = script; *p; p++)
		cli_out(*p == '~' ? c->prog : p, *p == '~' ? strlen(c->prog) : 1);
	return 0;
}

const struct command cmd_completion = {
	.name = "completion",
	.usage = "bash|zsh|fish",
	.about = "Print the completion script for a shell",
	.min_args = 1,
	.max_args = 1,
	.is_hidden = true,
	.run = completion,
};

static void offer(const char *word, const char *cur)
{
	if (!str_empty(word) && str_starts(word, cur))
		(void)printf("%s\n", word);
}

static void offer_flags(struct cli *c, const struct flag *table, size_t n, const char *cur)
{
	for (size_t i = 0; i < n; i++)
		if (!table[i].hidden && !table[i].alias_of)
			offer(arena_printf(c->a, "--%s", table[i].name), cur);
	offer("--help", cur);
}

static void offer_commands(const char *group, const char *cur)
{
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *cmd = commands[i];
		if (cmd->is_hidden)
			continue;
		if (group)
			offer(str_eq(cmd->group, group) ? cmd->name : NULL, cur);
		else
			offer(cmd->group ? cmd->top : cmd->name, cur);
	}
	for (size_t i = 0; !group && i < n_command_groups; i++)
		offer(command_groups[i].name, cur);
	if (!group)
		offer("help", cur);
}

static const struct json *ask(struct cli *c, const char *path)
{
	cleanup_err struct err *why = NULL;
	const struct json *j = NULL;

	return cli_json(c, "GET", path, NULL, &j, &why) < 0 ? NULL : j;
}

static void offer_list(const struct json *list, const char *key, const char *cur)
{
	if (!json_is(list, JSON_ARRAY))
		return;
	json_for_each (it, list) {
		const struct json *v = json_get(it, key);
		offer(json_str(v), cur);
		if (!json_is(v, JSON_ARRAY))
			continue;
		json_for_each (name, v) {
			const char *s = json_str(name);
			/* a container's name comes with a slash, and links' names with two */
			if (s && *s == '/')
				s = strchr(s + 1, '/') ? NULL : s + 1;
			if (s && strcmp(s, "<none>:<none>") != 0)
				offer(s, cur);
		}
	}
}

static bool has_word(struct sv s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

static void offer_names(struct cli *c, struct sv what, const char *cur)
{
	bool any = has_word(what, "NAME|ID");

	if (any || has_word(what, "CONTAINER"))
		offer_list(ask(c, "/containers/json?all=1"), "Names", cur);
	if (any || has_word(what, "IMAGE"))
		offer_list(ask(c, "/images/json"), "RepoTags", cur);
	if (any || has_word(what, "VOLUME"))
		offer_list(json_get(ask(c, "/volumes"), "Volumes"), "Name", cur);
	if (any || has_word(what, "NETWORK"))
		offer_list(ask(c, "/networks"), "Name", cur);
}

/* The word of the usage line that the argument number `pos` stands for; the last one may repeat. */
static struct sv usage_word(const char *usage, size_t pos)
{
	struct sv last = { 0 };
	size_t i = 0;

	for (const char *p = usage; *p;) {
		size_t n = strcspn(p, " ");
		struct sv word = sv_n(p, n);

		p += n;
		p += strspn(p, " ");
		if (sv_eqs(word, "[OPTIONS]"))
			continue;
		last = word;
		if (i++ == pos)
			return word;
	}
	return has_word(last, "...") ? last : (struct sv){ 0 };
}

static void complete_command(struct cli *c, char *const *argv, size_t argc, const char *cur)
{
	cleanup_err struct err *why = NULL;

	/* also where the last option waits for its value: files then */
	if (flags_parse(&c->f, c->a, c->cmd->flags, c->cmd->n_flags, argv, argc, c->cmd->only_first, &why) <
	    0)
		return;
	if (c->cmd->only_first && c->f.args.n)
		return;
	if (cur[0] == '-')
		offer_flags(c, c->cmd->flags, c->cmd->n_flags, cur);
	else
		offer_names(c, usage_word(c->cmd->usage, c->f.args.n), cur);
}

int complete_words(struct cli *c, char *const *argv, size_t argc)
{
	cleanup_err struct err *why = NULL;
	size_t n_global, n_words = argc ? argc - 1 : 0;
	const struct flag *table = global_flags(&n_global);
	const char *cur = argc ? argv[n_words] : "";

	if (flags_parse(&c->global, c->a, table, n_global, argv, n_words, true, &why) < 0)
		return 0;
	size_t left = c->global.args.n;
	argv += n_words - left;
	if (left == 0) {
		if (cur[0] == '-')
			offer_flags(c, table, n_global, cur);
		else
			offer_commands(NULL, cur);
		return 0;
	}
	c->cmd = cli_find_command(NULL, argv[0]);
	if (c->cmd) {
		complete_command(c, argv + 1, left - 1, cur);
		return 0;
	}
	if (left == 1) {
		if (strcmp(argv[0], "help") == 0)
			offer_commands(NULL, cur);
		else
			offer_commands(argv[0], cur);
		return 0;
	}
	c->cmd = cli_find_command(argv[0], argv[1]);
	if (c->cmd)
		complete_command(c, argv + 2, left - 2, cur);
	return 0;
}
