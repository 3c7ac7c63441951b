// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// One value of a document, in document order. Swift declares the same layout as JSONNode and
// compares the two at start.
typedef struct {
    uint64_t value;        // a string's place, a number's bits, a container's child count
    uint64_t key_hash;     // sealtail_json_hash of the key, 0 outside objects
    uint32_t value_count;  // a string's byte count
    uint32_t key_offset;
    uint32_t key_count;
    int32_t parent;        // index of the container, -1 for the root
    int32_t next;          // index behind this value and all that is in it
    uint8_t kind;
    uint8_t flags;
    uint16_t depth;
} sealtail_json_node;

enum {
    SEALTAIL_JSON_OBJECT = 0,
    SEALTAIL_JSON_ARRAY,
    SEALTAIL_JSON_STRING,
    SEALTAIL_JSON_INTEGER,
    SEALTAIL_JSON_UNSIGNED,
    SEALTAIL_JSON_DOUBLE,
    SEALTAIL_JSON_TRUE,
    SEALTAIL_JSON_FALSE,
    SEALTAIL_JSON_NULL,
    SEALTAIL_JSON_BIG_NUMBER,
};

enum {
    SEALTAIL_JSON_FLAG_DUPLICATE = 1,
    SEALTAIL_JSON_FLAG_SKIPPED = 2,
};

enum {
    SEALTAIL_JSON_READ = 0,
    SEALTAIL_JSON_TOO_LONG,
    SEALTAIL_JSON_NO_MEMORY,
    SEALTAIL_JSON_TOO_DEEP,
    SEALTAIL_JSON_TOO_MANY_NODES,
    SEALTAIL_JSON_BAD_UTF8,
    SEALTAIL_JSON_BAD_STRING,
    SEALTAIL_JSON_CONTROL_CHARACTER,
    SEALTAIL_JSON_UNCLOSED_STRING,
    SEALTAIL_JSON_BAD_NUMBER,
    SEALTAIL_JSON_EMPTY,
    SEALTAIL_JSON_BAD_SYNTAX,
};

typedef struct {
    const sealtail_json_node *nodes;
    const uint8_t *strings;
    size_t node_count;
    size_t string_byte_count;
    size_t duplicate_count;
} sealtail_json_tree;

typedef struct sealtail_json_reader sealtail_json_reader;

sealtail_json_reader *sealtail_json_open(size_t byte_limit, size_t node_limit, size_t depth_limit);
void sealtail_json_close(sealtail_json_reader *reader);
/// `is_padded` says that sealtail_json_padding() bytes behind the document may be read.
int sealtail_json_read(
    sealtail_json_reader *reader, const uint8_t *bytes, size_t count, int is_padded,
    sealtail_json_tree *tree);
size_t sealtail_json_padding(void);

static inline uint64_t sealtail_json_mix(uint64_t left, uint64_t right) {
    unsigned __int128 product = (unsigned __int128)left * right;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/// A quick hash for looking keys up; it is no defence against chosen keys.
static inline uint64_t sealtail_json_hash(const uint8_t *bytes, size_t count) {
    const uint64_t first = 0x9e3779b97f4a7c15u, second = 0xd6e8feb86659fd93u;
    uint64_t state = first ^ count;
    uint64_t head = 0, tail = 0;
    if (count >= 8) {
        size_t index = 0;
        for (; index + 16 < count; index += 8) {
            memcpy(&head, bytes + index, 8);
            state = sealtail_json_mix(state ^ head, second);
        }
        memcpy(&head, bytes + index, 8);
        memcpy(&tail, bytes + count - 8, 8);
    } else if (count >= 4) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + count - 4, 4);
        head = low;
        tail = high;
    } else if (count > 0) {
        head = (uint64_t)bytes[0] << 16 | (uint64_t)bytes[count >> 1] << 8 | bytes[count - 1];
    }
    return sealtail_json_mix(state ^ head, tail ^ second) ^ first;
}

#ifdef __cplusplus
}
#endif
