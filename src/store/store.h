/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: images and what containers write on top of them. Called by the engine; by nobody else.
 *
 *	<root>/images.db		images, tags, layers (SQLite, durable)
 *	<root>/layers/<chain>/diff	one directory per layer; <chain> is the hex of its chain ID
 *	<root>/blobs/sha256/<hex>	layer tars as they came, immutable
 *	<root>/snapshots/<id>/{upper,work,chain}	a container's own changes
 *	<root>/tmp, <root>/trash	being made, being deleted; emptied at start
 *
 * Threads: everything here may be called from any thread. An image is an immutable view, counted: what it
 * says was true when it was looked up. Errors: classes and texts are Docker's, ready for the API.
 *
 * An acknowledged image or tag survives power loss; a snapshot survives kill -9. Archives are decoded by the
 * confined hoy-worker, never here.
 */
#pragma once

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct store;
struct oci_image; /* model/oci.gen.h: the image configuration */
struct oci_image_config;

struct store_config {
	const char *root;   /* data root, absolute; created when missing */
	const char *worker; /* hoy-worker's path; NULL: beside ourselves */
};

/* Opens, repairs what a kill left behind, probes what kind of overlay mounts the kernel makes. */
int store_open(const struct store_config *cfg, struct store **out, struct err **e) NODISCARD;
/* Waits for background deletion of what is being deleted now; the rest waits in trash. NULL is fine. */
void store_close(struct store *s);
DEFINE_CLEANUP(struct store *, store_close)
#define cleanup_store CLEANUP(store_close)

/* For /info: "overlay"; and "Backing Filesystem"/"extfs"-like pairs, NULL-terminated (key, value, key, value
 * …). */
const char *store_driver_name(const struct store *s);
const char *const *store_driver_status(const struct store *s);
const char *store_root(const struct store *s);

/*
 * A full disk must not keep anybody from removing things: the store holds back a little space (<root>/reserve). When a
 * removal fails for want of space, give it free and try again; refill when the removal is through. Image removal does so
 * itself; the engine may for its own tables.
 */
bool store_reserve_release(struct store *s); /* whether there was something */
void store_reserve_refill(struct store *s);

/* --- images --- */

/* Immutable. Strings live as long as the reference that is held. */
struct store_image {
	const char *id;              /* "sha256:<64 hex>" */
	const char *parent;          /* the same, or NULL */
	const char *chain;           /* top layer: 64 hex, or NULL when there is no layer */
	int64_t created_ns;          /* from the configuration; 0: none */
	int64_t tagged_ns;           /* last tag; 0: never */
	uint64_t size;               /* bytes of all layers */
	const char *const *tags;     /* familiar: "busybox:latest"; sorted; n_tags */
	const char *const *digests;  /* familiar: "busybox@sha256:…"; n_digests */
	const char *const *diff_ids; /* "sha256:…", base first; n_layers */
	size_t n_tags, n_digests, n_layers;
	const struct oci_image *config; /* decoded */
	struct sv config_json;          /* its bytes: the ID is their digest */
};
struct store_image *store_image_ref(struct store_image *img);
void store_image_unref(struct store_image *img); /* NULL is fine */
DEFINE_CLEANUP(struct store_image *, store_image_unref)
#define cleanup_image CLEANUP(store_image_unref)

/* By reference ("busybox", "busybox:1.36", "repo@sha256:…"), full ID with or without "sha256:", or unique ID
 * prefix, in Docker's order. ERR_NOT_FOUND "No such image: busybox:latest". */
int store_image_find(struct store *s, const char *ref, struct store_image **out, struct err **e) NODISCARD;
/* All images, newest first. Free with store_images_free(). */
int store_images(struct store *s, struct store_image ***out, size_t *n, struct err **e) NODISCARD;
void store_images_free(struct store_image **v, size_t n);
/* Number of images, for /info. */
size_t store_image_count(struct store *s);
/* Does anything hang below this image (another image names it as parent)? */
bool store_image_has_children(struct store *s, const char *id);
/* Bytes of layers that this image shares with another one. */
uint64_t store_image_shared_size(struct store *s, const struct store_image *img);
/* Bytes of all layers, each counted once. */
uint64_t store_layers_size(struct store *s);
/* Bytes of layer i alone (history, df). */
uint64_t store_image_layer_size(struct store *s, const struct store_image *img, size_t i);

/* tag -> "busybox:1.36" form as it was stored in *familiar (may be NULL; heap). */
int store_tag(struct store *s, const struct store_image *img, const char *repo, const char *tag,
	      char **familiar, struct err **e) NODISCARD;

