/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_paths(void **state)
{
	(void)state;
	static const char *const t[][2] = {
		{ "/a//b/../c/", "/a/c" },
		{ "/", "/" },
		{ "//", "/" },
		{ "/..", "/" },
		{ "/../a", "/a" },
		{ "", "." },
		{ ".", "." },
		{ "a/..", "." },
		{ "..", ".." },
		{ "../..", "../.." },
		{ "../a/..", ".." },
		{ "a/../..", ".." },
		{ "a/./b", "a/b" },
		{ "/a/b/../../..", "/" },
		{ "./a", "a" },
		{ "/a.b/..c", "/a.b/..c" },
	};
	cleanup_arena struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_string_equal(path_clean(a, t[i][0]), t[i][1]);
	assert_true(path_is_local("a/b"));
	assert_true(path_is_local("a/../b"));
	assert_true(path_is_local("."));
	assert_false(path_is_local(""));
	assert_false(path_is_local("/a"));
	assert_false(path_is_local(".."));
	assert_false(path_is_local("a/../../b"));
}

static void bind(const char *raw, enum mount_type type, const char *source, const char *target, bool ro)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct mount_spec m;

	if (mount_parse_bind(a, raw, NULL, &m, &e) < 0)
		fail_msg("%s: %s", raw, err_text(e));
	assert_int_equal(m.type, type);
	assert_string_equal(m.source, source);
	assert_string_equal(m.target, target);
	assert_int_equal(m.read_only, ro);
}

static void bad_bind(const char *raw, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct mount_spec m;

	if (mount_parse_bind(a, raw, NULL, &m, &e) == 0)
		fail_msg("accepted: %s", raw);
	assert_int_equal(err_class(e), ERR_INVALID);
	assert_string_equal(err_text(e), want);
}

static void test_binds(void **state)
{
	(void)state;
	bind("/src:/dst", MOUNT_BIND, "/src", "/dst", false);
	bind("/src/:/dst/", MOUNT_BIND, "/src", "/dst", false);
	bind("/src:/dst:ro", MOUNT_BIND, "/src", "/dst", true);
	bind("/src:/dst:rw,z,rslave", MOUNT_BIND, "/src", "/dst", false);
	bind("/src:/dst:", MOUNT_BIND, "/src", "/dst", false);
	bind("vol:/dst:nocopy", MOUNT_VOLUME, "vol", "/dst", false);
	bind("vol:/dst:ro,nocopy", MOUNT_VOLUME, "vol", "/dst", true);
	bind("/dst", MOUNT_VOLUME, "", "/dst", false);

	bad_bind("", "invalid volume specification: ''");
	bad_bind(":/dst", "invalid volume specification: ':/dst'");
	bad_bind("/foo:rw", "invalid volume specification: '/foo:rw'");
	bad_bind("/a:/b:ro:x", "invalid volume specification: '/a:/b:ro:x'");
	bad_bind("/a:/b:c:d:e", "invalid volume specification: '/a:/b:c:d:e'");
	bad_bind("/a:/b:xyz", "invalid mode: xyz");
	bad_bind("/a:/b:ro,rw", "invalid mode: ro,rw");
	bad_bind("/a:/b:shared,slave", "invalid mode: shared,slave");
	bad_bind("/a:/b:,ro", "invalid mode: ,ro");
	bad_bind("/a:b", "invalid volume specification: '/a:b': invalid mount config for type \"bind\": "
			 "invalid mount path: 'b' "
			 "mount path must be absolute");
	bad_bind("/a:/", "invalid volume specification: '/a:/': invalid mount config for type \"bind\": "
			 "invalid specification: "
			 "destination can't be '/'");
	bad_bind("/a:/..",
		 "invalid volume specification: '/a:/..': invalid mount config for type \"bind\": invalid "
		 "specification: destination can't be '/'");
	bad_bind("/a:", "invalid volume specification: '/a:': invalid mount config for type \"bind\": field "
			"Target must not be "
			"empty");
	bad_bind("v:/a:shared", "invalid volume specification: 'v:/a:shared': invalid mount config for type "
				"\"volume\": field "
				"BindOptions must not be specified");
}

static void bad_api(struct api_mount m, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct mount_spec s;

	if (mount_from_api(a, &m, &s, &e) == 0)
		fail_msg("accepted, want: %s", want);
	assert_string_equal(err_text(e), want);
}

