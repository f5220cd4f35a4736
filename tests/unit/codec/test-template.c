/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit.h"

#include "codec/template.h"

static const char data[] =
	"{\"Name\":\"/"
	"web\",\"N\":3,\"Pi\":3.5,\"On\":true,\"Off\":false,\"Nil\":null,\"List\":[\"a\",\"b\",\"c\"],"
	"\"Map\":{\"b\":\"2\",\"a\":\"1\"},\"Deep\":{\"X\":{\"Y\":\"z\"}},\"Nums\":[1,2,3],\"Empty\":[],"
	"\"Mixed\":{\"k\":1},\"Objs\":[{\"n\":\"one\"},{\"n\":\"two\"}]}";

static void good(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "plain", "plain" },
		{ "{{.Name}}", "/web" },
		{ "{{ .N }}/{{.Pi}}/{{.On}}", "3/3.5/true" },
		{ "{{.Deep.X.Y}}", "z" },
		{ "{{.Missing}}", "<no value>" },
		{ "{{.Nil}}", "<no value>" },
		{ "{{.List}}", "[a b c]" },
		{ "{{.Map}}", "map[a:1 b:2]" },
		{ "{{json .Map}}", "{\"b\":\"2\",\"a\":\"1\"}" },
		{ "{{json .Name}}", "\"/web\"" },
		{ "{{json .Missing}}", "null" },
		{ "{{index .List 1}}", "b" },
		{ "{{index .Map \"a\"}}", "1" },
		{ "{{index .Map \"zz\"}}|", "|" },
		{ "{{index .Mixed \"zz\"}}", "<no value>" },
		{ "{{(index .Objs 1).n}}", "two" },
		{ "{{len .List}} {{len .Name}} {{len .Map}}", "3 4 2" },
		{ "{{slice .Name 1}}", "web" },
		{ "{{slice .Name 1 3}}", "we" },
		{ "{{slice .List 1}}", "[b c]" },
		{ "{{range .List}}<{{.}}>{{end}}", "<a><b><c>" },
		{ "{{range $i, $x := .List}}{{$i}}={{$x}};{{end}}", "0=a;1=b;2=c;" },
		{ "{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "a=1;b=2;" },
		{ "{{range .Empty}}x{{else}}none{{end}}", "none" },
		{ "{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac" },
		{ "{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a" },
		{ "{{if .On}}yes{{else}}no{{end}}", "yes" },
		{ "{{if .Off}}a{{else if eq .N 3}}b{{else}}c{{end}}", "b" },
		{ "{{if and .On (gt .N 2)}}both{{end}}", "both" },
		{ "{{if or .Off .Nil}}x{{else}}y{{end}}", "y" },
		{ "{{if not .Off}}n{{end}}", "n" },
		{ "{{with .Deep}}{{.X.Y}}{{end}}", "z" },
		{ "{{with .Missing}}a{{else}}b{{end}}", "b" },
		{ "{{$x := .Name}}{{$x}}{{$x = \"q\"}}{{$x}}", "/webq" },
		{ "{{range .List}}{{$.N}}{{end}}", "333" },
		{ "{{.Name | printf \"%s!\"}}", "/web!" },
		{ "{{printf \"%-6s|%3d|%q|%v\" .Name .N .Name .List}}", "/web  |  3|\"/web\"|[a b c]" },
		{ "{{printf \"%d\"}}", "%!d(MISSING)" },
		{ "{{printf \"%05d %.2f %x\" .N .Pi 255}}", "00003 3.50 ff" },
		{ "{{println .Name .N}}", "/web 3\n" },
		{ "{{print .Name \"x\"}}", "/webx" },
		{ "{{join .List \", \"}}", "a, b, c" },
		{ "{{split \"a:b:c\" \":\"}}", "[a b c]" },
		{ "{{index (split .Name \"/\") 1}}", "web" },
		{ "{{upper .Name}}{{lower \"ABC\"}}{{title \"hello world\"}}", "/WEBabcHello World" },
		{ "{{pad \"x\" 1 2}}|", " x  |" },
		{ "{{truncate .Name 2}}", "/w" },
		{ "{{eq .N 1 2 3}} {{ne .N 3}} {{lt .N 4}} {{le .N 3}} {{ge .N 4}}",
		  "true false true true false" },
		{ "a {{- .N -}} b", "a3b" },
		{ "x{{/* a comment */}}y", "xy" },
		{ "x {{- /* a comment */ -}} y", "xy" },
		{ "{{`raw \\n`}}{{\"t\\tn\"}}", "raw \\nt\tn" },
		{ "{{\"}}\"}}", "}}" },
		{ "{{true}} {{1}} {{-2}}", "true 1 -2" },
		{ "{{.}}{{/**/}}", NULL }, /* prints something; not compared */
		{ "{{range .Nums}}{{.}},{{end}}", "1,2,3," },
		{ "{{range 3}}{{.}}{{end}}", "012" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_arena struct arena *a = arena_new();
		cleanup_strbuf struct strbuf out = { 0 };
		cleanup_err struct err *e = NULL;
		const struct json *j = NULL;
		struct template *tpl = NULL;
		int r;

		assert_int_equal(json_parse(a, sv_of(data), NULL, &j, NULL), 0);
		r = template_parse(a, sv_of(t[i].text), &tpl, &e);
		if (r == 0)
			r = template_execute(tpl, j, false, &out, &e);
		if (r < 0 || (t[i].want && strcmp(sb_str(&out), t[i].want) != 0))
			fail_msg("%s: got '%s' %s, want '%s'", t[i].text, sb_str(&out), err_text(e),
				 t[i].want);
	}
}

