/* The inner loops, once for each instruction set; which of them a processor has is asked when the program runs.
 *
 * Lanes are output channels: a word of a window is spread over all lanes and compared with one word of each channel's
 * weights, so no sum ever crosses lanes. A few windows (ROWS) are taken together, so that weights loaded once serve all.
 */
#include "engine.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#define X86 1
#include <immintrin.h>
#elif defined(__aarch64__) || (defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 7)
#define ARM 1
#ifdef __arm__
#include <sys/auxv.h>
#pragma GCC push_options
#pragma GCC target("fpu=neon")
#include <arm_neon.h>
#pragma GCC pop_options
#else
#include <arm_neon.h>
#endif
#endif

#define INLINE static inline __attribute__((always_inline))

static int always(void) { return 1; }

/* ---- what all share ---- */

/* counts[i]: bits of row `row` that differ from the weights of 8 channels. */
#define FINISH_BITS(AT_MOST)                                                                                          \
    do {                                                                                                              \
        const int32_t *level = block->levels + (int64_t)block->classes[row] * stride + first;                         \
        if (block->scores) {                                                                                          \
            for (int32_t i = 0; i < BNN_BIT_LANES && first + i < block->channels; i++)                                \
                block->scores[row * block->channels + first + i] = level[i] - 2 * counts[k][i];                       \
            break;                                                                                                    \
        }                                                                                                             \
        uint8_t bits = AT_MOST(counts[k], level);                                                                     \
        const int64_t byte = row * block->bits_stride + first / 8;                                                    \
        if (block->shortcut_levels) {                                                                                 \
            const int32_t *other = block->shortcut_levels + (int64_t)block->classes[row] * stride + first;            \
            const uint8_t chosen = block->shortcut[byte];                                                             \
            bits = (uint8_t)((bits & ~chosen) | (AT_MOST(counts[k], other) & chosen));                                \
        }                                                                                                             \
        block->bits[byte] = bits;                                                                                     \
    } while (0)

/* Channels, rounded up to whole panels of either kind: the distance of classes in tables of levels. */
INLINE int64_t level_stride(const struct bnn_block *block)
{
    return (block->channels + BNN_PIXEL_LANES - 1) / BNN_PIXEL_LANES * BNN_PIXEL_LANES;
}

/* COUNT(block, row, weights, counts, number): counts of `number` rows, a constant, against 8 channels. */
#define DEFINE_BITS(NAME, TARGET, ROWS, PREPARE, COUNT, AT_MOST)                                                      \
    TARGET static void NAME(const struct bnn_block *block)                                                            \
    {                                                                                                                 \
        const int64_t stride = level_stride(block);                                                                   \
        __attribute__((aligned(64))) int32_t counts[ROWS][BNN_BIT_LANES];                                             \
        PREPARE(block);                                                                                               \
        for (int32_t first = 0; first < block->channels; first += BNN_BIT_LANES) {                                    \
            const uint64_t *weights = (const uint64_t *)block->weights + first * block->row_words;                    \
            int64_t row = 0;                                                                                          \
            while (row + ROWS <= block->rows_count) {                                                                 \
                COUNT(block, row, weights, counts, ROWS);                                                             \
                for (int k = 0; k < ROWS; k++, row++)                                                                 \
                    FINISH_BITS(AT_MOST);                                                                             \
            }                                                                                                         \
            for (const int k = 0; row < block->rows_count; row++) {                                                   \
                COUNT(block, row, weights, counts, 1);                                                                \
                FINISH_BITS(AT_MOST);                                                                                 \
            }                                                                                                         \
        }                                                                                                             \
    }

