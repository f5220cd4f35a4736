/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store's insides. Locks, in order: `ingest` (held over publish and its commit), `lock` (the tables; never over I/O
 * on files, but over short database transactions, whose own lock comes last).
 */
#pragma once

#include "base/list.h"
#include "codec/digest.h"
#include "sandbox/sandbox.h"
#include "store/db.h"
#include "store/store.h"

#include <pthread.h>

#define HEX SHA256_HEX

/* How this kernel takes overlay layers. */
enum overlay_kind {
	OVERLAY_FDS,     /* lowerdir+ by descriptor, 6.13 */
	OVERLAY_STRINGS, /* lowerdir+ by string, 6.5 */
	OVERLAY_CLASSIC, /* one lowerdir= string */
};

/* Immutable but for refs; lives while refs > 0. */
struct layer {
	char chain[HEX + 1];
	char diff[HEX + 1];
	char blob[HEX + 1]; /* file in blobs/sha256 */
	struct layer *parent;
	uint64_t size;
	unsigned depth; /* 1: base */
	unsigned refs;  /* children, images, snapshots, work in progress; under store.lock */
	int stubs;      /* 0: not looked yet, 1: there, -1: does without; under store.lock */
};

/* What of an image never changes; shared by its views. */
struct body {
	unsigned refs; /* atomic */
	struct arena *arena;
	char id[DIGEST_LEN + 1];
	char *parent;
	const struct oci_image *config;
	struct sv json;
	const char **diff_ids;
	size_t n_layers;
	struct layer *top; /* a reference; NULL: no layers */
	int64_t created_ns;
	uint64_t size;
};

struct view {
	struct store_image pub;
	unsigned refs; /* atomic */
	struct body *body;
	struct arena *arena;
};

/* A tag or a digest reference. */
struct ref {
	char *image;    /* id */
	char *familiar; /* as users see it */
	char *name;     /* canonical repository */
	int64_t updated_ns;
	bool is_digest;
};

struct store {
	char *root, *worker;
	int root_fd, layers_fd, blobs_fd, snapshots_fd, tmp_fd, trash_fd, empty_fd;
	enum overlay_kind overlay;
	const char *status[8];
	struct db *db;

	pthread_mutex_t ingest;
	pthread_mutex_t lock;
	struct map images;    /* id -> struct view */
	struct map refs;      /* canonical -> struct ref */
	struct map layers;    /* chain -> struct layer */
	struct map snapshots; /* id -> struct layer, or no_layer */

	pthread_mutex_t trash_lock;
	pthread_cond_t trash_cond;
	pthread_t trash_thread;
	bool trash_running, trash_stop, trash_work;
};

/* --- layers.c; all with store.lock held where they end in _locked --- */
extern struct layer no_layer; /* stands for "nothing below" in snapshots */
struct layer *layer_ref_locked(struct layer *l);
/* A layer nobody needs any more leaves the table and is chained into *dead. */
void layer_unref_locked(struct store *s, struct layer *l, struct layer **dead);
/* The rows of the dead, in the transaction that made them so. */
int layers_forget(struct store *s, struct layer *dead, struct err **e) NODISCARD;
/* After the commit: directories and blobs go to the trash; *reclaimed grows; changes (NULL: no) gets "Deleted" entries. */
void layers_bury(struct store *s, struct layer *dead, struct store_changes *changes);
/* Gives a reference back, and what dies with it away. Takes the locks. */
int layer_release(struct store *s, struct layer *l, struct err **e);
void chain_of(const char *parent, const char *diff, char out[HEX + 1]);
/* Directory descriptors, top first. The layer must be referenced. */
int layer_open_all(struct store *s, const struct layer *top, int *fds, size_t *n, struct err **e) NODISCARD;
int layers_load(struct store *s, struct err **e) NODISCARD;

/* --- images.c --- */
int images_load(struct store *s, struct err **e) NODISCARD;
void images_release(struct store *s);
struct view *view_find_locked(struct store *s, const char *id);
/* Makes the image's view anew after its references changed. */
void view_renew_locked(struct store *s, const char *id);
/* A new image in the table; takes over body. */
void image_enter_locked(struct store *s, struct body *b);
/* Decodes and checks a configuration. The layers are not resolved yet. */
int body_new(struct sv json, const char *id, struct body **out, struct err **e) NODISCARD;
void body_unref(struct body *b);
DEFINE_CLEANUP(struct body *, body_unref)
#define cleanup_body CLEANUP(body_unref)
void ref_free(struct ref *r); /* NULL is fine */
/* Writes the reference in the caller's transaction, then in the table by ref_enter_locked(). */
int ref_write(struct store *s, const char *canonical, const char *image, bool is_digest, int64_t now,
	      struct err **e) NODISCARD;
