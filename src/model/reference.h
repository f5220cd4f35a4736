/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references as Docker reads and shows them: "busybox" is docker.io/library/busybox, shown as "busybox" again.
 * Called by the store, the engine and the CLI. Pure; texts are in the caller's arena. Error texts are Docker's, class
 * ERR_INVALID.
 *
 *	struct reference r;
 *	if (reference_parse(a, SV("busybox"), &r, e) < 0)
 *		return -1;
 *	reference_default_tag(&r);			// r.tag is "latest"
 *	reference_string(a, &r);			// docker.io/library/busybox:latest
 *	reference_familiar(a, &r);			// busybox:latest
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>

#define REFERENCE_DEFAULT_DOMAIN "docker.io"
#define REFERENCE_NAME_MAX       255
#define REFERENCE_TAG_MAX        128

struct reference {
	const char *domain; /* docker.io, host, host:port */
	const char *path;   /* library/busybox */
	const char *tag;    /* or NULL */
	const char *digest; /* sha256:..., or NULL */
};

/* [domain/]path[:tag][@digest], normalised. 64 hex digits alone are refused: they would read as an ID. */
int reference_parse(struct arena *a, struct sv s, struct reference *out, struct err **e) NODISCARD;
/* "latest" when there is neither tag nor digest. */
void reference_default_tag(struct reference *r);

const char *reference_name(struct arena *a, const struct reference *r); /* docker.io/library/busybox */
const char *reference_familiar_name(struct arena *a, const struct reference *r); /* busybox */
const char *reference_string(struct arena *a, const struct reference *r);        /* with tag and digest */
const char *reference_familiar(struct arena *a, const struct reference *r);
bool reference_equal(const struct reference *a, const struct reference *b);

/*
 * The `reference` filter of image lists: a shell pattern (* and ? do not match '/') against the familiar reference with
 * its tag, or the familiar name. -1 with an error when the pattern is malformed.
 */
int reference_match(struct arena *a, const char *pattern, const struct reference *r, bool *match,
		    struct err **e) NODISCARD;
/* Go's path.Match. 1 matches, 0 does not, -EINVAL: bad pattern. */
int path_match(struct sv pattern, struct sv name);

bool reference_tag_is_valid(struct sv tag);
/* algorithm:hex of a known algorithm with the right number of lower-case digits. */
bool digest_is_valid(struct sv s);

/* What a client named when any image reference will do. */
enum image_ref_kind {
	IMAGE_REF_ID, /* sha256:<64 hex> or 64 hex: an image ID; digest is set */
	IMAGE_REF_PREFIX, /* hex digits only, or sha256: and some: an ID prefix, or (first without sha256:) a name */
	IMAGE_REF_NAME, /* a reference */
};
struct image_ref {
	enum image_ref_kind kind;
	const char *hex;      /* ID, PREFIX: the digits without "sha256:" */
	bool has_name;        /* PREFIX: `ref` is valid too */
	struct reference ref; /* NAME: without the default tag */
};
int image_ref_parse(struct arena *a, struct sv s, struct image_ref *out, struct err **e) NODISCARD;
