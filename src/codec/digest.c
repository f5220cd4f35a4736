/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/digest.h"

#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <openssl/evp.h>

struct sha256 {
	EVP_MD_CTX *ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *h = NEW(struct sha256);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
		abort();
	return h;
}

void sha256_update(struct sha256 *h, const void *p, size_t n)
{
	if (EVP_DigestUpdate(h->ctx, p, n) != 1)
		abort();
}

void sha256_hex(struct sha256 *h, char out[SHA256_HEX + 1])
{
	unsigned char md[32];
	if (EVP_DigestFinal_ex(h->ctx, md, NULL) != 1)
		abort();
	hex_encode(md, sizeof(md), out);
}

void sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void sha256_of(const void *p, size_t n, char out[SHA256_HEX + 1])
{
	cleanup_sha256 struct sha256 *h = sha256_new();
	sha256_update(h, p, n);
	sha256_hex(h, out);
}

bool sha256_is_digest(struct sv s)
{
	const struct sv prefix = SV(DIGEST_PREFIX);
	return s.n == DIGEST_LEN && sv_starts(s, prefix) && id_is_full(sv_sub(s, prefix.n, s.n));
}

const char *sha256_digest_hex(const char *digest)
{
	assert(sha256_is_digest(sv_of(digest)));
	return digest + sizeof(DIGEST_PREFIX) - 1;
}
