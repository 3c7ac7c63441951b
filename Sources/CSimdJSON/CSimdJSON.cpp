// SPDX-License-Identifier: Apache-2.0
#include "CSimdJSON.h"

#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

// Only the DOM interface out of the shared library is used: it picks the processor's code when the
// program starts, so nothing here needs a compiler flag for one processor.

namespace {

// Room that stays when a long document is followed by shorter ones.
constexpr size_t kept_capacity = 1 << 20;
// Keys of one object are first sifted through this many bits.
constexpr size_t sieve_bit_count = 1024;
// From this many members on, keys are compared in sorted order instead of each with each.
constexpr size_t pairwise_limit = 32;

int reason(simdjson::error_code error) {
    switch (error) {
        case simdjson::SUCCESS: return SEALTAIL_JSON_READ;
        case simdjson::CAPACITY: return SEALTAIL_JSON_TOO_LONG;
        case simdjson::MEMALLOC: return SEALTAIL_JSON_NO_MEMORY;
        case simdjson::DEPTH_ERROR: return SEALTAIL_JSON_TOO_DEEP;
        case simdjson::UTF8_ERROR: return SEALTAIL_JSON_BAD_UTF8;
        case simdjson::STRING_ERROR: return SEALTAIL_JSON_BAD_STRING;
        case simdjson::UNESCAPED_CHARS: return SEALTAIL_JSON_CONTROL_CHARACTER;
        case simdjson::UNCLOSED_STRING: return SEALTAIL_JSON_UNCLOSED_STRING;
        case simdjson::NUMBER_ERROR: return SEALTAIL_JSON_BAD_NUMBER;
        case simdjson::EMPTY: return SEALTAIL_JSON_EMPTY;
        default: return SEALTAIL_JSON_BAD_SYNTAX;
    }
}

}  // namespace

struct sealtail_json_reader {
    simdjson::dom::parser parser;
    simdjson::dom::document document;
    std::unique_ptr<uint8_t[]> padded;
    std::unique_ptr<sealtail_json_node[]> nodes;
    std::vector<std::pair<uint64_t, int32_t>> sorted;
    size_t capacity = 0;
    size_t padded_count = 0;
    size_t node_capacity = 0;
    size_t node_count = 0;
    size_t string_byte_count = 0;
    size_t duplicate_count = 0;
    size_t byte_limit;
    size_t node_limit;
    size_t depth_limit;

    sealtail_json_reader(size_t bytes, size_t node_count, size_t depth)
        : parser(bytes), byte_limit(bytes), node_limit(node_count), depth_limit(depth) {}

    int reserve(size_t count) {
        bool is_enough = count <= capacity;
        bool is_wasteful = capacity > kept_capacity && count <= kept_capacity / 2;
        if (is_enough && !is_wasteful) return SEALTAIL_JSON_READ;
        size_t wanted = 4096;
        while (wanted < count) wanted *= 2;
        wanted = std::min(wanted, byte_limit);
        capacity = 0;
        auto error = parser.allocate(wanted, depth_limit);
        if (!error) error = document.allocate(wanted);
        if (error) return reason(error);
        capacity = wanted;
        if (is_wasteful) {
            padded.reset();
            padded_count = 0;
        }
        return SEALTAIL_JSON_READ;
    }

    const uint8_t *pad(const uint8_t *bytes, size_t count) {
        size_t needed = count + simdjson::SIMDJSON_PADDING;
        if (padded_count < needed) {
            size_t wanted = std::max(needed, capacity + simdjson::SIMDJSON_PADDING);
            padded.reset(new (std::nothrow) uint8_t[wanted]);
            padded_count = padded ? wanted : 0;
            if (!padded) return nullptr;
        }
        std::memcpy(padded.get(), bytes, count);
        std::memset(padded.get() + count, ' ', simdjson::SIMDJSON_PADDING);
        return padded.get();
    }

    bool grow() {
        size_t wanted = std::min(std::max<size_t>(64, node_capacity * 2), node_limit);
        std::unique_ptr<sealtail_json_node[]> larger(
            new (std::nothrow) sealtail_json_node[wanted]);
        if (!larger) return false;
        std::copy(nodes.get(), nodes.get() + node_count, larger.get());
        nodes = std::move(larger);
        node_capacity = wanted;
        return true;
    }

    bool is_same_key(const sealtail_json_node &left, const sealtail_json_node &right) const {
        const uint8_t *strings = document.string_buf.get();
        return left.key_hash == right.key_hash && left.key_count == right.key_count &&
               std::memcmp(strings + left.key_offset, strings + right.key_offset,
                           left.key_count) == 0;
    }

    void mark(sealtail_json_node &node) {
        if (node.flags & SEALTAIL_JSON_FLAG_DUPLICATE) return;
        node.flags |= SEALTAIL_JSON_FLAG_DUPLICATE;
        duplicate_count++;
    }

