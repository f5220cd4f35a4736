/* SPDX-License-Identifier: Apache-2.0 */
/* Flags and daemon.json: dockerd's forms, conflicts and words. */
#include "engine/config.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "../unit.h"

#include <stdio.h>
#include <sys/stat.h>

static char dir[] = "/tmp/hoy-config-XXXXXX";
static char *file;

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	file = xasprintf("%s/daemon.json", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(file);
	return fs_rmtree_at(AT_FDCWD, dir);
}

static void put(const char *text)
{
	cleanup_close int fd = fs_open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

/* NULL: parsed; else the error's text must hold this. */
static struct engine_config *parse(const char *wrong, char *const *argv)
{
	struct engine_config *c = NULL;
	cleanup_err struct err *e = NULL;
	int n = 0;
	while (argv[n])
		n++;
	int r = engine_config_parse(n, argv, &c, &e);
	if (!wrong) {
		if (r < 0)
			fail_msg("%s", err_text(e));
		return c;
	}
	assert_int_equal(r, -1);
	if (!strstr(err_text(e), wrong))
		fail_msg("'%s' is not in '%s'", wrong, err_text(e));
	return NULL;
}

static void flags_in_every_form(void **state)
{
	(void)state;
	put("{}");
	cleanup_engine_config struct engine_config *c =
		parse(NULL, ARGV("hoyd", "--config-file", file, "-H", "unix:///a", "--host=tcp://127.0.0.1:1",
				 "-Dl", "warn", "--iptables=false", "--data-root", "/d", "--bridge=br1",
				 "--default-shm-size", "1m", "--mtu=1400", "--default-ulimit", "nofile=10:20",
				 "--log-opt", "max-size=1m", "--label", "a=b"));
	assert_int_equal(c->hosts.n, 2);
	assert_string_equal(c->hosts.v[1], "tcp://127.0.0.1:1");
	assert_true(c->debug);
	assert_false(c->iptables);
	assert_string_equal(c->log_level, "warn");
	assert_string_equal(c->data_root, "/d");
	assert_string_equal(c->bridge, "br1");
	assert_int_equal(c->default_shm_size, 1 << 20);
	assert_int_equal(c->mtu, 1400);
	assert_int_equal(c->n_ulimits, 1);
	assert_int_equal(c->ulimits[0].soft, 10);
	assert_int_equal(c->ulimits[0].hard, 20);
	assert_string_equal(engine_config_opt(&c->log_opts, "max-size"), "1m");
	assert_null(engine_config_opt(&c->log_opts, "max"));
	assert_string_equal(c->exec_root, "/run/hoy");
}

static void file_keys(void **state)
{
	(void)state;
	put("{\"debug\": true, \"hosts\": [\"unix:///x\"], \"default-shm-size\": \"2G\", \"log-opts\": "
	    "{\"max-file\": \"3\"},"
	    " \"default-ulimits\": {\"nproc\": {\"Name\": \"nproc\", \"Soft\": 1, \"Hard\": 2}}, \"icc\": "
	    "false,"
	    " \"features\": {\"buildkit\": true}, \"shutdown-timeout\": 7, \"dns\": [\"1.1.1.1\"]}");
	cleanup_engine_config struct engine_config *c = parse(NULL, ARGV("hoyd", "--config-file", file));
	assert_true(c->debug);
	assert_false(c->icc);
	assert_int_equal(c->hosts.n, 1);
	assert_true(c->default_shm_size == (int64_t)2 << 30);
	assert_string_equal(engine_config_opt(&c->log_opts, "max-file"), "3");
	assert_string_equal(c->ulimits[0].name, "nproc");
	assert_int_equal(c->shutdown_timeout, 7);
	assert_string_equal(c->dns.v[0], "1.1.1.1");
}

static void refusals(void **state)
{
	(void)state;
	put("{}");
	parse("unknown flag: --nosuch", ARGV("hoyd", "--nosuch"));
	parse("unknown shorthand flag: 'x' in -x", ARGV("hoyd", "-x"));
	parse("flag needs an argument: --data-root", ARGV("hoyd", "--data-root"));
	parse("accepts no arguments", ARGV("hoyd", "word"));
	parse("invalid argument \"maybe\" for \"--debug\" flag", ARGV("hoyd", "--debug=maybe"));
	parse("no such file", ARGV("hoyd", "--config-file", "/no/such/file"));
	parse("invalid logging level: loud", ARGV("hoyd", "--config-file", file, "-l", "loud"));
	parse("no log driver named 'nosuch'", ARGV("hoyd", "--config-file", file, "--log-driver", "nosuch"));
	parse("unsupported proto", ARGV("hoyd", "--config-file", file, "-H", "ssh://x"));
	parse("not supported", ARGV("hoyd", "--config-file", file, "--userns-remap", "default"));
	put("{\"debug\": true, \"mtu\": 1}");
	parse("specified both as a flag and in the configuration file: debug: (from flag",
	      ARGV("hoyd", "--config-file", file, "-D"));
	put("{\"nosuch\": 1}");
	parse("don't match any configuration option: nosuch", ARGV("hoyd", "--config-file", file));
	put("{\"debug\": \"yes\"}");
	parse("cannot unmarshal string into field \"debug\"", ARGV("hoyd", "--config-file", file));
	put("{\"hosts\": \"unix:///x\"}");
	parse("cannot unmarshal string into field \"hosts\"", ARGV("hoyd", "--config-file", file));
	put("{\"debug\": true, \"debug\": false}");
	parse("daemon.json", ARGV("hoyd", "--config-file", file));
	put("[1]");
	parse("not an object", ARGV("hoyd", "--config-file", file));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_in_every_form),
		cmocka_unit_test(file_keys),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