static void test_api_mounts(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	struct mount_spec s;
	struct api_bind_options bo = { .propagation = "rshared", .create_mountpoint = true };
	struct api_mount m = {
		.type = "bind", .source = "/s/../t", .target = "/d", .read_only = true, .bind_options = &bo
	};

	assert_int_equal(mount_from_api(a, &m, &s, NULL), 0);
	assert_string_equal(s.source, "/t");
	assert_string_equal(s.propagation, "rshared");
	assert_true(s.read_only && s.create_source && s.from_mounts);

	struct model_str_list o1 = { .v = (const char *[]){ "exec" }, .n = 1 };
	struct model_str_list opts[] = { o1, { .v = (const char *[]){ "uid", "7" }, .n = 2 } };
	struct api_tmpfs_options to = { .size_bytes = 4096, .mode = 01700, .options = { .v = opts, .n = 2 } };
	m = (struct api_mount){ .type = "tmpfs", .target = "/t", .tmpfs_options = &to };
	assert_int_equal(mount_from_api(a, &m, &s, NULL), 0);
	assert_string_equal(s.tmpfs_options, "uid=7,mode=1700,size=4096");
	assert_false(s.tmpfs_noexec);
	assert_true(s.tmpfs_nosuid);

	struct api_volume_options vo = { .subpath = "../x" };
	bad_api((struct api_mount){ .type = "bind", .source = "/a" },
		"invalid mount config for type \"bind\": field Target must not be empty");
	bad_api((struct api_mount){ .type = "bind", .target = "/a" },
		"invalid mount config for type \"bind\": field Source must not be empty");
	bad_api((struct api_mount){ .type = "bind", .source = "a", .target = "/a" },
		"invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be "
		"absolute");
	bad_api((struct api_mount){ .type = "what", .target = "/a" },
		"invalid mount config for type \"what\": mount type unknown");
	bad_api((struct api_mount){ .target = "/a" },
		"invalid mount config for type \"\": mount type unknown");
	bad_api((struct api_mount){ .type = "tmpfs", .source = "x", .target = "/a" },
		"invalid mount config for type \"tmpfs\": field Source must not be specified");
	bad_api((struct api_mount){ .type = "volume", .target = "/a", .bind_options = &bo },
		"invalid mount config for type \"volume\": field BindOptions must not be specified");
	bad_api((struct api_mount){ .type = "volume", .target = "/a", .read_only = true },
		"invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous "
		"volumes");
	bad_api((struct api_mount){ .type = "volume", .target = "/a", .volume_options = &vo },
		"invalid mount config for type \"volume\": must not set Subpath when using anonymous "
		"volumes");
	bad_api((struct api_mount){ .type = "volume", .source = "v", .target = "/a", .volume_options = &vo },
		"invalid mount config for type \"volume\": subpath must be a relative path within the "
		"volume");
	bo.propagation = "sideways";
	bad_api((struct api_mount){ .type = "bind", .source = "/a", .target = "/a", .bind_options = &bo },
		"invalid mount config for type \"bind\": invalid propagation mode: sideways");
	opts[0].v = (const char *[]){ "loop" };
	bad_api((struct api_mount){ .type = "tmpfs", .target = "/a", .tmpfs_options = &to },
		"invalid mount config for type \"tmpfs\": invalid option: loop");
	opts[0].v = (const char *[]){ "exec,lowerdir=/" };
	bad_api((struct api_mount){ .type = "tmpfs", .target = "/a", .tmpfs_options = &to },
		"invalid mount config for type \"tmpfs\": invalid option: exec,lowerdir=/");
}

static void test_tmpfs(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct mount_spec s;

	assert_int_equal(mount_parse_tmpfs(a, "/t", "", &s, NULL), 0);
	assert_true(s.tmpfs_noexec && s.tmpfs_nosuid && s.tmpfs_nodev);
	assert_string_equal(s.tmpfs_options, "");
	assert_int_equal(mount_parse_tmpfs(a, "/t", "rw,exec,size=64m,mode=1777,size=32m", &s, NULL), 0);
	assert_false(s.tmpfs_noexec);
	assert_string_equal(s.tmpfs_options, "mode=1777,size=32m");
	assert_int_equal(mount_parse_tmpfs(a, "/t", "ro", &s, NULL), 0);
	assert_true(s.read_only);
	assert_int_equal(mount_parse_tmpfs(a, "/t", "loop", &s, &e), -1);
	assert_string_equal(err_text(e), "invalid tmpfs option \"loop\"");
	assert_int_equal(mount_parse_tmpfs(a, "/t", "size=1,,", &s, NULL), -1);
	assert_int_equal(mount_parse_tmpfs(a, "t", "", &s, NULL), -1);
	assert_int_equal(mount_parse_tmpfs(a, "/", "", &s, NULL), -1);
}

static void test_volumes_from(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const char *id, *mode;
	bool ro;

	assert_int_equal(mount_parse_volumes_from(a, "web", &id, &ro, &mode, NULL), 0);
	assert_string_equal(id, "web");
	assert_string_equal(mode, "rw");
	assert_false(ro);
	assert_int_equal(mount_parse_volumes_from(a, "web:ro", &id, &ro, &mode, NULL), 0);
	assert_true(ro);
	cleanup_err struct err *e = NULL;
	assert_int_equal(mount_parse_volumes_from(a, "web:shared", &id, &ro, &mode, &e), -1);
	assert_string_equal(err_text(e), "invalid mode: shared");
	assert_int_equal(mount_parse_volumes_from(a, "web:nocopy", &id, &ro, &mode, NULL), -1);
	assert_int_equal(mount_parse_volumes_from(a, "", &id, &ro, &mode, NULL), -1);
}