/* Returns the image that had it before (heap), or NULL. */
char *ref_enter_locked(struct store *s, const char *canonical, const char *image, bool is_digest,
		       int64_t now);
void change_add(struct store_changes *c, enum store_change_kind kind, const char *text, const char *image_id,
		bool is_layer);
/* Canonical form of what shall be a tag; Docker's errors. */
int tag_parse(struct arena *a, const char *repo, const char *tag, const char **canonical,
	      const char **familiar, struct err **e) NODISCARD;

/* --- overlay.c --- */
struct overlay {
	const int *lower; /* top first */
	size_t n_lower;
	int upper_fd, work_fd; /* -1: read-only overlay */
	bool is_volatile, is_readonly;
};
int overlay_probe(struct store *s, struct err **e) NODISCARD;
int overlay_mount(const struct store *s, const struct overlay *o, struct err **e) NODISCARD;

/* --- stubs.c --- */
/*
 * The directory layers/<chain>/init: a layer between an image's and a container's own that holds the files other
 * things are mounted on (/etc/hosts and its like) and /.dockerenv, where the image lacks them. Made once for an image;
 * without it every container would make (and every removal delete) them anew. Returns a descriptor, or -1: none.
 */
int stubs_open(struct store *s, struct layer *top);

/* --- trash.c --- */
/* Moves dirfd/name away; it is deleted in the background. Absent is fine. */
int trash(struct store *s, int dirfd, const char *name);
void trash_wake(struct store *s);
void trash_stop(struct store *s);

/* --- ingest.c: making layers and images durable --- */
struct staging {
	char name[20];
	int fd;
};
int staging_open(struct store *s, struct staging *st, struct err **e) NODISCARD;
void staging_close(struct store *s, struct staging *st);

/* A layer of an image that is being added. */
struct new_layer {
	char chain[HEX + 1], diff[HEX + 1], blob[HEX + 1];
	uint64_t size;
	struct layer *have; /* it is there already (a reference is held), or NULL: it lies in staging */
	char dir[16];       /* in staging: holds diff/ */
	char file[24];      /* in staging: the blob */
};
struct new_image {
	struct staging *st;
	struct body *body;
	struct new_layer *layers;
	size_t n_layers;
	const char *const *tags; /* canonical */
	size_t n_tags;
};
/* Holds what is there already. */
void new_image_pin(struct store *s, struct new_image *ni);
void new_image_unpin(struct store *s, struct new_image *ni);
/* Unpacks layer i from in_fd with the worker. With tee, the uncompressed tar goes to file. */
int new_image_unpack(struct store *s, struct new_image *ni, size_t i, int in_fd, bool tee,
		     const struct store_source *src, void (*progress)(void *, uint64_t), void *ctx,
		     char blob[HEX + 1], struct err **e) NODISCARD;
struct json;
/* Feeds the worker from src (NULL: it reads a file) through feed_fd, which is closed here, until it ends; *done is its
 * result. */
int worker_run(struct sandbox_proc *w, int feed_fd, const struct store_source *src,
	       void (*progress)(void *, uint64_t), void *ctx, struct arena *a, const struct json **done,
	       struct err **e) NODISCARD;
/* Syncs, renames, commits: afterwards the image exists, for good. renamed[i] (heap) gets the image that lost tag i. */
int new_image_publish(struct store *s, struct new_image *ni, char **renamed, struct err **e) NODISCARD;

/* --- snapshot.c --- */
/* The layers below a snapshot (no_layer: none), held until layer_release(); NULL with an error. */
struct layer *snapshot_layers(struct store *s, const char *id, struct err **e);
/* A read-only view of what is below it. */
int snapshot_lower(struct store *s, const char *id, struct err **e) NODISCARD;

/* --- files.c: a snapshot's changes as a tar, read as a store_source --- */
struct drain;
struct files_diff {
	struct drain *d;
};
int files_diff_start(struct store *s, const char *id, struct files_diff *fd, struct err **e) NODISCARD;
ssize_t files_diff_read(void *fd, void *buf, size_t n, struct err **e);
void files_diff_release(struct files_diff *fd);
