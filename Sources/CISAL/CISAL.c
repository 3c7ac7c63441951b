// SPDX-License-Identifier: Apache-2.0
#include "CISAL.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

struct sealtail_gzip {
    struct isal_zstream stream;
    int level;
    uint8_t work[ISAL_DEF_LVL1_DEFAULT];
};

sealtail_gzip *sealtail_gzip_open(int level) {
    // isal_deflate_stateless_init does not set every field that isal_deflate_stateless reads
    // (a small hist_bits makes the output many times larger), so the memory begins as zeros.
    sealtail_gzip *gzip = calloc(1, sizeof(*gzip));
    if (gzip) gzip->level = level > 0 ? 1 : 0;
    return gzip;
}

void sealtail_gzip_close(sealtail_gzip *gzip) { free(gzip); }

size_t sealtail_gzip_bound(size_t count) {
    // Bytes that do not shrink are stored in blocks of at most 65535 with five bytes before each.
    return count + (count / 65535 + 1) * 5 + ISAL_DEF_MAX_HDR_SIZE + 32;
}

size_t sealtail_gzip_compress(
    sealtail_gzip *gzip, const uint8_t *bytes, size_t count, uint8_t *output, size_t room) {
    if (count > UINT32_MAX / 2 || room > UINT32_MAX) return 0;
    isal_deflate_stateless_init(&gzip->stream);
    gzip->stream.level = (uint32_t)gzip->level;
    gzip->stream.level_buf = gzip->level ? gzip->work : NULL;
    gzip->stream.level_buf_size = gzip->level ? sizeof(gzip->work) : 0;
    gzip->stream.hist_bits = 0;
    gzip->stream.gzip_flag = IGZIP_GZIP;
    gzip->stream.end_of_stream = 1;
    gzip->stream.flush = NO_FLUSH;
    gzip->stream.next_in = (uint8_t *)bytes;
    gzip->stream.avail_in = (uint32_t)count;
    gzip->stream.next_out = output;
    gzip->stream.avail_out = (uint32_t)room;
    if (isal_deflate_stateless(&gzip->stream) != COMP_OK) return 0;
    return gzip->stream.total_out;
}
