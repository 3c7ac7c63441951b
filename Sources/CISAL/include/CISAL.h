// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <isa-l/crc.h>
#include <stddef.h>
#include <stdint.h>

// The library's stream is a structure of large arrays, which Swift does not import whole, and its
// buffer sizes are sums in macros. So the stream stays behind these functions.

typedef struct sealtail_gzip sealtail_gzip;

/// Levels 0 and 1. Returns NULL when there is no memory.
sealtail_gzip *sealtail_gzip_open(int level);
void sealtail_gzip_close(sealtail_gzip *gzip);

/// The longest output for so many bytes.
size_t sealtail_gzip_bound(size_t count);

/// Writes one gzip member. Returns its length, 0 when `room` is less than the bound.
size_t sealtail_gzip_compress(
    sealtail_gzip *gzip, const uint8_t *bytes, size_t count, uint8_t *output, size_t room);

typedef struct sealtail_gunzip sealtail_gunzip;

/// Returns NULL when there is no memory.
sealtail_gunzip *sealtail_gunzip_open(void);
void sealtail_gunzip_close(sealtail_gunzip *gunzip);

/// Expects the beginning of a gzip member next.
void sealtail_gunzip_reset(sealtail_gunzip *gunzip);

/// Reads some of the input and writes some output; says how much of both. Returns 1 when the member
/// has ended and its checksum is right, 0 when it goes on, a negative number when it is damaged.
int sealtail_gunzip_step(
    sealtail_gunzip *gunzip, const uint8_t *bytes, size_t count, size_t *used, uint8_t *output,
    size_t room, size_t *made);