/* sums[i]: products of row `row` with the weights of 16 channels. */
#define FINISH_PIXELS(AT_LEAST)                                                                                       \
    do {                                                                                                              \
        const int32_t *level = block->levels + (int64_t)block->classes[row] * stride + first;                         \
        if (block->scores) {                                                                                          \
            for (int32_t i = 0; i < BNN_PIXEL_LANES && first + i < block->channels; i++)                              \
                block->scores[row * block->channels + first + i] = sums[k][i] - level[i];                             \
            break;                                                                                                    \
        }                                                                                                             \
        const uint16_t bits = AT_LEAST(sums[k], level);                                                               \
        memcpy(block->bits + row * block->bits_stride + first / 8, &bits, 2);                                         \
    } while (0)

#define DEFINE_PIXELS(NAME, TARGET, ROWS, SUM, AT_LEAST)                                                              \
    TARGET static void NAME(const struct bnn_block *block)                                                            \
    {                                                                                                                 \
        const int64_t stride = level_stride(block);                                                                   \
        __attribute__((aligned(64))) int32_t sums[ROWS][BNN_PIXEL_LANES];                                             \
        for (int32_t first = 0; first < block->channels; first += BNN_PIXEL_LANES) {                                  \
            const int8_t *weights = (const int8_t *)block->weights + first * block->row_words;                        \
            int64_t row = 0;                                                                                          \
            while (row + ROWS <= block->rows_count) {                                                                 \
                SUM(block, row, weights, sums, ROWS);                                                                 \
                for (int k = 0; k < ROWS; k++, row++)                                                                 \
                    FINISH_PIXELS(AT_LEAST);                                                                          \
            }                                                                                                         \
            for (const int k = 0; row < block->rows_count; row++) {                                                   \
                SUM(block, row, weights, sums, 1);                                                                    \
                FINISH_PIXELS(AT_LEAST);                                                                              \
            }                                                                                                         \
        }                                                                                                             \
    }

#define NOTHING(block)

INLINE const uint64_t *bit_row(const struct bnn_block *block, int64_t row)
{
    return (const uint64_t *)block->rows + row * block->row_stride;
}

INLINE const uint8_t *pixel_row(const struct bnn_block *block, int64_t row)
{
    return (const uint8_t *)block->rows + row * block->row_stride;
}

/* ---- any processor ---- */

/* Words whose counts fit a byte: 31 * 8 = 248. */
enum { BYTE_WORDS = 31, SHORT_TAPS = 255 };

INLINE uint64_t byte_counts(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
}

INLINE int32_t sum_bytes(uint64_t x)
{
    x = (x & 0x00FF00FF00FF00FFu) + (x >> 8 & 0x00FF00FF00FF00FFu);
    return (int32_t)(x * 0x0001000100010001u >> 48);
}

INLINE void count_portable(const struct bnn_block *block, int64_t row, const uint64_t *weights,
                           int32_t (*counts)[BNN_BIT_LANES], const int number)
{
    for (int k = 0; k < number; k++) {
        const uint64_t *x = bit_row(block, row + k), *w = weights;
        memset(counts[k], 0, sizeof counts[k]);
        for (int64_t done = 0; done < block->row_words; done += BYTE_WORDS) {
            const int64_t end = done + BYTE_WORDS < block->row_words ? done + BYTE_WORDS : block->row_words;
            uint64_t bytes[BNN_BIT_LANES] = {0};
            for (int64_t t = done; t < end; t++, w += BNN_BIT_LANES)
                for (int i = 0; i < BNN_BIT_LANES; i++)
                    bytes[i] += byte_counts(x[t] ^ w[i]);
            for (int i = 0; i < BNN_BIT_LANES; i++)
                counts[k][i] += sum_bytes(bytes[i]);
        }
    }
}

INLINE uint8_t at_most_portable(const int32_t *counts, const int32_t *level)
{
    unsigned bits = 0;
    for (int i = 0; i < BNN_BIT_LANES; i++)
        bits |= (unsigned)(counts[i] <= level[i]) << i;
    return (uint8_t)bits;
}

typedef int8_t bytes8 __attribute__((vector_size(8)));
typedef int16_t shorts8 __attribute__((vector_size(16)));

