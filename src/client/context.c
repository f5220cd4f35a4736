/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's contexts: ~/.docker/contexts/meta/<anything>/meta.json, found by the name inside. */
#include "client/client.h"

#include "base/fs.h"

#include <dirent.h>
#include <errno.h>

#define META_MAX ((size_t)1 << 20)

static const struct json *read_meta(struct arena *a, int dirfd, const char *entry)
{
	cleanup_free char *text = NULL, *path = xasprintf("%s/meta.json", entry);
	const struct json *j = NULL;
	size_t n = 0;

	if (fs_read_file_at(dirfd, path, META_MAX, &text, &n) < 0)
		return NULL;
	char *kept = arena_strndup(a, text, n);
	return json_parse(a, sv_n(kept, n), NULL, &j, NULL) < 0 ? NULL : j;
}

static void context_tls(struct arena *a, const char *dir, const char *entry, struct client_config *out)
{
	static const char *const names[] = { "ca.pem", "cert.pem", "key.pem" };
	const char **slots[] = { &out->ca, &out->cert, &out->key };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *path = arena_printf(a, "%s/contexts/tls/%s/docker/%s", dir, entry, names[i]);
		if (faccessat(AT_FDCWD, path, R_OK, 0) == 0) {
			*slots[i] = path;
			out->tls = true;
		}
	}
}

static int context_load(struct arena *a, const char *dir, const char *name, struct client_config *out,
			struct err **e)
{
	const char *meta = arena_printf(a, "%s/contexts/meta", dir);
	int fd = fs_open(meta, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct json *found = NULL;
	const char *entry = NULL;

	for (struct dirent *it; d && !found && (it = readdir(d));) {
		const struct json *j = it->d_name[0] == '.' ? NULL : read_meta(a, dirfd(d), it->d_name);
		if (str_eq(json_str(json_get(j, "Name")), name)) {
			found = j;
			entry = arena_strdup(a, it->d_name);
		}
	}
	if (d)
		(void)closedir(d);
	if (!found)
		return err_set(e, ERR_NOT_FOUND,
			       "Failed to initialize: unable to resolve docker endpoint: context \"%s\": "
			       "context not found: "
			       "open %s: no such file or directory",
			       name, meta);
	const struct json *endpoint = json_path(found, "Endpoints.docker");
	if (!endpoint)
		return err_set(
			e, ERR_INVALID,
			"Failed to initialize: unable to resolve docker endpoint: docker endpoint of context "
			"\"%s\" is missing",
			name);
	const char *host = json_str(json_get(endpoint, "Host"));
	if (!str_empty(host))
		out->host = host;
	context_tls(a, dir, entry, out);
	if (out->tls)
		out->tls_verify = !json_bool(json_get(endpoint, "SkipTLSVerify"));
	return 0;
}

static const char *default_host(void)
{
	if (faccessat(AT_FDCWD, &CLIENT_DEFAULT_HOST[7], F_OK, 0) < 0 &&
	    faccessat(AT_FDCWD, &CLIENT_FALLBACK_HOST[7], F_OK, 0) == 0)
		return CLIENT_FALLBACK_HOST;
	return CLIENT_DEFAULT_HOST;
}

static int check_host(const char *host, struct err **e)
{
	static const char *const good[] = { "unix://", "tcp://", "fd://" };
	const char *scheme = strstr(host, "://");

	if (!scheme)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (str_starts(host, good[i]))
			return 0;
	if (str_starts(host, "http://") || str_starts(host, "https://"))
		return 0;
	return err_set(e, ERR_INVALID,
		       "unable to parse docker host `%s`: this client speaks unix:// and tcp://", host);
}

int client_resolve(struct arena *a, const struct client_choice *choice, struct client_config *out,
		   const char **context, struct err **e)
{
	const char *host = choice->host, *name = choice->context;

	*context = "default";
	if (!str_empty(host) && !str_empty(name))
		return err_set(e, ERR_INVALID,
			       "conflicting options: cannot specify both --host and --context");
	if (str_empty(host) && str_empty(name)) {
		host = getenv("DOCKER_HOST");
		if (str_empty(host))
			name = getenv("DOCKER_CONTEXT");
		if (str_empty(host) && str_empty(name))
			name = json_str(json_get(choice->config, "currentContext"));
	}
	out->host = str_empty(host) ? default_host() : host;
	if (str_empty(host) && !str_empty(name) && strcmp(name, "default") != 0) {
		*context = name;
		if (context_load(a, choice->config_dir, name, out, e) < 0)
			return -1;
	}
	if (str_starts(out->host, "https://")) {
		out->tls = out->tls_verify = true;
		out->host = arena_printf(a, "tcp://%s", out->host + 8);
	} else if (str_starts(out->host, "http://")) {
		out->host = arena_printf(a, "tcp://%s", out->host + 7);
	}
	if (check_host(out->host, e) < 0)
		return -1;
	if (!strstr(out->host, "://"))
		out->host = arena_printf(a, "tcp://%s", out->host);
	/* a tcp address without a port */
	if (str_starts(out->host, "tcp://")) {
		const char *last = strrchr(out->host + 6, ':');
		if (!last || strchr(last, ']') || strspn(last + 1, "0123456789") != strlen(last + 1))
			out->host = arena_printf(a, "%s:%d", out->host, out->tls ? 2376 : 2375);
	}
	return 0;
}
