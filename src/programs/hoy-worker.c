/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hoy-worker: parses hostile bytes with the least authority. Started by hoyd (sandbox/sandbox.h), never by a user.
 * Descriptor 3 is the control socket, 4 the only directory it sees.
 *
 *	unpack layer [base] [nodev] [tee]	0: tar in, 4: root of the layer, 5: copy of the tar
 *	unpack archive OS ARCH			0: archive in, 4: staging directory
 *	unpack files PATH [keep] [UID:GID]	0: tar in, 4: a container's root
 *	pack stat|get PATH, pack export		1: tar out, 4: a container's root
 *	pack diff|changes			1: out, 4: upper directory, 5: what is below it
 */
#include "base/mem.h"
#include "codec/json.h"
#include "sandbox/sandbox.h"
#include "store/pack.h"
#include "store/unpack.h"

#include <linux/capability.h>
#include <stdio.h>
#include <unistd.h>

#define ROOT_FD    4
#define TEE_FD     5
#define MAX_MEMORY ((uint64_t)2 << 30)
#define MAX_CPU_S  ((uint64_t)6 * 3600)
#define FILE_CAPS  (CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) | CAP(SETFCAP))
#define CAP(x)     ((uint64_t)1 << CAP_##x)

static void send_progress(void *ctx, uint64_t consumed)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	(void)ctx;
	jw_obj(&w);
	jw_ku64(&w, "progress", consumed);
	jw_end(&w);
	(void)sandbox_send(sb_sv(&b), NULL);
}

static int send_done(const struct unpack_result *r, struct err **e)
{
	cleanup_strbuf struct strbuf b = { 0 };
	struct jw w = jw_to(&b);
	jw_obj(&w);
	jw_kobj(&w, "done");
	if (r) {
		jw_kstr(&w, "diff_id", r->diff_id);
		jw_kstr(&w, "blob", r->blob_digest);
		jw_ku64(&w, "diff_bytes", r->diff_bytes);
		jw_ku64(&w, "blob_bytes", r->blob_bytes);
		jw_ku64(&w, "entries", r->entries);
		jw_ku64(&w, "file_bytes", r->file_bytes);
		jw_kstr(&w, "compression", compression_name(r->compression));
	}
	jw_end(&w);
	jw_end(&w);
	return sandbox_send(sb_sv(&b), e);
}

static int layer(int argc, char **argv, struct err **e)
{
	struct unpack u = { .in_fd = 0, .root_fd = ROOT_FD, .tee_fd = -1, .progress = send_progress };
	struct unpack_result r;
	const struct sandbox_policy policy = {
		.root_fd = ROOT_FD,
		.also_fd = -1,
		.caps = FILE_CAPS,
		.max_memory = MAX_MEMORY,
		.max_cpu_s = MAX_CPU_S,
	};
	for (int i = 0; i < argc; i++) {
		if (str_eq(argv[i], "base"))
			u.is_base = true;
		else if (str_eq(argv[i], "nodev"))
			u.no_devices = true;
		else if (str_eq(argv[i], "tee"))
			u.tee_fd = TEE_FD;
		else
			return err_set(e, ERR_INVALID, "worker: unknown option '%s'", argv[i]);
	}
	if (sandbox_confine(&policy, e) < 0 || unpack_layer(&u, &r, e) < 0)
		return -1;
	return send_done(&r, e);
}

static int archive(const char *os, const char *arch, struct err **e)
{
	struct unpack u = { .in_fd = 0, .root_fd = ROOT_FD, .tee_fd = -1, .progress = send_progress };
	const struct sandbox_policy policy = {
		.root_fd = ROOT_FD,
		.also_fd = -1,
		.max_memory = MAX_MEMORY,
		.max_cpu_s = MAX_CPU_S,
	};
	if (sandbox_confine(&policy, e) < 0 || unpack_archive(&u, os, arch, e) < 0)
		return -1;
	return send_done(NULL, e);
}

