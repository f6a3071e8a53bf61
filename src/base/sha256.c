/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include <sodium.h>

#include "base/alloc.h"
#include "base/file.h"

static void to_hex(const unsigned char digest[crypto_hash_sha256_BYTES], char hex[PQ_SHA256_HEX])
{
    sodium_bin2hex(hex, PQ_SHA256_HEX, digest, crypto_hash_sha256_BYTES);
}

void pq_sha256(const void *data, size_t size, char hex[PQ_SHA256_HEX])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, data, size);
    to_hex(digest, hex);
}

int pq_sha256_file(const char *path, char hex[PQ_SHA256_HEX], pique_error *err)
{
    enum { PIECE = 1 << 16 };
    unsigned char *piece = pq_malloc(PIECE);
    if (!piece)
        return pq_fail_nomem(err, PIECE);
    struct pq_file f;
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    size_t got = 0;
    int rc = pq_file_open(path, &f, err);
    if (rc)
        goto out;
    do {
        rc = pq_file_read(&f, piece, PIECE, &got, err);
        crypto_hash_sha256_update(&state, piece, got);
    } while (!rc && got);
    pq_file_close(&f);
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state, digest);
    to_hex(digest, hex);
out:
    pq_free(piece);
    return rc;
}
