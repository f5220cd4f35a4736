/* SPDX-License-Identifier: Apache-2.0 */
/* Small archives in memory, for tests of the store. */
#pragma once

#include "base/mem.h"
#include "base/str.h"
#include "codec/digest.h"
#include "codec/tar.h"
#include "store/store.h"

#include <string.h>

static inline int tb_write(void *ctx, const void *p, size_t n, struct err **e)
{
	(void)e;
	sb_addn(ctx, p, n);
	return 0;
}

/* A tar in a strbuf: tb_*() add entries, tb_end() closes it. */
struct tb {
	struct strbuf b;
	struct tar_writer w;
};
static inline void tb_init(struct tb *t)
{
	*t = (struct tb){ 0 };
	t->w = tar_writer_to(tb_write, &t->b);
}
static inline void tb_entry(struct tb *t, struct tar_entry ent, const void *data)
{
	if (!ent.link)
		ent.link = "";
	if (tar_write_header(&t->w, &ent, NULL) < 0 ||
	    (ent.size && tar_write_data(&t->w, data, ent.size, NULL) < 0))
		abort();
}
static inline void tb_file(struct tb *t, const char *path, const char *text)
{
	tb_entry(t,
		 (struct tar_entry){
			 .type = TAR_REG, .path = path, .mode = 0644, .size = strlen(text), .mtime_s = 1000 },
		 text);
}
static inline void tb_bytes(struct tb *t, const char *path, const void *p, size_t n)
{
	tb_entry(
		t,
		(struct tar_entry){ .type = TAR_REG, .path = path, .mode = 0644, .size = n, .mtime_s = 1000 },
		p);
}
static inline void tb_dir(struct tb *t, const char *path, uint32_t mode)
{
	tb_entry(t, (struct tar_entry){ .type = TAR_DIR, .path = path, .mode = mode, .mtime_s = 2000 }, NULL);
}
static inline void tb_link(struct tb *t, enum tar_type type, const char *path, const char *target)
{
	tb_entry(t,
		 (struct tar_entry){
			 .type = type, .path = path, .link = target, .mode = 0777, .mtime_s = 1000 },
		 NULL);
}
static inline void tb_end(struct tb *t)
{
	if (tar_write_end(&t->w, NULL) < 0)
		abort();
}

/* A docker-archive of one image with these layers (finished tars). */
static inline void tb_image(struct tb *out, const char *tag, const struct tb *layers, size_t n,
			    const char *extra)
{
	cleanup_strbuf struct strbuf config = { 0 }, manifest = { 0 };
	char hex[SHA256_HEX + 1];
	sb_addf(&config,
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\","
		"\"config\":{\"Env\":[\"A=b\"],\"Cmd\":[\"sh\"]%s},\"rootfs\":{\"type\":\"layers\",\"diff_"
		"ids\":[",
		extra);
	for (size_t i = 0; i < n; i++) {
		sha256_of(layers[i].b.p, layers[i].b.n, hex);
		sb_addf(&config, "%s\"sha256:%s\"", i ? "," : "", hex);
	}
	sb_add(&config, "]}}");
	tb_init(out);
	sb_add(&manifest, "[{\"Config\":\"config.json\",\"RepoTags\":");
	if (tag)
		sb_addf(&manifest, "[\"%s\"]", tag);
	else
		sb_add(&manifest, "null");
	sb_add(&manifest, ",\"Layers\":[");
	for (size_t i = 0; i < n; i++) {
		cleanup_free char *name = xasprintf("%zu/layer.tar", i);
		tb_bytes(out, name, layers[i].b.p, layers[i].b.n);
		sb_addf(&manifest, "%s\"%s\"", i ? "," : "", name);
	}
	sb_add(&manifest, "]}]");
	tb_bytes(out, "config.json", config.p, config.n);
	tb_bytes(out, "manifest.json", manifest.p, manifest.n);
	tb_end(out);
}

/* A source over bytes in memory. */
struct mem_source {
	const char *p;
	size_t n, at;
};
static inline ssize_t mem_read(void *ctx, void *buf, size_t n, struct err **e)
{
	struct mem_source *m = ctx;
	(void)e;
	n = MIN(n, m->n - m->at);
	memcpy(buf, m->p + m->at, n);
	m->at += n;
	return (ssize_t)n;
}