    // Marks every member whose key came before in the same object.
    void mark_duplicates(int32_t object) {
        const int32_t end = nodes[object].next;
        uint64_t sieve[sieve_bit_count / 64] = {0};
        bool is_suspicious = false;
        for (int32_t index = object + 1; index < end; index = nodes[index].next) {
            uint64_t bit = nodes[index].key_hash >> 54;
            uint64_t mask = uint64_t(1) << (bit & 63);
            is_suspicious |= (sieve[bit >> 6] & mask) != 0;
            sieve[bit >> 6] |= mask;
        }
        if (!is_suspicious) return;
        if (nodes[object].value <= pairwise_limit) {
            for (int32_t later = object + 1; later < end; later = nodes[later].next)
                for (int32_t index = object + 1; index < later; index = nodes[index].next)
                    if (is_same_key(nodes[index], nodes[later])) {
                        mark(nodes[later]);
                        break;
                    }
            return;
        }
        sorted.clear();
        for (int32_t index = object + 1; index < end; index = nodes[index].next)
            sorted.emplace_back(nodes[index].key_hash, index);
        std::sort(sorted.begin(), sorted.end());
        // Different keys with one hash can be chosen on purpose; only the first of a run is
        // compared with, which keeps this linear and can at worst overlook such a duplicate.
        size_t first = 0;
        for (size_t index = 1; index < sorted.size(); index++) {
            if (sorted[index].first != sorted[first].first) {
                first = index;
            } else if (is_same_key(nodes[sorted[first].second], nodes[sorted[index].second])) {
                mark(nodes[sorted[index].second]);
            }
        }
    }

    int flatten() {
        const uint64_t payload_mask = (uint64_t(1) << 56) - 1;
        const uint64_t *word = document.tape.get() + 1;
        const uint8_t *strings = document.string_buf.get();
        int32_t container = -1;
        uint16_t depth = 0;
        bool is_in_object = false;
        node_count = 0;
        string_byte_count = 0;
        duplicate_count = 0;
        while (true) {
            uint8_t type = uint8_t(*word >> 56);
            if (type == 'r') return SEALTAIL_JSON_READ;
            if (type == '}' || type == ']') {
                sealtail_json_node &closed = nodes[container];
                closed.next = int32_t(node_count);
                if (type == '}') mark_duplicates(container);
                container = closed.parent;
                is_in_object = container >= 0 && nodes[container].kind == SEALTAIL_JSON_OBJECT;
                depth--;
                word++;
                continue;
            }
            if (node_count == node_capacity) {
                if (node_count >= node_limit) return SEALTAIL_JSON_TOO_MANY_NODES;
                if (!grow()) return SEALTAIL_JSON_NO_MEMORY;
            }
            sealtail_json_node &node = nodes[node_count];
            node.flags = 0;
            node.depth = depth;
            node.parent = container;
            node.value_count = 0;
            if (container >= 0) nodes[container].value++;
            if (is_in_object) {
                size_t offset = *word & payload_mask;
                std::memcpy(&node.key_count, strings + offset, 4);
                node.key_offset = uint32_t(offset + 4);
                node.key_hash = sealtail_json_hash(strings + node.key_offset, node.key_count);
                string_byte_count = node.key_offset + node.key_count;
                word++;
                type = uint8_t(*word >> 56);
            } else {
                node.key_offset = 0;
                node.key_count = 0;
                node.key_hash = 0;
            }
            node_count++;
            node.next = int32_t(node_count);
            switch (type) {
                case '{':
                case '[':
                    node.kind = type == '{' ? SEALTAIL_JSON_OBJECT : SEALTAIL_JSON_ARRAY;
                    node.value = 0;
                    container = int32_t(node_count) - 1;
                    is_in_object = type == '{';
                    depth++;
                    break;
                case '"': {
                    size_t offset = *word & payload_mask;
                    std::memcpy(&node.value_count, strings + offset, 4);
                    node.kind = SEALTAIL_JSON_STRING;
                    node.value = offset + 4;
                    string_byte_count = offset + 4 + node.value_count;
                    break;
                }
                case 'l':
                    node.kind = SEALTAIL_JSON_INTEGER;
                    node.value = *++word;
                    break;
                case 'u':
                    node.kind = SEALTAIL_JSON_UNSIGNED;
                    node.value = *++word;
                    break;
                case 'd':
                    node.kind = SEALTAIL_JSON_DOUBLE;
                    node.value = *++word;
                    break;
                default:
                    node.kind = type == 't'   ? SEALTAIL_JSON_TRUE
                                : type == 'f' ? SEALTAIL_JSON_FALSE
                                              : SEALTAIL_JSON_NULL;
                    node.value = 0;
            }
            word++;
        }
    }
};

sealtail_json_reader *sealtail_json_open(
    size_t byte_limit, size_t node_limit, size_t depth_limit) {
    return new (std::nothrow) sealtail_json_reader(byte_limit, node_limit, depth_limit);
}

void sealtail_json_close(sealtail_json_reader *reader) { delete reader; }

int sealtail_json_read(
    sealtail_json_reader *reader, const uint8_t *bytes, size_t count, int is_padded,
    sealtail_json_tree *tree) {
    *tree = {};
    if (count > reader->byte_limit) return SEALTAIL_JSON_TOO_LONG;
    if (count == 0) return SEALTAIL_JSON_EMPTY;
    int result = reader->reserve(count);
    if (result != SEALTAIL_JSON_READ) return result;
    if (!is_padded) bytes = reader->pad(bytes, count);
    if (!bytes) return SEALTAIL_JSON_NO_MEMORY;
    auto error =
        reader->parser.parse_into_document(reader->document, bytes, count, false).error();
    if (error) return reason(error);
    result = reader->flatten();
    if (result != SEALTAIL_JSON_READ) return result;
    tree->nodes = reader->nodes.get();
    tree->node_count = reader->node_count;
    tree->strings = reader->document.string_buf.get();
    tree->string_byte_count = reader->string_byte_count;
    tree->duplicate_count = reader->duplicate_count;
    return SEALTAIL_JSON_READ;
}

size_t sealtail_json_padding(void) { return simdjson::SIMDJSON_PADDING; }