static int files(int argc, char **argv, struct err **e)
{
	struct unpack u = { .in_fd = 0, .root_fd = ROOT_FD, .tee_fd = -1 };
	struct unpack_result r;
	const struct sandbox_policy policy = { .root_fd = ROOT_FD,
					       .also_fd = -1,
					       .caps = FILE_CAPS,
					       .max_memory = MAX_MEMORY,
					       .max_cpu_s = MAX_CPU_S };
	for (int i = 1; i < argc; i++) {
		struct sv uid, gid;
		if (str_eq(argv[i], "keep")) {
			u.no_overwrite = true;
		} else if (sv_cut(sv_of(argv[i]), ':', &uid, &gid) &&
			   parse_u32(uid, UINT32_MAX - 1, &u.uid) == 0 &&
			   parse_u32(gid, UINT32_MAX - 1, &u.gid) == 0) {
			u.has_owner = true;
		} else {
			return err_set(e, ERR_INVALID, "worker: unknown option '%s'", argv[i]);
		}
	}
	if (sandbox_confine(&policy, e) < 0 || unpack_files(&u, argv[0], &r, e) < 0)
		return -1;
	return send_done(&r, e);
}

/* What it is goes ahead of the tar: the reply's header needs it. */
static int send_stat(const char *path, struct err **e)
{
	cleanup_strbuf struct strbuf stat = { 0 }, b = { 0 };
	struct jw w = jw_to(&b);
	if (pack_stat(ROOT_FD, path, &stat, e) < 0)
		return -1;
	jw_obj(&w);
	jw_kraw(&w, "stat", sb_sv(&stat));
	jw_end(&w);
	return sandbox_send(sb_sv(&b), e);
}

static int pack(int argc, char **argv, struct err **e)
{
	const char *verb = argv[0], *path = argc > 1 ? argv[1] : NULL;
	bool is_diff = str_eq(verb, "diff") || str_eq(verb, "changes");
	const struct sandbox_policy policy = {
		.root_fd = ROOT_FD,
		.also_fd = is_diff ? TEE_FD : -1,
		/* trusted.overlay.opaque is shown to SYS_ADMIN only; the system calls that make it mighty are filtered. */
		.caps = CAP(DAC_READ_SEARCH) | CAP(DAC_OVERRIDE) | (is_diff ? CAP(SYS_ADMIN) : 0),
		.max_memory = MAX_MEMORY,
		.max_cpu_s = MAX_CPU_S,
	};
	int r;
	if (sandbox_confine(&policy, e) < 0)
		return -1;
	if (str_eq(verb, "stat") && path)
		r = send_stat(path, e);
	else if (str_eq(verb, "get") && path)
		r = send_stat(path, e) < 0 ? -1 : pack_get(ROOT_FD, path, 1, e);
	else if (str_eq(verb, "export"))
		r = pack_export(ROOT_FD, 1, e);
	else if (str_eq(verb, "diff"))
		r = pack_diff(ROOT_FD, TEE_FD, 1, e);
	else if (str_eq(verb, "changes"))
		r = pack_changes(ROOT_FD, TEE_FD, 1, e);
	else
		return err_set(e, ERR_INVALID, "worker: unknown verb '%s'", verb);
	return r < 0 ? -1 : send_done(NULL, e);
}

int main(int argc, char **argv)
{
	cleanup_err struct err *e = NULL;
	int r;
	if (argc >= 3 && str_eq(argv[1], "unpack") && str_eq(argv[2], "layer")) {
		r = layer(argc - 3, argv + 3, &e);
	} else if (argc == 5 && str_eq(argv[1], "unpack") && str_eq(argv[2], "archive")) {
		r = archive(argv[3], argv[4], &e);
	} else if (argc >= 4 && str_eq(argv[1], "unpack") && str_eq(argv[2], "files")) {
		r = files(argc - 3, argv + 3, &e);
	} else if (argc >= 3 && str_eq(argv[1], "pack")) {
		r = pack(argc - 2, argv + 2, &e);
	} else {
		(void)fputs("hoy-worker is started by hoyd; it has no use of its own.\n", stderr);
		return 2;
	}
	if (r < 0)
		sandbox_send_error(e);
	/* Nothing is left to be done at exit, and a sanitizer would look for a /proc that is not there. */
	_exit(r < 0 ? 1 : 0);
}
