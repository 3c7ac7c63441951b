// SPDX-License-Identifier: Apache-2.0
#include "CISAL.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

// Long inputs are compressed in one pass with codes made for what a sample of one of them held.
// That is as tight as codes made for each block, which take a second pass, and a twelfth faster.
enum {
    SAMPLE_BYTE_COUNT = 64 << 10,
    // So many inputs share their codes, so that these follow what is being sent.
    SAMPLE_INTERVAL = 64,
};

struct sealtail_gzip {
    struct isal_zstream stream;
    int level;
    unsigned long_count;
    struct isal_hufftables codes;
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

static int make_codes(sealtail_gzip *gzip, const uint8_t *bytes) {
    struct isal_huff_histogram histogram = {0};
    isal_update_histogram((uint8_t *)bytes, SAMPLE_BYTE_COUNT, &histogram);
    return isal_create_hufftables(&gzip->codes, &histogram) == 0;
}

size_t sealtail_gzip_compress(
    sealtail_gzip *gzip, const uint8_t *bytes, size_t count, uint8_t *output, size_t room) {
    if (count > UINT32_MAX / 2 || room > UINT32_MAX) return 0;
    isal_deflate_stateless_init(&gzip->stream);
    int level = gzip->level;
    if (level && count >= SAMPLE_BYTE_COUNT) {
        const int is_due = gzip->long_count++ % SAMPLE_INTERVAL == 0;
        if (is_due && !make_codes(gzip, bytes)) {
            gzip->long_count = 0;
        } else {
            level = 0;
            isal_deflate_set_hufftables(
                &gzip->stream, &gzip->codes, IGZIP_HUFFTABLE_CUSTOM);
        }
    }
    gzip->stream.level = (uint32_t)level;
    gzip->stream.level_buf = level ? gzip->work : NULL;
    gzip->stream.level_buf_size = level ? sizeof(gzip->work) : 0;
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

struct sealtail_gunzip {
    struct inflate_state state;
};

sealtail_gunzip *sealtail_gunzip_open(void) {
    sealtail_gunzip *gunzip = calloc(1, sizeof(*gunzip));
    if (gunzip) sealtail_gunzip_reset(gunzip);
    return gunzip;
}

void sealtail_gunzip_close(sealtail_gunzip *gunzip) { free(gunzip); }

void sealtail_gunzip_reset(sealtail_gunzip *gunzip) {
    isal_inflate_init(&gunzip->state);
    // The library reads the header and compares the checksum behind the data.
    gunzip->state.crc_flag = ISAL_GZIP;
}

int sealtail_gunzip_step(
    sealtail_gunzip *gunzip, const uint8_t *bytes, size_t count, size_t *used, uint8_t *output,
    size_t room, size_t *made) {
    struct inflate_state *state = &gunzip->state;
    if (count > UINT32_MAX / 2) count = UINT32_MAX / 2;
    if (room > UINT32_MAX / 2) room = UINT32_MAX / 2;
    state->next_in = (uint8_t *)bytes;
    state->avail_in = (uint32_t)count;
    state->next_out = output;
    state->avail_out = (uint32_t)room;
    int result = isal_inflate(state);
    *used = count - state->avail_in;
    *made = room - state->avail_out;
    if (result < 0) return result;
    return state->block_state == ISAL_BLOCK_FINISH;
}