/* int16 sums of up to 255 products of int8 pixels and +-1. */
INLINE void sum_portable(const struct bnn_block *block, int64_t row, const int8_t *weights,
                         int32_t (*sums)[BNN_PIXEL_LANES], const int number)
{
    const int64_t taps = block->row_words;
    memset(sums, 0, (size_t)number * sizeof *sums);
    for (int64_t done = 0; done < taps; done += SHORT_TAPS) {
        const int64_t end = done + SHORT_TAPS < taps ? done + SHORT_TAPS : taps;
        shorts8 part[4][2] = {{{0}}};
        for (int64_t t = done; t < end; t++) {
            bytes8 low, high;
            memcpy(&low, weights + BNN_PIXEL_LANES * t, 8);
            memcpy(&high, weights + BNN_PIXEL_LANES * t + 8, 8);
            const shorts8 w0 = __builtin_convertvector(low, shorts8), w1 = __builtin_convertvector(high, shorts8);
            for (int k = 0; k < number; k++) {
                const int16_t x = (int8_t)pixel_row(block, row + k)[t];
                part[k][0] += w0 * x;
                part[k][1] += w1 * x;
            }
        }
        for (int k = 0; k < number; k++)
            for (int i = 0; i < BNN_PIXEL_LANES; i++)
                sums[k][i] += part[k][i / 8][i % 8];
    }
}

INLINE uint16_t at_least_portable(const int32_t *sums, const int32_t *level)
{
    unsigned bits = 0;
    for (int i = 0; i < BNN_PIXEL_LANES; i++)
        bits |= (unsigned)(sums[i] >= level[i]) << i;
    return (uint16_t)bits;
}

DEFINE_BITS(bits_portable, , 1, NOTHING, count_portable, at_most_portable)
DEFINE_PIXELS(pixels_portable, , 4, sum_portable, at_least_portable)

/* ---- x86 ---- */
#ifdef X86

#define POPCNT __attribute__((target("popcnt,sse4.2")))
#define AVX2 __attribute__((target("avx2,popcnt")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx512vpopcntdq")))

static int has_popcnt(void) { return __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("sse4.2"); }

static int has_avx2(void) { return __builtin_cpu_supports("avx2") && has_popcnt(); }

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vpopcntdq");
}

/* popcnt: a word at a time, 8 sums in registers. */

POPCNT INLINE void count_popcnt(const struct bnn_block *block, int64_t row, const uint64_t *weights,
                                int32_t (*counts)[BNN_BIT_LANES], const int number)
{
    for (int k = 0; k < number; k++) {
        const uint64_t *x = bit_row(block, row + k), *w = weights;
        int32_t sum[BNN_BIT_LANES] = {0};
        for (int64_t t = 0; t < block->row_words; t++, w += BNN_BIT_LANES)
            for (int i = 0; i < BNN_BIT_LANES; i++)
                sum[i] += __builtin_popcountll(x[t] ^ w[i]);
        memcpy(counts[k], sum, sizeof sum);
    }
}

POPCNT INLINE uint8_t at_most_popcnt(const int32_t *counts, const int32_t *level)
{
    const __m128i low = _mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)counts),
                                        _mm_loadu_si128((const __m128i *)level));
    const __m128i high = _mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)(counts + 4)),
                                         _mm_loadu_si128((const __m128i *)(level + 4)));
    return (uint8_t)~_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
}

/* uint8 pixels times +-1: pairs in int16 (at most 510), 64 of them at a time. */
enum { SHORT_GROUPS = 64 };

