// SPDX-License-Identifier: Apache-2.0
#include "CSIMD.h"

#if defined(__x86_64__)
#include <immintrin.h>

// By a mask of eight bytes, those to escape being set: where each byte of the output comes from.
// A high index gives zero, and there the backslash goes.
static uint8_t shuffles[256][16];

__attribute__((constructor)) static void prepare_shuffles(void) {
    for (int marks = 0; marks < 256; marks++) {
        int at = 0;
        for (int index = 0; index < 8; index++) {
            if (marks >> index & 1) shuffles[marks][at++] = 0x80;
            shuffles[marks][at++] = (uint8_t)index;
        }
        while (at < 16) shuffles[marks][at++] = 0x80;
    }
}

// Writes 16 bytes, of which the first eight and one for each mark count; returns these.
__attribute__((target("ssse3,popcnt"))) static inline size_t spread(
    __m128i half, unsigned marks, uint8_t *output) {
    const __m128i order = _mm_loadu_si128((const __m128i *)shuffles[marks]);
    const __m128i gaps = _mm_cmplt_epi8(order, _mm_setzero_si128());
    const __m128i backslashes = _mm_and_si128(gaps, _mm_set1_epi8('\\'));
    _mm_storeu_si128(
        (__m128i *)output, _mm_or_si128(_mm_shuffle_epi8(half, order), backslashes));
    return 8 + (size_t)__builtin_popcount(marks);
}

__attribute__((target("ssse3,popcnt"))) static size_t escape_pieces(
    const uint8_t *bytes, size_t count, uint8_t *output, size_t *consumed) {
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i highest_control = _mm_set1_epi8(0x1F);
    size_t at = 0;
    size_t out = 0;
    while (at + 16 <= count) {
        const __m128i piece = _mm_loadu_si128((const __m128i *)(bytes + at));
        const __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(piece, highest_control), piece);
        if (_mm_movemask_epi8(controls) != 0) break;
        const unsigned marks = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(piece, quote), _mm_cmpeq_epi8(piece, backslash)));
        at += 16;
        if (marks == 0) {
            _mm_storeu_si128((__m128i *)(output + out), piece);
            out += 16;
            continue;
        }
        out += spread(piece, marks & 0xFF, output + out);
        out += spread(_mm_srli_si128(piece, 8), marks >> 8, output + out);
    }
    *consumed = at;
    return out;
}

// The same, 32 bytes at a time: each byte becomes two, a backslash and itself, and the backslashes
// that are not needed are pressed out.
__attribute__((target("avx512vbmi2,avx512bw,avx512vl,bmi2,popcnt"))) static size_t
escape_wide_pieces(const uint8_t *bytes, size_t count, uint8_t *output, size_t *consumed) {
    const __m256i quote = _mm256_set1_epi8('"');
    const __m256i backslash = _mm256_set1_epi8('\\');
    const __m256i lowest_text = _mm256_set1_epi8(0x20);
    const __m512i before = _mm512_set1_epi16('\\');
    size_t at = 0;
    size_t out = 0;
    while (at + 32 <= count) {
        const __m256i piece = _mm256_loadu_si256((const __m256i *)(bytes + at));
        if (_mm256_cmplt_epu8_mask(piece, lowest_text) != 0) break;
        const uint32_t marks = (uint32_t)(
            _mm256_cmpeq_epi8_mask(piece, quote) | _mm256_cmpeq_epi8_mask(piece, backslash));
        at += 32;
        const __m512i pairs =
            _mm512_or_si512(_mm512_slli_epi16(_mm512_cvtepu8_epi16(piece), 8), before);
        const uint64_t kept = _pdep_u64(marks, 0x5555555555555555) | 0xAAAAAAAAAAAAAAAA;
        _mm512_storeu_si512(output + out, _mm512_maskz_compress_epi8(kept, pairs));
        out += 32 + (size_t)__builtin_popcount(marks);
    }
    *consumed = at;
    return out;
}

__attribute__((target("ssse3"))) static inline __m128i kinds(
    __m128i piece, __m128i low, __m128i high) {
    const __m128i half = _mm_set1_epi8(0x0F);
    const __m128i by_low = _mm_shuffle_epi8(low, _mm_and_si128(piece, half));
    const __m128i by_high =
        _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(piece, 4), half));
    return _mm_and_si128(by_low, by_high);
}

// Looks at 16 pairs at once while there are so many; returns where it stopped.
__attribute__((target("ssse3"))) static size_t find_pieces(
    const struct sealtail_pairs *pairs, const uint8_t *bytes, size_t from, size_t count) {
    const __m128i first_low = _mm_loadu_si128((const __m128i *)pairs->first_low);
    const __m128i first_high = _mm_loadu_si128((const __m128i *)pairs->first_high);
    const __m128i second_low = _mm_loadu_si128((const __m128i *)pairs->second_low);
    const __m128i second_high = _mm_loadu_si128((const __m128i *)pairs->second_high);
    while (from + 16 <= count) {
        const __m128i first = _mm_loadu_si128((const __m128i *)(bytes + from - 1));
        const __m128i second = _mm_loadu_si128((const __m128i *)(bytes + from));
        const __m128i both = _mm_and_si128(
            kinds(first, first_low, first_high), kinds(second, second_low, second_high));
        const unsigned misses =
            (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_setzero_si128()));
        if (misses != 0xFFFF) return from + (size_t)__builtin_ctz(~misses);
        from += 16;
    }
    return from;
}

