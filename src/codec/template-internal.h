/* SPDX-License-Identifier: Apache-2.0 */
/* The tree between the parser (template-parse.c) and the interpreter (template.c). All of it lives in one arena. */
#pragma once

#include "codec/template.h"

enum node_kind {
	NODE_TEXT,   /* text */
	NODE_ACTION, /* pipe */
	NODE_IF,     /* pipe, body, other */
	NODE_RANGE,
	NODE_WITH,
	NODE_BREAK,
	NODE_CONTINUE,
};

enum expr_kind {
	EXPR_VALUE, /* literal: value (NULL: nil) */
	EXPR_DOT,
	EXPR_VAR,  /* name ("$", "$x") */
	EXPR_CALL, /* function name with args */
	EXPR_PIPE, /* pipe, in parentheses */
};

struct expr {
	enum expr_kind kind;
	const struct json *value;
	const char *name;
	struct pipe *pipe;
	const char *const *fields; /* .a.b after it; NULL-ended, or NULL */
	const char *chain;         /* ".a.b" for messages */
	struct expr **args;        /* EXPR_CALL, and a field that is given arguments (an error) */
	size_t n_args;
};

struct pipe {
	const char *vars[2]; /* declared or assigned: "$x" */
	size_t n_vars;
	bool is_assign; /* "=" */
	struct expr **cmds;
	size_t n_cmds;
};

struct node {
	enum node_kind kind;
	unsigned line;
	struct sv text;
	struct pipe *pipe;
	struct node *body, *other;
	struct node *next;
};

struct template
{
	struct arena *a;
	struct node *first;
};