static void test_all(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	struct api_container_config c = { 0 };
	struct api_host_config hc = { 0 };

	model_strs_add(a, &c.volumes, "/data");
	model_strs_add(a, &hc.binds, "/a:/data");
	assert_int_equal(mounts_check(a, &c, &hc, NULL), 0);
	struct api_mount *m = model_list_add(a, &hc.mounts);
	*m = (struct api_mount){ .type = "tmpfs", .target = "/data/" };
	assert_int_equal(mounts_check(a, &c, &hc, &e), -1);
	assert_string_equal(err_text(e), "Duplicate mount point: /data");
}

static void cli(const char *raw, const char *want)
{
	cleanup_arena struct arena *a = arena_new();
	cleanup_err struct err *e = NULL;
	cleanup_strbuf struct strbuf b = { 0 };
	struct api_mount m;

	if (mount_cli_parse(a, raw, "/cwd", &m, &e) < 0) {
		assert_string_equal(err_text(e), want);
		return;
	}
	struct jw w = jw_to(&b);
	api_mount_encode(&w, &m);
	assert_string_equal(b.p, want);
}

static void test_cli_mount(void **state)
{
	(void)state;
	cli("type=bind,source=/a,target=/b,readonly",
	    "{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true}");
	cli("type=BIND,src=./x,dst=/b,ro=false,bind-propagation=rslave",
	    "{\"Type\":\"bind\",\"Source\":\"/cwd/x\",\"Target\":\"/"
	    "b\",\"BindOptions\":{\"Propagation\":\"rslave\"}}");
	cli("src=v,target=/"
	    "b,volume-label=a=b,volume-label=c,volume-driver=local,volume-opt=type=nfs,volume-nocopy",
	    "{\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/"
	    "b\",\"VolumeOptions\":{\"NoCopy\":true,\"Labels\":{\"a\":"
	    "\"b\",\"c\":\"\"},\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"nfs\"}}}}");
	cli("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777",
	    "{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"SizeBytes\":1048576,\"Mode\":1023}}");
	cli("type=volume,\"src=a,b\",target=/t",
	    "{\"Type\":\"volume\",\"Source\":\"a,b\",\"Target\":\"/t\"}");
	cli("type=bind,src=/a,target=/b,bind-recursive=disabled,bind-create-src",
	    "{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"BindOptions\":{\"NonRecursive\":true,"
	    "\"CreateMountpoint\":true}}");
	cli("", "EOF");
	cli("type=bind,foo=bar,target=/b", "unexpected key 'foo' in 'foo=bar'");
	cli("type=bind,foo", "invalid field 'foo' must be a key=value pair");
	cli("type=,target=/a", "type is required");
	cli("type=volume,src=a", "target is required");
	cli("type=bind,src=/a,target=/b,volume-nocopy",
	    "cannot mix 'volume-*' options with mount type 'bind'");
	cli("type=volume,target=/b,bind-propagation=shared",
	    "cannot mix 'bind-*' options with mount type 'volume'");
	cli("type=volume,target=/b,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'volume'");
	cli("type=volume,target=/b,readonly=maybe", "invalid value for readonly: maybe");
	cli("type=tmpfs,target=/b,tmpfs-mode=9", "invalid value for tmpfs-mode: 9");
	cli("type=tmpfs,target=/b,tmpfs-size=x", "invalid value for tmpfs-size: x");
	cli("type=bind,src=/a,target=/b,bind-recursive=up",
	    "invalid value for bind-recursive: up (must be \"enabled\", \"disabled\", \"writable\", or "
	    "\"readonly\")");
	cli("type=bind,src=/a,target=/b,bind-recursive=writable",
	    "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
	cli("type=bind,\"src", "parse error on line 1, column 15: extraneous or missing \" in quoted-field");
}

static void test_cli_volume(void **state)
{
	(void)state;
	cleanup_arena struct arena *a = arena_new();
	const char *b, *v;

	assert_int_equal(mount_cli_volume(a, "/data", "/cwd", &b, &v, NULL), 0);
	assert_null(b);
	assert_string_equal(v, "/data");
	assert_int_equal(mount_cli_volume(a, "../x:/y:ro", "/cwd/z", &b, &v, NULL), 0);
	assert_string_equal(b, "/cwd/x:/y:ro");
	assert_null(v);
	assert_int_equal(mount_cli_volume(a, "name:/y", "/cwd", &b, &v, NULL), 0);
	assert_string_equal(b, "name:/y");
	assert_int_equal(mount_cli_volume(a, ":/y", "/cwd", &b, &v, NULL), -1);
	assert_int_equal(mount_cli_volume(a, "/a:/b:ro:x", "/cwd", &b, &v, NULL), -1);
	assert_int_equal(mount_cli_volume(a, "", "/cwd", &b, &v, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),        cmocka_unit_test(test_binds),
		cmocka_unit_test(test_api_mounts),   cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_volumes_from), cmocka_unit_test(test_all),
		cmocka_unit_test(test_cli_mount),    cmocka_unit_test(test_cli_volume),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