POPCNT INLINE void sum_popcnt(const struct bnn_block *block, int64_t row, const int8_t *weights,
                              int32_t (*sums)[BNN_PIXEL_LANES], const int number)
{
    const __m128i ones = _mm_set1_epi16(1);
    const int64_t groups = block->row_words / 4;
    memset(sums, 0, (size_t)number * sizeof *sums);
    for (int64_t done = 0; done < groups; done += SHORT_GROUPS) {
        const int64_t end = done + SHORT_GROUPS < groups ? done + SHORT_GROUPS : groups;
        __m128i part[2][4];
        for (int k = 0; k < number; k++)
            for (int i = 0; i < 4; i++)
                part[k][i] = _mm_setzero_si128();
        for (int64_t t = done; t < end; t++)
            for (int k = 0; k < number; k++) {
                int32_t four;
                memcpy(&four, pixel_row(block, row + k) + 4 * t, 4);
                const __m128i x = _mm_set1_epi32(four);
                for (int i = 0; i < 4; i++) {
                    const __m128i w = _mm_loadu_si128((const __m128i *)(weights + 64 * t + 16 * i));
                    part[k][i] = _mm_add_epi16(part[k][i], _mm_maddubs_epi16(x, w));
                }
            }
        for (int k = 0; k < number; k++)
            for (int i = 0; i < 4; i++) {
                __m128i *sum = (__m128i *)(sums[k] + 4 * i);
                _mm_store_si128(sum, _mm_add_epi32(_mm_load_si128(sum), _mm_madd_epi16(part[k][i], ones)));
            }
    }
}

POPCNT INLINE uint16_t at_least_popcnt(const int32_t *sums, const int32_t *level)
{
    return (uint16_t)(at_most_popcnt(level, sums) | at_most_popcnt(level + 8, sums + 8) << 8);
}

DEFINE_BITS(bits_popcnt, POPCNT, 1, NOTHING, count_popcnt, at_most_popcnt)
DEFINE_PIXELS(pixels_popcnt, POPCNT, 2, sum_popcnt, at_least_popcnt)

/* AVX2: popcount of nibbles by table. Rows are split into low and high nibbles once for all channels. */

AVX2 INLINE void split_rows(const struct bnn_block *block)
{
    const uint64_t nibbles = 0x0F0F0F0F0F0F0F0Fu;
    uint64_t *to = block->split;
    for (int64_t row = 0; row < block->rows_count; row++) {
        const uint64_t *from = bit_row(block, row);
        for (int64_t t = 0; t < block->row_words; t++, to += 2) {
            to[0] = from[t] & nibbles;
            to[1] = from[t] >> 4 & nibbles;
        }
    }
}

AVX2 INLINE void count_avx2(const struct bnn_block *block, int64_t row, const uint64_t *weights,
                            int32_t (*counts)[BNN_BIT_LANES], const int number)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibbles = _mm256_set1_epi8(0x0F), zero = _mm256_setzero_si256();
    const int64_t words = block->row_words;
    for (int half = 0; half < 2; half++) {
        const uint64_t *w = weights + 4 * half, *x = block->split + 2 * row * words;
        __m256i sums[8];
        for (int k = 0; k < number; k++)
            sums[k] = zero;
        for (int64_t done = 0; done < words; done += BYTE_WORDS) {
            const int64_t end = done + BYTE_WORDS < words ? done + BYTE_WORDS : words;
            __m256i bytes[8];
            for (int k = 0; k < number; k++)
                bytes[k] = zero;
            for (int64_t t = done; t < end; t++, w += BNN_BIT_LANES) {
                const __m256i both = _mm256_loadu_si256((const __m256i *)w);
                const __m256i low = _mm256_and_si256(both, nibbles);
                const __m256i high = _mm256_and_si256(_mm256_srli_epi64(both, 4), nibbles);
                for (int k = 0; k < number; k++) {
                    const uint64_t *pair = x + 2 * (k * words + t);
                    const __m256i a = _mm256_xor_si256(low, _mm256_set1_epi64x((int64_t)pair[0]));
                    const __m256i b = _mm256_xor_si256(high, _mm256_set1_epi64x((int64_t)pair[1]));
                    bytes[k] = _mm256_add_epi8(bytes[k], _mm256_add_epi8(_mm256_shuffle_epi8(table, a),
                                                                         _mm256_shuffle_epi8(table, b)));
                }
            }
            for (int k = 0; k < number; k++)
                sums[k] = _mm256_add_epi64(sums[k], _mm256_sad_epu8(bytes[k], zero));
        }
        for (int k = 0; k < number; k++) {
            const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
            _mm_store_si128((__m128i *)(counts[k] + 4 * half),
                            _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(sums[k], order)));
        }
    }
}