__attribute__((target("avx2"))) static inline __m256i wide_kinds(
    __m256i piece, const uint8_t *low, const uint8_t *high) {
    const __m256i half = _mm256_set1_epi8(0x0F);
    const __m256i lows = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)low));
    const __m256i highs = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)high));
    return _mm256_and_si256(
        _mm256_shuffle_epi8(lows, _mm256_and_si256(piece, half)),
        _mm256_shuffle_epi8(highs, _mm256_and_si256(_mm256_srli_epi16(piece, 4), half)));
}

// The same with 32 pairs at once.
__attribute__((target("avx2"))) static size_t find_wide_pieces(
    const struct sealtail_pairs *pairs, const uint8_t *bytes, size_t from, size_t count) {
    while (from + 32 <= count) {
        const __m256i first = _mm256_loadu_si256((const __m256i *)(bytes + from - 1));
        const __m256i second = _mm256_loadu_si256((const __m256i *)(bytes + from));
        const __m256i both = _mm256_and_si256(
            wide_kinds(first, pairs->first_low, pairs->first_high),
            wide_kinds(second, pairs->second_low, pairs->second_high));
        const unsigned misses = (unsigned)_mm256_movemask_epi8(
            _mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
        if (misses != 0xFFFFFFFF) return from + (size_t)__builtin_ctz(~misses);
        from += 32;
    }
    return from;
}

static uint8_t base64_order[64];
static const uint8_t base64_url_digits[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

__attribute__((constructor)) static void prepare_base64_order(void) {
    for (int index = 0; index < 64; index++) {
        base64_order[index] = (uint8_t)(index / 4 * 3 + ("\1\0\2\1")[index % 4]);
    }
}

// 48 bytes at a time. Each three of them are laid out as the bytes 1 0 2 1 of one 32-bit word, in
// which every group of six bits lies within two neighbouring bytes, ready to be shifted out.
__attribute__((target("avx512vbmi,avx512bw"))) static size_t base64_pieces(
    const uint8_t *bytes, size_t count, uint8_t *output) {
    const __m512i order = _mm512_loadu_si512(base64_order);
    const __m512i digits = _mm512_loadu_si512(base64_url_digits);
    const __m512i shifts = _mm512_set1_epi64(0x3036242A1016040A);
    const __mmask64 taken = 0x0000FFFFFFFFFFFF;
    size_t at = 0;
    for (; at + 48 <= count; at += 48) {
        const __m512i piece = _mm512_maskz_loadu_epi8(taken, bytes + at);
        const __m512i sixes =
            _mm512_multishift_epi64_epi8(shifts, _mm512_permutexvar_epi8(order, piece));
        _mm512_storeu_si512(output, _mm512_permutexvar_epi8(sixes, digits));
        output += 64;
    }
    return at;
}
#endif

static unsigned kinds_of(uint8_t byte, const uint8_t *low, const uint8_t *high) {
    return low[byte & 15] & high[byte >> 4];
}

void sealtail_pairs_add(
    struct sealtail_pairs *pairs, unsigned kind, const char *firsts, const char *seconds) {
    const uint8_t bit = (uint8_t)(1 << (kind & 7));
    for (const uint8_t *byte = (const uint8_t *)firsts; *byte; byte++) {
        pairs->first_low[*byte & 15] |= bit;
        pairs->first_high[*byte >> 4] |= bit;
    }
    for (const uint8_t *byte = (const uint8_t *)seconds; *byte; byte++) {
        pairs->second_low[*byte & 15] |= bit;
        pairs->second_high[*byte >> 4] |= bit;
    }
}

size_t sealtail_pairs_find(
    const struct sealtail_pairs *pairs, const uint8_t *bytes, size_t from, size_t count) {
#if defined(__x86_64__)
    // A pair that was found is found again by what follows, at once.
    if (__builtin_cpu_supports("avx2")) from = find_wide_pieces(pairs, bytes, from, count);
    if (__builtin_cpu_supports("ssse3")) from = find_pieces(pairs, bytes, from, count);
#endif
    for (; from < count; from++) {
        if (kinds_of(bytes[from - 1], pairs->first_low, pairs->first_high)
            & kinds_of(bytes[from], pairs->second_low, pairs->second_high)) {
            return from;
        }
    }
    return count;
}

size_t sealtail_escape_json(
    const uint8_t *bytes, size_t count, uint8_t *output, size_t *consumed) {
    *consumed = 0;
#if defined(__x86_64__)
    size_t written = 0;
    if (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2")) {
        written = escape_wide_pieces(bytes, count, output, consumed);
    }
    if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("popcnt")) {
        const size_t wide = *consumed;
        written += escape_pieces(bytes + wide, count - wide, output + written, consumed);
        *consumed += wide;
    }
    return written;
#else
    return 0;
#endif
}

size_t sealtail_base64_url(const uint8_t *bytes, size_t count, uint8_t *output) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw")) {
        return base64_pieces(bytes, count, output);
    }
#endif
    return 0;
}
