// LZ4 block compression for the trace writer, which asks for <lz4.h>; so tracing needs no library but zlib.
//
// Greedy: the last place of each 4-byte string is tried as a match. Format: every sequence is a token (literal count,
// match length - 4), the literals, a 16-bit offset; counts from 15 on go on in bytes of 255. The last 5 bytes are
// literals and no match begins in the last 12. (LZ4 Block Format Description, github.com/lz4/lz4.)
#pragma once
#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

namespace lz4_detail {

inline uint32_t word(const uint8_t* at) {
    uint32_t value;
    std::memcpy(&value, at, 4);
    return value;
}

inline uint8_t* put_count(uint8_t* out, size_t count) {  // what a token's 15 leaves over
    for (; count >= 255; count -= 255) *out++ = 255;
    *out++ = static_cast<uint8_t>(count);
    return out;
}

inline uint8_t* put_literals(uint8_t* out, const uint8_t* from, size_t count, size_t match) {
    *out++ = static_cast<uint8_t>((count < 15 ? count : 15) << 4 | (match < 15 ? match : 15));
    if (count >= 15) out = put_count(out, count - 15);
    if (count) std::memcpy(out, from, count);
    return out + count;
}

}  // namespace lz4_detail

// The compressed size; 0 when `room` is less than LZ4_compressBound(size).
inline int LZ4_compress_default(const char* source, char* target, int size, int room) {
    using namespace lz4_detail;
    if (room < LZ4_compressBound(size)) return 0;
    const uint8_t* const begin = reinterpret_cast<const uint8_t*>(source);
    const uint8_t* const end = begin + size;
    const uint8_t *literals = begin, *at = begin;
    uint8_t* out = reinterpret_cast<uint8_t*>(target);
    std::vector<const uint8_t*> places(1 << 12, nullptr);
    while (end - at >= 13) {
        const uint8_t*& place = places[word(at) * 2654435761u >> 20];
        const uint8_t* const earlier = place;
        place = at;
        if (!earlier || at - earlier > 65535 || word(earlier) != word(at)) {
            ++at;
            continue;
        }
        size_t length = 4;
        while (at + length < end - 5 && earlier[length] == at[length]) ++length;
        const size_t offset = static_cast<size_t>(at - earlier);
        out = put_literals(out, literals, static_cast<size_t>(at - literals), length - 4);
        *out++ = static_cast<uint8_t>(offset);
        *out++ = static_cast<uint8_t>(offset >> 8);
        if (length - 4 >= 15) out = put_count(out, length - 4 - 15);
        literals = at += length;
    }
    out = put_literals(out, literals, static_cast<size_t>(end - literals), 0);
    return static_cast<int>(out - reinterpret_cast<uint8_t*>(target));
}
