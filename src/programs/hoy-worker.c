/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hoy-worker: parses hostile bytes with the least authority. Started by hoyd (sandbox/sandbox.h), never by a
 *user.
 *
 *	hoy-worker unpack layer [base] [nodev] [tee]	0: tar in, 3: control, 4: root of the layer, 5: copy
 *of the tar hoy-worker unpack archive OS ARCH		0: archive in, 3: control, 4: staging directory
 */
#include "base/mem.h"
#include "codec/json.h"
#include "sandbox/sandbox.h"
#include "store/unpack.h"

#include <linux/capability.h>
#include <stdio.h>

#define ROOT_FD    4
#define TEE_FD     5
#define MAX_MEMORY ((uint64_t)2 << 30)
#define MAX_CPU_S  ((uint64_t)6 * 3600)
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
		.caps = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(MKNOD) |
			CAP(SETFCAP),
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
		.max_memory = MAX_MEMORY,
		.max_cpu_s = MAX_CPU_S,
	};
	if (sandbox_confine(&policy, e) < 0 || unpack_archive(&u, os, arch, e) < 0)
		return -1;
	return send_done(NULL, e);
}

#ifdef HOY_SANITIZE
/* The leak check wants /proc and ptrace, which a confined worker has not. The same code is checked for leaks by the unit
 * tests and the fuzz targets. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return 1;
}
#endif

int main(int argc, char **argv)
{
	cleanup_err struct err *e = NULL;
	int r;
	if (argc >= 3 && str_eq(argv[1], "unpack") && str_eq(argv[2], "layer")) {
		r = layer(argc - 3, argv + 3, &e);
	} else if (argc == 5 && str_eq(argv[1], "unpack") && str_eq(argv[2], "archive")) {
		r = archive(argv[3], argv[4], &e);
	} else {
		(void)fputs("hoy-worker is started by hoyd; it has no use of its own.\n", stderr);
		return 2;
	}
	if (r < 0) {
		sandbox_send_error(e);
		return 1;
	}
	return 0;
}
