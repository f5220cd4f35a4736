/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/template-internal.h"

#include <errno.h>

enum token_kind { T_END, T_WORD, T_FIELD, T_VAR, T_STRING, T_NUMBER, T_CHAR, T_DOT, T_PUNCT, T_SPACE };

struct token {
	enum token_kind kind;
	const char *text; /* decoded for strings; "(" ")" "|" "," "=" ":=" for punctuation */
};

struct parser {
	struct arena *a;
	struct sv rest;   /* text not looked at yet */
	struct sv action; /* rest of the action being read */
	unsigned line;
	unsigned depth;
	struct token tok;
	bool trim_next; /* the last action ended in -}} */
	struct err **e;
};

static int fail(struct parser *p, const char *what)
{
	return err_set(p->e, ERR_INVALID, "template: :%u: %s", p->line, what);
}

static int failf(struct parser *p, const char *fmt, const char *arg)
{
	cleanup_strbuf struct strbuf b = { 0 };

	/* fmt has one %s; built by hand so that the compiler checks the callers' literals. */
	for (; *fmt; fmt++) {
		if (fmt[0] == '%' && fmt[1] == 's') {
			sb_add(&b, arg);
			fmt++;
		} else {
			sb_addc(&b, *fmt);
		}
	}
	return fail(p, sb_str(&b));
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (c & 0x80);
}

static struct sv take_word(struct sv *s)
{
	size_t n = 0;
	struct sv w;

	while (n < s->n && is_word(s->p[n]))
		n++;
	w = sv_sub(*s, 0, n);
	*s = sv_sub(*s, n, s->n);
	return w;
}