AVX2 INLINE uint8_t at_most_avx2(const int32_t *counts, const int32_t *level)
{
    const __m256i more = _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)counts),
                                            _mm256_loadu_si256((const __m256i *)level));
    return (uint8_t)~_mm256_movemask_ps(_mm256_castsi256_ps(more));
}

/* The same in registers twice as wide. */
AVX2 INLINE void sum_avx2(const struct bnn_block *block, int64_t row, const int8_t *weights,
                          int32_t (*sums)[BNN_PIXEL_LANES], const int number)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int64_t groups = block->row_words / 4;
    __m256i sum[4][2];
    for (int k = 0; k < number; k++)
        sum[k][0] = sum[k][1] = _mm256_setzero_si256();
    for (int64_t done = 0; done < groups; done += SHORT_GROUPS) {
        const int64_t end = done + SHORT_GROUPS < groups ? done + SHORT_GROUPS : groups;
        __m256i part[4][2];
        for (int k = 0; k < number; k++)
            part[k][0] = part[k][1] = _mm256_setzero_si256();
        for (int64_t t = done; t < end; t++) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)(weights + 64 * t));
            const __m256i high = _mm256_loadu_si256((const __m256i *)(weights + 64 * t + 32));
            for (int k = 0; k < number; k++) {
                int32_t four;
                memcpy(&four, pixel_row(block, row + k) + 4 * t, 4);
                const __m256i x = _mm256_set1_epi32(four);
                part[k][0] = _mm256_add_epi16(part[k][0], _mm256_maddubs_epi16(x, low));
                part[k][1] = _mm256_add_epi16(part[k][1], _mm256_maddubs_epi16(x, high));
            }
        }
        for (int k = 0; k < number; k++)
            for (int i = 0; i < 2; i++)
                sum[k][i] = _mm256_add_epi32(sum[k][i], _mm256_madd_epi16(part[k][i], ones));
    }
    for (int k = 0; k < number; k++)
        for (int i = 0; i < 2; i++)
            _mm256_store_si256((__m256i *)(sums[k] + 8 * i), sum[k][i]);
}

AVX2 INLINE uint16_t at_least_avx2(const int32_t *sums, const int32_t *level)
{
    return (uint16_t)(at_most_avx2(level, sums) | at_most_avx2(level + 8, sums + 8) << 8);
}

DEFINE_BITS(bits_avx2, AVX2, 8, split_rows, count_avx2, at_most_avx2)
DEFINE_PIXELS(pixels_avx2, AVX2, 4, sum_avx2, at_least_avx2)

/* AVX-512 with VPOPCNTDQ and VNNI. */

AVX512 INLINE void count_avx512(const struct bnn_block *block, int64_t row, const uint64_t *weights,
                                int32_t (*counts)[BNN_BIT_LANES], const int number)
{
    const uint64_t *x = bit_row(block, row);
    const int64_t step = block->row_stride;
    __m512i sums[8];
    for (int k = 0; k < number; k++)
        sums[k] = _mm512_setzero_si512();
    for (int64_t t = 0; t < block->row_words; t++, weights += BNN_BIT_LANES, x++) {
        const __m512i w = _mm512_loadu_si512(weights);
        for (int k = 0; k < number; k++) {
            const __m512i differ = _mm512_xor_si512(w, _mm512_set1_epi64((int64_t)x[k * step]));
            sums[k] = _mm512_add_epi64(sums[k], _mm512_popcnt_epi64(differ));
        }
    }
    for (int k = 0; k < number; k++)
        _mm256_store_si256((__m256i *)counts[k], _mm512_cvtepi64_epi32(sums[k]));
}