static void bad(void **state)
{
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "{{", "template: :1: unclosed action" },
		{ "{{.Name", "template: :1: unclosed action" },
		{ "{{nosuch}}", "template: :1: function \"nosuch\" not defined" },
		{ "{{}}", "template: :1: missing value for command" },
		{ "{{if .N}}", "template: :1: unexpected EOF" },
		{ "{{end}}", "template: :1: unexpected {{end}}" },
		{ "{{else}}", "template: :1: unexpected {{else}}" },
		{ "a\n{{nosuch}}", "template: :2: function \"nosuch\" not defined" },
		{ "{{break}}", "template: :1: {{break}} outside {{range}}" },
		{ "{{.N | 3}}", NULL },
		{ "{{(.N}}", NULL },
		{ "{{.N)}}", NULL },
		{ "{{\"abc}}", NULL },
		{ "{{$nope}}", NULL },
		{ "{{.Name.Foo}}",
		  "template: :1: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string" },
		{ "{{index .List 9}}", NULL },
		{ "{{len .N}}", NULL },
		{ "{{lt .N \"x\"}}", NULL },
		{ "{{3 4}}", NULL },
		{ "{{range .N}}{{range $.Missing}}{{.x.y.z}}{{end}}{{end}}{{slice .Name 9}}", NULL },
		{ "{{.Name 3}}", NULL },
		{ "{{&}}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		cleanup_arena struct arena *a = arena_new();
		cleanup_strbuf struct strbuf out = { 0 };
		cleanup_err struct err *e = NULL;
		const struct json *j = NULL;
		struct template *tpl = NULL;
		int r;

		assert_int_equal(json_parse(a, sv_of(data), NULL, &j, NULL), 0);
		r = template_parse(a, sv_of(t[i].text), &tpl, &e);
		if (r == 0)
			r = template_execute(tpl, j, false, &out, &e);
		if (r == 0 || (t[i].want && strcmp(err_text(e), t[i].want) != 0))
			fail_msg("%s: got '%s' '%s', want error '%s'", t[i].text, sb_str(&out), err_text(e),
				 t[i].want);
	}
}

static void strict_names_what_is_missing(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strbuf struct strbuf out = { 0 };
	cleanup_err struct err *e = NULL;
	const struct json *j = NULL;
	struct template *tpl = NULL;

	(void)state;
	assert_int_equal(json_parse(a, sv_of(data), NULL, &j, NULL), 0);
	assert_int_equal(template_parse(a, SV("{{.Deep.Foo}}"), &tpl, &e), 0);
	assert_int_equal(template_execute(tpl, j, true, &out, &e), -1);
	assert_string_equal(err_text(e),
			    "template: :1: executing \"\" at <.Deep.Foo>: map has no entry for key \"Foo\"");
}

static void fields_are_the_columns(void **state)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_strlist struct strlist f = { 0 };
	struct template *tpl = NULL;

	(void)state;
	assert_int_equal(
		template_parse(a, SV("{{.ID}}\t{{upper .Names}} {{if .X}}{{.ID}}{{end}}"), &tpl, NULL), 0);
	template_fields(tpl, &f);
	assert_int_equal(f.n, 3);
	assert_string_equal(f.v[0], "ID");
	assert_string_equal(f.v[1], "Names");
	assert_string_equal(f.v[2], "X");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(strict_names_what_is_missing),
		cmocka_unit_test(fields_are_the_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
