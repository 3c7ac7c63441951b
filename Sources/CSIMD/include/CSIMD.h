// SPDX-License-Identifier: Apache-2.0
#ifndef SEALTAIL_CSIMD_H
#define SEALTAIL_CSIMD_H

#include <stddef.h>
#include <stdint.h>

// What a byte shuffle does several times faster than code that goes byte by byte; Swift has no
// name for one. A processor without it makes the function do nothing, and the caller goes on.

// Writes `"` and `\` with a backslash before them and everything else as it is, in pieces of 16
// bytes: up to a piece with a control character, or to the last piece that is not whole. `output`
// must have room for 2 * count + 64 bytes. Returns how many bytes it wrote, and in `consumed` how
// many it read.
size_t sealtail_escape_json(
    const uint8_t *bytes, size_t count, uint8_t *output, size_t *consumed);

// Writes base64 in the URL-safe alphabet, as far as it goes 48 bytes at a time, into `output`, which
// has room for four bytes for each three. Returns how many bytes it read.
size_t sealtail_base64_url(const uint8_t *bytes, size_t count, uint8_t *output);

// Up to eight kinds of two bytes in a row, a bit each, by the halves of the bytes: a byte belongs to
// a kind when both its halves do. More pairs than were added may match; none is missed.
struct sealtail_pairs {
    uint8_t first_low[16], first_high[16], second_low[16], second_high[16];
};

// Adds the pairs of each of `firsts` with each of `seconds`, both ended by a zero, as one kind.
void sealtail_pairs_add(
    struct sealtail_pairs *pairs, unsigned kind, const char *firsts, const char *seconds);

// The place of the second byte of the first pair in bytes[from - 1 ..< count], `count` if there is
// none. `from` is at least 1.
size_t sealtail_pairs_find(
    const struct sealtail_pairs *pairs, const uint8_t *bytes, size_t from, size_t count);

#endif