AVX512 INLINE uint8_t at_most_avx512(const int32_t *counts, const int32_t *level)
{
    return _mm256_cmple_epi32_mask(_mm256_loadu_si256((const __m256i *)counts),
                                   _mm256_loadu_si256((const __m256i *)level));
}

AVX512 INLINE void sum_avx512(const struct bnn_block *block, int64_t row, const int8_t *weights,
                              int32_t (*sums)[BNN_PIXEL_LANES], const int number)
{
    __m512i sum[8];
    for (int k = 0; k < number; k++)
        sum[k] = _mm512_setzero_si512();
    for (int64_t t = 0; t < block->row_words; t += 4) {
        const __m512i w = _mm512_loadu_si512(weights + BNN_PIXEL_LANES * t);
        for (int k = 0; k < number; k++) {
            int32_t four;
            memcpy(&four, pixel_row(block, row + k) + t, 4);
            sum[k] = _mm512_dpbusd_epi32(sum[k], _mm512_set1_epi32(four), w);
        }
    }
    for (int k = 0; k < number; k++)
        _mm512_store_si512(sums[k], sum[k]);
}

AVX512 INLINE uint16_t at_least_avx512(const int32_t *sums, const int32_t *level)
{
    return _mm512_cmpge_epi32_mask(_mm512_loadu_si512(sums), _mm512_loadu_si512(level));
}

DEFINE_BITS(bits_avx512, AVX512, 8, NOTHING, count_avx512, at_most_avx512)
DEFINE_PIXELS(pixels_avx512, AVX512, 8, sum_avx512, at_least_avx512)

#endif

/* ---- ARM ---- */
#ifdef ARM

#ifdef __arm__
#define NEON __attribute__((target("fpu=neon")))
/* HWCAP_NEON of the Linux kernel. */
static int has_neon(void) { return (getauxval(AT_HWCAP) & (1 << 12)) != 0; }
#else
#define NEON
static int has_neon(void) { return 1; }
#endif

NEON INLINE void count_neon(const struct bnn_block *block, int64_t row, const uint64_t *weights,
                            int32_t (*counts)[BNN_BIT_LANES], const int number)
{
    const int words = (int)block->row_words; /* counters of 32 bits: half the instructions around short loops */
    for (int half = 0; half < 2; half++) {
        const uint64_t *w = weights + 4 * half, *x[4];
        uint32x4_t sums[4][2];
        for (int k = 0; k < number; k++) {
            x[k] = bit_row(block, row + k);
            sums[k][0] = sums[k][1] = vdupq_n_u32(0);
        }
        for (int left = words; left > 0; left -= BYTE_WORDS) {
            uint8x16_t bytes[4][2];
            for (int k = 0; k < number; k++)
                bytes[k][0] = bytes[k][1] = vdupq_n_u8(0);
            for (int t = left < BYTE_WORDS ? left : BYTE_WORDS; t > 0; t--, w += BNN_BIT_LANES) {
                const uint8x16_t w0 = vreinterpretq_u8_u64(vld1q_u64(w)), w1 = vreinterpretq_u8_u64(vld1q_u64(w + 2));
                for (int k = 0; k < number; k++) {
                    const uint8x16_t v = vreinterpretq_u8_u64(vld1q_dup_u64(x[k]++));
                    bytes[k][0] = vaddq_u8(bytes[k][0], vcntq_u8(veorq_u8(v, w0)));
                    bytes[k][1] = vaddq_u8(bytes[k][1], vcntq_u8(veorq_u8(v, w1)));
                }
            }
            for (int k = 0; k < number; k++)
                for (int i = 0; i < 2; i++)
                    sums[k][i] = vpadalq_u16(sums[k][i], vpaddlq_u8(bytes[k][i]));
        }
        for (int k = 0; k < number; k++)
            for (int i = 0; i < 2; i++)
                vst1_s32(counts[k] + 4 * half + 2 * i, vreinterpret_s32_u32(vmovn_u64(vpaddlq_u32(sums[k][i]))));
    }
}