/* What a removal, a load or a prune did, in order: for the reply and for events. */
enum store_change_kind {
	STORE_UNTAGGED, /* text: familiar reference */
	STORE_DELETED,  /* text: image ID, or a layer's chain as "sha256:…" */
	STORE_LOADED,   /* text: familiar reference, or "" when the image has none */
};
struct store_change {
	enum store_change_kind kind;
	char *text;
	char *image_id;
	bool is_layer; /* STORE_DELETED of a layer: no event */
};
struct store_changes {
	struct store_change *v;
	size_t n, cap;
	uint64_t reclaimed; /* bytes freed */
};
void store_changes_release(struct store_changes *c);
#define cleanup_changes __attribute__((cleanup(store_changes_release)))

/* A container that uses an image: the engine tells, the store cannot know. */
struct store_use {
	const char *image_id;
	const char *ref; /* as given at create */
	const char *container;
	bool is_running;
};

enum {
	STORE_FORCE = 1 << 0,
	STORE_NO_PRUNE = 1 << 1, /* keep untagged parents */
};
/* `docker rmi`: untag or delete, with Docker's conflict errors. */
int store_image_remove(struct store *s, const char *ref, unsigned flags, const struct store_use *uses,
		       size_t n_uses, struct store_changes *out, struct err **e) NODISCARD;
/* Removes one image that a prune chose, with all its tags; nothing happens (0) when it is used or has
 * children. */
int store_image_prune_one(struct store *s, const char *id, const struct store_use *uses, size_t n_uses,
			  struct store_changes *out, struct err **e) NODISCARD;

/* --- streams --- */

struct store_source {
	ssize_t (*read)(void *ctx, void *buf, size_t n, struct err **e); /* 0: end, -1: error */
	void *ctx;
};
struct store_sink {
	int (*write)(void *ctx, const void *buf, size_t n, struct err **e);
	void *ctx;
};
/* One JSON message of the progress stream (api.md 2.5), without the CR LF. May be called with a NULL
 * function. */
struct store_progress {
	void (*message)(void *ctx, struct sv json);
	void *ctx;
	bool quiet; /* no progress bars: only results */
};

/* docker-archive and OCI layout, plain or compressed. Messages end with `Loaded image: x`. */
int store_load(struct store *s, const struct store_source *src, const struct store_progress *p,
	       struct store_changes *out, struct err **e) NODISCARD;

struct store_import {
	const char *repo, *tag;          /* NULL: no tag */
	const char *message;             /* NULL: "Imported from -" */
	const char *os, *arch, *variant; /* NULL: ours */
	const char *const *changes;      /* Dockerfile lines; n_changes */
	size_t n_changes;
};
/* A root file system as tar, plain or compressed. *id (heap) gets the image ID; *ref the familiar tag or
 * NULL. */
int store_import(struct store *s, const struct store_source *src, const struct store_import *im,
		 const struct store_progress *p, char **id, char **ref, struct err **e) NODISCARD;

/* OCI layout that is a docker-archive too, deterministic. *out gets one STORE_LOADED-like entry per image
 * saved (text: the name asked for). */
int store_save(struct store *s, const char *const *names, size_t n, const struct store_sink *sink,
	       struct err **e) NODISCARD;

/* --- snapshots: the hot path --- */

enum {
	STORE_MOUNT_VOLATILE = 1 << 0, /* no sync at unmount; for --rm and build steps */
	STORE_MOUNT_READONLY = 1 << 1, /* the mount is read-only; the upper layer stays writable for us */
};

/* An empty writable layer on top of the image (NULL: on nothing). `id` is a full container id. ERR_CONFLICT
 * when it exists. The layers below stay as long as the snapshot does, whatever happens to the image. */
int store_snapshot_create(struct store *s, const char *id, const struct store_image *img,
			  struct err **e) NODISCARD;
/* A detached overlay mount of it in *fd (O_CLOEXEC); it lives as long as the descriptor or what it was moved
 * to. With userns_fd >= 0 the layers are idmapped to that user namespace. */
int store_snapshot_mount(struct store *s, const char *id, unsigned flags, int userns_fd, int *fd,
			 struct err **e) NODISCARD;
/* O_PATH descriptor of the upper directory: what the container changed. */
int store_snapshot_upper(struct store *s, const char *id, struct err **e) NODISCARD;
/* Gone at once for every caller; the bytes are freed in the background. Absent is fine. */
int store_snapshot_remove(struct store *s, const char *id, struct err **e) NODISCARD;
bool store_snapshot_exists(struct store *s, const char *id);
/* What it holds itself (SizeRw), and what is below it (SizeRootFs is the sum). Walks the upper directory. */
int store_snapshot_usage(struct store *s, const char *id, uint64_t *own_bytes, uint64_t *below_bytes,
			 struct err **e) NODISCARD;
/* Ids of all snapshots, for the engine's reconciliation at start; NULL-terminated. */
int store_snapshots(struct store *s, struct strlist *ids, struct err **e) NODISCARD;
/* GraphDriver.Data of inspect: LowerDir, MergedDir-less. NULL-terminated pairs in l. */
int store_snapshot_describe(struct store *s, const char *id, struct strlist *pairs, struct err **e) NODISCARD;
