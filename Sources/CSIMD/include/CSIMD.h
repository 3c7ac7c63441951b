// SPDX-License-Identifier: Apache-2.0
#ifndef SEALTAIL_CSIMD_H
#define SEALTAIL_CSIMD_H

#include <stddef.h>
#include <stdint.h>

// What a byte shuffle does several times faster than code that goes byte by byte; Swift has no
// name for one. A processor without it makes the function do nothing, and the caller goes on.

// Writes `"` and `\` with a backslash before them and everything else as it is, in pieces of 16
// bytes: up to a piece with a control character, or to the last piece that is not whole. `output`
// must have room for 2 * count + 32 bytes. Returns how many bytes it wrote, and in `consumed` how
// many it read.
size_t sealtail_escape_json(
    const uint8_t *bytes, size_t count, uint8_t *output, size_t *consumed);

#endif