/* 8 lanes of all ones or zeros to 8 bits. */
NEON INLINE uint8_t mask_bits(uint32x4_t low, uint32x4_t high)
{
    static const uint8_t places[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint8x8_t bytes = vand_u8(vmovn_u16(vcombine_u16(vmovn_u32(low), vmovn_u32(high))), vld1_u8(places));
    bytes = vpadd_u8(bytes, bytes);
    bytes = vpadd_u8(bytes, bytes);
    bytes = vpadd_u8(bytes, bytes);
    return vget_lane_u8(bytes, 0);
}

NEON INLINE uint8_t at_most_neon(const int32_t *counts, const int32_t *level)
{
    return mask_bits(vcleq_s32(vld1q_s32(counts), vld1q_s32(level)),
                     vcleq_s32(vld1q_s32(counts + 4), vld1q_s32(level + 4)));
}

NEON INLINE void sum_neon(const struct bnn_block *block, int64_t row, const int8_t *weights,
                          int32_t (*sums)[BNN_PIXEL_LANES], const int number)
{
    const int8_t *w = weights, *x[4];
    for (int k = 0; k < number; k++)
        x[k] = (const int8_t *)pixel_row(block, row + k);
    memset(sums, 0, (size_t)number * sizeof *sums);
    for (int left = (int)block->row_words; left > 0; left -= SHORT_TAPS) {
        int16x8_t part[4][2];
        for (int k = 0; k < number; k++)
            part[k][0] = part[k][1] = vdupq_n_s16(0);
        for (int t = left < SHORT_TAPS ? left : SHORT_TAPS; t > 0; t--, w += BNN_PIXEL_LANES) {
            const int8x8_t low = vld1_s8(w), high = vld1_s8(w + 8);
            for (int k = 0; k < number; k++) {
                const int8x8_t v = vld1_dup_s8(x[k]++);
                part[k][0] = vmlal_s8(part[k][0], v, low);
                part[k][1] = vmlal_s8(part[k][1], v, high);
            }
        }
        for (int k = 0; k < number; k++)
            for (int i = 0; i < 4; i++) {
                const int16x8_t both = part[k][i / 2];
                int32_t *sum = sums[k] + 4 * i;
                vst1q_s32(sum, vaddw_s16(vld1q_s32(sum), i % 2 ? vget_high_s16(both) : vget_low_s16(both)));
            }
    }
}

NEON INLINE uint16_t at_least_neon(const int32_t *sums, const int32_t *level)
{
    return (uint16_t)(at_most_neon(level, sums) | at_most_neon(level + 8, sums + 8) << 8);
}

DEFINE_BITS(bits_neon, NEON, 4, NOTHING, count_neon, at_most_neon)
DEFINE_PIXELS(pixels_neon, NEON, 4, sum_neon, at_least_neon)

#endif

/* The best first. */
const struct bnn_kernel bnn_kernels[] = {
#ifdef X86
    {"avx512", has_avx512, bits_avx512, pixels_avx512, 4},
    {"avx2", has_avx2, bits_avx2, pixels_avx2, 4},
    {"popcnt", has_popcnt, bits_popcnt, pixels_popcnt, 4},
#endif
#ifdef ARM
    {"neon", has_neon, bits_neon, pixels_neon, 1},
#endif
    {"portable", always, bits_portable, pixels_portable, 1},
};

const int32_t bnn_kernels_count = sizeof bnn_kernels / sizeof *bnn_kernels;
