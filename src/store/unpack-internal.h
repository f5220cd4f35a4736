/* SPDX-License-Identifier: Apache-2.0 */
/* The input side that layers and archives share: raw bytes → digest → decompression → limits, digest, copy.
 */
#pragma once

#include "codec/compress.h"
#include "codec/digest.h"
#include "store/unpack.h"

struct unpack_input {
	const struct unpack *u;
	struct decompress *d;
	struct sha256 *blob, *diff;
	uint64_t raw, bytes; /* taken from the descriptor, given to the tar reader */
	uint64_t next_progress;
	bool raw_is_diff; /* not compressed: one digest serves for both */
};
#define UNPACK_INPUT_INIT(unpack)                                                                            \
	{                                                                                                    \
		.u = (unpack)                                                                                \
	}

int unpack_input_open(struct unpack_input *in, struct err **e) NODISCARD;
/* A read_fn. */
ssize_t unpack_input_read(void *in, void *buf, size_t n, struct err **e);
/* After the last byte: the digests and counts of out. */
int unpack_input_finish(struct unpack_input *in, struct unpack_result *out, struct err **e) NODISCARD;
void unpack_input_release(struct unpack_input *in);
#define cleanup_unpack_input __attribute__((cleanup(unpack_input_release)))