static void add_utf8(struct strbuf *b, uint32_t c)
{
	if (c < 0x80) {
		sb_addc(b, (char)c);
	} else if (c < 0x800) {
		sb_addc(b, (char)(0xc0 | c >> 6));
		sb_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		sb_addc(b, (char)(0xe0 | c >> 12));
		sb_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		sb_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* "…" with Go's escapes, `…` raw, '…' a character. s starts after the opening quote. */
static int take_quoted(struct parser *p, struct sv *s, char quote, const char **out)
{
	cleanup_strbuf struct strbuf b = { 0 };
	size_t i = 0;

	for (; i < s->n && s->p[i] != quote; i++) {
		char c = s->p[i];
		uint8_t byte;

		if (c == '\n' && quote != '`')
			return fail(p, quote == '"' ? "unterminated quoted string"
						    : "unterminated character constant");
		if (c != '\\' || quote == '`') {
			sb_addc(&b, c);
			continue;
		}
		if (++i >= s->n)
			break;
		switch (s->p[i]) {
		case 'n': sb_addc(&b, '\n'); break;
		case 't': sb_addc(&b, '\t'); break;
		case 'r': sb_addc(&b, '\r'); break;
		case 'a': sb_addc(&b, '\a'); break;
		case 'b': sb_addc(&b, '\b'); break;
		case 'f': sb_addc(&b, '\f'); break;
		case 'v': sb_addc(&b, '\v'); break;
		case '\\':
		case '\'':
		case '"': sb_addc(&b, s->p[i]); break;
		case 'x':
			if (i + 2 >= s->n || hex_decode(sv_n(s->p + i + 1, 2), &byte, 1) < 0 || byte == 0)
				return fail(p, "invalid syntax");
			sb_addc(&b, (char)byte);
			i += 2;
			break;
		case 'u': {
			uint8_t two[2];

			if (i + 4 >= s->n || hex_decode(sv_n(s->p + i + 1, 4), two, 2) < 0 ||
			    (two[0] | two[1]) == 0)
				return fail(p, "invalid syntax");
			add_utf8(&b, (uint32_t)two[0] << 8 | two[1]);
			i += 4;
			break;
		}
		default: return fail(p, "invalid syntax");
		}
	}
	if (i >= s->n)
		return fail(p, quote == '\''  ? "unterminated character constant"
			       : quote == '"' ? "unterminated quoted string"
					      : "unterminated raw quoted string");
	*s = sv_sub(*s, i + 1, s->n);
	*out = arena_strdup(p->a, sb_str(&b));
	return 0;
}

static int set_token(struct parser *p, enum token_kind k, struct sv text)
{
	p->tok.kind = k;
	p->tok.text = arena_strndup(p->a, text.p, text.n);
	return 0;
}

/* Reads the next token of the action into p->tok. Space is a token: "x .y" and "x.y" differ. */
static int next(struct parser *p)
{
	struct sv *s = &p->action;
	size_t n = 0;
	char c;

	while (n < s->n && strchr(" \t\r\n", s->p[n]))
		n++;
	if (n) {
		*s = sv_sub(*s, n, s->n);
		return set_token(p, s->n ? T_SPACE : T_END, SV(""));
	}
	if (s->n == 0)
		return set_token(p, T_END, SV(""));
	c = s->p[0];
	if (strchr("()|,", c)) {
		*s = sv_sub(*s, 1, s->n);
		return set_token(p, T_PUNCT, sv_n(s->p - 1, 1));
	}
	if (sv_starts(*s, SV(":="))) {
		*s = sv_sub(*s, 2, s->n);
		return set_token(p, T_PUNCT, SV(":="));
	}
	if (c == '=') {
		*s = sv_sub(*s, 1, s->n);
		return set_token(p, T_PUNCT, SV("="));
	}
	if (c == '"' || c == '`' || c == '\'') {
		const char *text;

		*s = sv_sub(*s, 1, s->n);
		if (take_quoted(p, s, c, &text) < 0)
			return -1;
		p->tok = (struct token){ c == '\'' ? T_CHAR : T_STRING, text };
		return 0;
	}
	if (c == '$') {
		struct sv from = *s, w;

		*s = sv_sub(*s, 1, s->n);
		w = take_word(s);
		return set_token(p, T_VAR, sv_n(from.p, w.n + 1));
	}
	if (c == '.' && (s->n == 1 || !is_word(s->p[1]))) {
		*s = sv_sub(*s, 1, s->n);
		return set_token(p, T_DOT, SV("."));
	}
	if (c == '.' && !(s->p[1] >= '0' && s->p[1] <= '9')) {
		*s = sv_sub(*s, 1, s->n);
		return set_token(p, T_FIELD, take_word(s));
	}
	if ((c >= '0' && c <= '9') ||
	    ((c == '-' || c == '+' || c == '.') && s->n > 1 && s->p[1] >= '0' && s->p[1] <= '9')) {
		size_t k = 1;

		while (k < s->n && (is_word(s->p[k]) || s->p[k] == '.'))
			k++;
		*s = sv_sub(*s, k, s->n);
		return set_token(p, T_NUMBER, sv_n(s->p - k, k));
	}
	if (is_word(c))
		return set_token(p, T_WORD, take_word(s));
	{
		char text[2] = { c, '\0' };

		if (c < ' ' || c == 0x7f)
			return fail(p, "unexpected unprintable character in command");
		return failf(p, "unexpected \"%s\" in command", text);
	}
}

static int skip_space(struct parser *p)
{
	while (p->tok.kind == T_SPACE)
		if (next(p) < 0)
			return -1;
	return 0;
}

static bool is_punct(const struct parser *p, const char *s)
{
	return p->tok.kind == T_PUNCT && strcmp(p->tok.text, s) == 0;
}

/* .a.b right after an operand. The current token is looked at; more fields are consumed. */
static int parse_fields(struct parser *p, struct expr *x)
{
	struct strbuf chain = { 0 };
	const char **v = NULL;
	size_t n = 0, cap = 0;

	while (p->tok.kind == T_FIELD) {
		if (n + 2 > cap) {
			const char **more = arena_alloc(p->a, sizeof(*v) * (cap = cap ? cap * 2 : 4));

			if (n)
				memcpy(more, v, n * sizeof(*v));
			v = more;
		}
		v[n++] = p->tok.text;
		v[n] = NULL;
		sb_addf(&chain, ".%s", p->tok.text);
		if (next(p) < 0) {
			sb_release(&chain);
			return -1;
		}
	}
	x->fields = v;
	x->chain = arena_strdup(p->a, sb_str(&chain));
	sb_release(&chain);
	return 0;
}

static const struct json *literal(struct parser *p, enum json_type type, const char *text)
{
	struct json *j = ARENA_NEW(p->a, struct json);

	j->type = type;
	j->b = type == JSON_BOOL && strcmp(text, "true") == 0;
	j->raw = j->str = sv_of(text);
	return j;
}

static struct pipe *parse_pipe(struct parser *p, const char *end);

static const char *const functions[] = { "and",   "or",     "not",     "index", "len",     "slice",
					 "eq",    "ne",     "lt",      "le",    "gt",      "ge",
					 "print", "printf", "println", "json",  "split",   "join",
					 "title", "lower",  "upper",   "pad",   "truncate" };

static struct expr *parse_operand(struct parser *p)
{
	struct expr *x = ARENA_NEW(p->a, struct expr);

	switch (p->tok.kind) {
	case T_DOT:
		x->kind = EXPR_DOT;
		if (next(p) < 0)
			return NULL;
		break;
	case T_FIELD: x->kind = EXPR_DOT; break;
	case T_VAR:
		x->kind = EXPR_VAR;
		x->name = p->tok.text;
		if (next(p) < 0)
			return NULL;
		break;
	case T_STRING: x->value = literal(p, JSON_STRING, p->tok.text); return next(p) < 0 ? NULL : x;
	case T_CHAR:
		/* A character is its number. */
		x->value =
			literal(p, JSON_NUMBER, arena_printf(p->a, "%d", (int)(unsigned char)p->tok.text[0]));
		return next(p) < 0 ? NULL : x;
	case T_NUMBER: {
		const struct json *j = NULL;
		const char *text = p->tok.text[0] == '+' ? p->tok.text + 1 : p->tok.text;

		if (json_parse(p->a, sv_of(text), NULL, &j, NULL) < 0 || j->type != JSON_NUMBER) {
			(void)failf(p, "bad number syntax: \"%s\"", p->tok.text);
			return NULL;
		}
		x->value = j;
		return next(p) < 0 ? NULL : x;
	}
	case T_WORD:
		if (strcmp(p->tok.text, "true") == 0 || strcmp(p->tok.text, "false") == 0)
			x->value = literal(p, JSON_BOOL, p->tok.text);
		else if (strcmp(p->tok.text, "nil") != 0) {
			bool known = false;

			for (size_t i = 0; i < ARRAY_LEN(functions); i++)
				known = known || strcmp(functions[i], p->tok.text) == 0;
			if (!known) {
				(void)failf(p, "function \"%s\" not defined", p->tok.text);
				return NULL;
			}
			x->kind = EXPR_CALL;
			x->name = p->tok.text;
		}
		return next(p) < 0 ? NULL : x;
	case T_PUNCT:
		if (is_punct(p, "(")) {
			if (++p->depth > TEMPLATE_MAX_DEPTH) {
				(void)fail(p, "too deeply nested");
				return NULL;
			}
			x->kind = EXPR_PIPE;
			if (next(p) < 0)
				return NULL;
			x->pipe = parse_pipe(p, ")");
			p->depth--;
			if (!x->pipe || next(p) < 0)
				return NULL;
			break;
		}
		(void)failf(p, "unexpected \"%s\" in operand", p->tok.text);
		return NULL;
	case T_END:
	case T_SPACE: (void)fail(p, "missing value for command"); return NULL;
	}
	if (parse_fields(p, x) < 0)
		return NULL;
	return x;
}

/* An operand with its arguments, up to "|", ")" or the end. */
static struct expr *parse_command(struct parser *p)
{
	struct expr *x, **args = NULL;
	size_t n = 0, cap = 0;

	if (skip_space(p) < 0)
		return NULL;
	x = parse_operand(p);
	if (!x)
		return NULL;
	for (;;) {
		struct expr *arg;

		if (p->tok.kind == T_SPACE && skip_space(p) < 0)
			return NULL;
		if (p->tok.kind == T_END || is_punct(p, "|") || is_punct(p, ")"))
			break;
		if (p->tok.kind == T_PUNCT && !is_punct(p, "(")) {
			(void)failf(p, "unexpected \"%s\" in operand", p->tok.text);
			return NULL;
		}
		arg = parse_operand(p);
		if (!arg)
			return NULL;
		if (n == cap) {
			struct expr **more = arena_alloc(p->a, sizeof(*args) * (cap = cap ? cap * 2 : 4));

			if (n)
				memcpy(more, args, n * sizeof(*args));
			args = more;
		}
		args[n++] = arg;
	}
	if (n && x->kind == EXPR_VALUE) {
		(void)fail(p, "can't give argument to non-function");
		return NULL;
	}
	x->args = args;
	x->n_args = n;
	return x;
}

/* "$x :=", "$x, $y :=", "$x =" at the start. */
static int parse_declaration(struct parser *p, struct pipe *pipe)
{
	struct parser saved = *p;
	const char *vars[2];
	size_t n = 0;

	while (p->tok.kind == T_VAR && n < 2) {
		vars[n++] = p->tok.text;
		if (next(p) < 0 || skip_space(p) < 0)
			return -1;
		if (!is_punct(p, ","))
			break;
		if (next(p) < 0 || skip_space(p) < 0)
			return -1;
	}
	if (n == 0 || (!is_punct(p, ":=") && !is_punct(p, "="))) {
		*p = saved;
		return 0;
	}
	pipe->is_assign = is_punct(p, "=");
	memcpy(pipe->vars, vars, sizeof(vars[0]) * n);
	pipe->n_vars = n;
	return next(p);
}

/* Current token: the first of the pipeline. Ends on `end` (")" not consumed) or, end NULL, at the action's end. */
static struct pipe *parse_pipe(struct parser *p, const char *end)
{
	struct pipe *pipe = ARENA_NEW(p->a, struct pipe);
	size_t cap = 0;

	if (skip_space(p) < 0 || parse_declaration(p, pipe) < 0)
		return NULL;
	for (;;) {
		struct expr *x = parse_command(p);

		if (!x)
			return NULL;
		if (pipe->n_cmds && x->kind == EXPR_VALUE) {
			(void)fail(p, "non executable command in pipeline stage 2");
			return NULL;
		}
		if (pipe->n_cmds == cap) {
			struct expr **more = arena_alloc(p->a, sizeof(*more) * (cap = cap ? cap * 2 : 4));

			if (pipe->n_cmds)
				memcpy(more, pipe->cmds, pipe->n_cmds * sizeof(*more));
			pipe->cmds = more;
		}
		pipe->cmds[pipe->n_cmds++] = x;
		if (is_punct(p, "|")) {
			if (next(p) < 0)
				return NULL;
			continue;
		}
		if (end ? is_punct(p, end) : p->tok.kind == T_END)
			return pipe;
		(void)(end ? fail(p, "unclosed left paren") : fail(p, "unexpected right paren"));
		return NULL;
	}
}

static struct sv trim_right(struct sv s)
{
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct sv trim_left(struct sv s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s = sv_sub(s, 1, s.n);
	return s;
}

static void count_lines(struct parser *p, struct sv s)
{
	for (size_t i = 0; i < s.n; i++)
		p->line += s.p[i] == '\n';
}

/* End of the action that s starts in (after "{{"): index of "}}", quotes and comments respected; -1 if none. */
static ssize_t action_end(struct sv s)
{
	char quote = '\0';

	for (size_t i = 0; i + 1 < s.n; i++) {
		char c = s.p[i];

		if (quote) {
			if (c == '\\' && quote != '`')
				i++;
			else if (c == quote)
				quote = '\0';
		} else if (c == '"' || c == '`' || c == '\'') {
			quote = c;
		} else if (c == '}' && s.p[i + 1] == '}') {
			return (ssize_t)i;
		}
	}
	return -1;
}

/* Takes the next piece: text before an action (possibly empty), then the action, if there is one. */
static int take_piece(struct parser *p, struct sv *text, bool *has_action)
{
	struct sv s = p->rest;
	ssize_t open = -1, close;
	bool trim = p->trim_next;

	for (size_t i = 0; i + 1 < s.n && open < 0; i++)
		if (s.p[i] == '{' && s.p[i + 1] == '{')
			open = (ssize_t)i;
	p->trim_next = false;
	*has_action = open >= 0;
	*text = sv_sub(s, 0, open < 0 ? s.n : (size_t)open);
	if (trim)
		*text = trim_left(*text);
	count_lines(p, sv_sub(s, 0, open < 0 ? s.n : (size_t)open));
	if (open < 0) {
		p->rest = sv_sub(s, s.n, s.n);
		return 0;
	}
	s = sv_sub(s, (size_t)open + 2, s.n);
	if (s.n > 1 && s.p[0] == '-' && strchr(" \t\r\n", s.p[1])) {
		*text = trim_right(*text);
		s = sv_sub(s, 1, s.n);
	}
	if (sv_starts(trim_left(s), SV("/*"))) {
		const char *stop = memmem(s.p, s.n, "*/", 2);

		if (!stop)
			return fail(p, "unclosed comment");
		close = action_end(sv_n(stop + 2, s.n - (size_t)(stop + 2 - s.p)));
		if (close < 0)
			return fail(p, "comment ends before closing delimiter");
		close += stop + 2 - s.p;
		p->action = sv_sub(s, 0, 0);
	} else {
		close = action_end(s);
		if (close < 0)
			return fail(p, "unclosed action");
		p->action = sv_sub(s, 0, (size_t)close);
	}
	if (close >= 2 && s.p[close - 1] == '-' && strchr(" \t\r\n", s.p[close - 2])) {
		p->trim_next = true;
		if (p->action.n)
			p->action.n--;
	}
	p->rest = sv_sub(s, (size_t)close + 2, s.n);
	return 0;
}

enum stop { STOP_EOF, STOP_END, STOP_ELSE, STOP_ERROR };

static enum stop parse_list(struct parser *p, struct node **first, bool in_range);

/* if/range/with, the keyword read; *n gets pipe, body and else part. */
static int parse_control(struct parser *p, struct node *n, bool in_range)
{
	bool range = in_range || n->kind == NODE_RANGE;
	enum stop stop;

	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return fail(p, "too deeply nested");
	if (skip_space(p) < 0)
		return -1;
	if (p->tok.kind == T_END)
		return failf(p, "missing value for %s",
			     n->kind == NODE_IF      ? "if"
			     : n->kind == NODE_RANGE ? "range"
						     : "with");
	n->pipe = parse_pipe(p, NULL);
	if (!n->pipe)
		return -1;
	stop = parse_list(p, &n->body, range);
	if (stop == STOP_ELSE) {
		/* p->tok is what follows "else": nothing, or if/with. */
		if (skip_space(p) < 0)
			return -1;
		if (p->tok.kind == T_WORD &&
		    (strcmp(p->tok.text, "if") == 0 || strcmp(p->tok.text, "with") == 0)) {
			n->other = ARENA_NEW(p->a, struct node);
			n->other->kind = strcmp(p->tok.text, "if") == 0 ? NODE_IF : NODE_WITH;
			n->other->line = p->line;
			if (next(p) < 0 || parse_control(p, n->other, in_range) < 0)
				return -1;
			p->depth--;
			return 0; /* its end is ours */
		}
		if (p->tok.kind != T_END)
			return failf(p, "unexpected \"%s\" in else", p->tok.text);
		stop = parse_list(p, &n->other, range);
		if (stop == STOP_ELSE)
			return fail(p, "unexpected {{else}}");
	}
	if (stop == STOP_EOF)
		return fail(p, "unexpected EOF");
	if (stop == STOP_ERROR)
		return -1;
	p->depth--;
	return 0;
}

static enum stop parse_list(struct parser *p, struct node **first, bool in_range)
{
	struct node **tail = first;

	for (;;) {
		struct sv text;
		bool has_action;
		struct node *n;
		const char *word;

		if (take_piece(p, &text, &has_action) < 0)
			return STOP_ERROR;
		if (text.n) {
			n = ARENA_NEW(p->a, struct node);
			n->kind = NODE_TEXT;
			n->text = text;
			*tail = n;
			tail = &n->next;
		}
		if (!has_action)
			return STOP_EOF;
		if (p->action.n == 0) {
			if (p->rest.p && p->rest.p[-3] == '{') {
				(void)fail(p, "missing value for command");
				return STOP_ERROR;
			}
			continue; /* a comment */
		}
		if (next(p) < 0 || skip_space(p) < 0)
			return STOP_ERROR;
		word = p->tok.kind == T_WORD ? p->tok.text : "";
		if (strcmp(word, "end") == 0)
			return next(p) < 0 || skip_space(p) < 0 ? STOP_ERROR : STOP_END;
		if (strcmp(word, "else") == 0)
			return next(p) < 0 ? STOP_ERROR : STOP_ELSE;
		n = ARENA_NEW(p->a, struct node);
		n->line = p->line;
		*tail = n;
		tail = &n->next;
		if (strcmp(word, "if") == 0 || strcmp(word, "range") == 0 || strcmp(word, "with") == 0) {
			n->kind = word[0] == 'i' ? NODE_IF : word[0] == 'r' ? NODE_RANGE : NODE_WITH;
			if (next(p) < 0 || parse_control(p, n, in_range) < 0)
				return STOP_ERROR;
		} else if (strcmp(word, "break") == 0 || strcmp(word, "continue") == 0) {
			n->kind = word[0] == 'b' ? NODE_BREAK : NODE_CONTINUE;
			if (!in_range) {
				(void)failf(p, "{{%s}} outside {{range}}", word);
				return STOP_ERROR;
			}
			if (next(p) < 0)
				return STOP_ERROR;
		} else {
			n->kind = NODE_ACTION;
			n->pipe = parse_pipe(p, NULL);
			if (!n->pipe)
				return STOP_ERROR;
		}
	}
}

int template_parse(struct arena *a, struct sv text, struct template **out, struct err **e)
{
	struct parser p = { .a = a, .rest = { arena_strndup(a, text.p, text.n), text.n }, .line = 1, .e = e };
	struct template *t = ARENA_NEW(a, struct template);

	if (text.n > TEMPLATE_MAX_BYTES)
		return err_set(e, ERR_INVALID, "template: longer than %d bytes", TEMPLATE_MAX_BYTES);
	if (text.n && memchr(text.p, '\0', text.n))
		return err_set(e, ERR_INVALID, "template: contains a NUL byte");
	t->a = a;
	switch (parse_list(&p, &t->first, false)) {
	case STOP_EOF: break;
	case STOP_END: return fail(&p, "unexpected {{end}}");
	case STOP_ELSE: return fail(&p, "unexpected {{else}}");
	case STOP_ERROR: return -1;
	}
	*out = t;
	return 0;
}

static void fields_of_pipe(const struct pipe *pipe, struct strlist *out);

static void fields_of_expr(const struct expr *x, struct strlist *out)
{
	if (x->kind == EXPR_DOT && x->fields && !strlist_has(out, x->fields[0]))
		strlist_add(out, x->fields[0]);
	if (x->pipe)
		fields_of_pipe(x->pipe, out);
	for (size_t i = 0; i < x->n_args; i++)
		fields_of_expr(x->args[i], out);
}

static void fields_of_pipe(const struct pipe *pipe, struct strlist *out)
{
	for (size_t i = 0; i < pipe->n_cmds; i++)
		fields_of_expr(pipe->cmds[i], out);
}

static void fields_of_list(const struct node *n, struct strlist *out)
{
	for (; n; n = n->next) {
		if (n->pipe)
			fields_of_pipe(n->pipe, out);
		fields_of_list(n->body, out);
		fields_of_list(n->other, out);
	}
}

void template_fields(const struct template *t, struct strlist *out)
{
	fields_of_list(t->first, out);
}
