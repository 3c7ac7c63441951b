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
