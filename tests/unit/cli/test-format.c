/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "cli/format.h"

static void aligned(const char *in, const char *want)
{
	cleanup_strbuf struct strbuf b = { 0 };

	table_align(sv_of(in), 10, 3, &b);
	assert_string_equal(sb_str(&b), want);
}

static void alignment(void **state)
{
	(void)state;
	aligned("", "");
	aligned("A\tB\n", "A         B\n");
	aligned("A\tB\nlonger than ten\tx\n", "A                 B\nlonger than ten   x\n");
	/* the last cell is as it is; an empty cell has its width too */
	aligned("A\t\tC\n", "A                   C\n");
	/* runes, not bytes */
	aligned("\xe2\x80\xa6\xe2\x80\xa6\tB\n", "\xe2\x80\xa6\xe2\x80\xa6        B\n");
	/* a line without tabs ends a column */
	aligned("aaaaaaaaaaaa\tx\nplain\nb\tx\n", "aaaaaaaaaaaa   x\nplain\nb         x\n");
}

static void cells(void **state)
{
	struct cli c = { .a = arena_new() };
	const struct json *j;

	(void)state;
	assert_string_equal(cell_trunc_id(&c, "sha256:0123456789abcdef"), "0123456789ab");
	assert_string_equal(cell_trunc_id(&c, "abc"), "abc");
	assert_string_equal(cell_ellipsis(&c, "sleep 1000", 20), "sleep 1000");
	assert_string_equal(cell_ellipsis(&c, "0123456789", 5), "0123\xe2\x80\xa6");
	assert_string_equal(cell_ellipsis(&c, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 3),
			    "\xc3\xa4\xc3\xa4\xe2\x80\xa6");
	assert_string_equal(cell_quote(&c, "a\"b\\\n\x01"), "\"a\\\"b\\\\\\n\\x01\"");
	assert_int_equal(json_parse(c.a, SV("{\"b\":\"2\",\"a\":\"1\"}"), NULL, &j, NULL), 0);
	assert_string_equal(cell_labels(&c, j), "a=1,b=2");
	assert_string_equal(cell_labels(&c, NULL), "");
	arena_free(c.a);
}

static const struct column columns[] = { { "ID", "THE ID" }, { "Name", "NAME" }, { "Labels", "LABELS" } };

static void row(struct cli *c, const char *format, const char *want)
{
	struct format f;
	const struct json *labels;

	assert_int_equal(json_parse(c->a, SV("{\"a.b\":\"v\"}"), NULL, &labels, NULL), 0);
	assert_int_equal(
		format_open(&f, c, format, "table {{.ID}}\t{{.Name}}", columns, ARRAY_LEN(columns), NULL), 0);
	row_begin(&f);
	row_add(&f, "ID", "1<2");
	row_add(&f, "Name", "n");
	row_labels(&f, labels);
	assert_int_equal(row_end(&f, NULL), 0);
	assert_string_equal(sb_str(&f.out), want);
	format_release(&f);
}

static void rows(void **state)
{
	struct cli c = { .a = arena_new() };

	(void)state;
	row(&c, "", "THE ID\tNAME\n1<2\tn\n");
	row(&c, "table", "THE ID\tNAME\n1<2\tn\n");
	row(&c, "table {{.Name}}\\t{{.ID}}", "NAME\tTHE ID\nn\t1<2\n");
	row(&c, "{{.Name}}\\n{{.Name}}", "n\nn\n");
	row(&c, "json", "{\"ID\":\"1\\u003c2\",\"Labels\":\"a.b=v\",\"Name\":\"n\"}\n");
	row(&c, "{{json .Name}} {{.Label \"a.b\"}} [{{.Label \"x\"}}]", "\"n\" v []\n");
	row(&c, "table {{.Label \"com.x.a_b\"}}", "a b\n\n");
	arena_free(c.a);
}

static void template_errors(void **state)
{
	struct cli c = { .a = arena_new() };
	struct format f;
	struct err *e = NULL;

	(void)state;
	assert_int_equal(format_open(&f, &c, "{{.x", "", columns, ARRAY_LEN(columns), &e), -1);
	assert_string_equal(err_text(e), "failed to parse template: template: :1: unclosed action");
	err_free(e);
	arena_free(c.a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alignment),
		cmocka_unit_test(cells),
		cmocka_unit_test(rows),
		cmocka_unit_test(template_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
