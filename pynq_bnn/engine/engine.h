/* Layers on packed bits: what Python prepares and the two C files share.
 *
 * A map is a run of bits, (height, width, channels) with channels fastest, in 64-bit words, least significant bit
 * first; each image starts a word, and bits beyond the last are 0. A bit is 1 for +1 and 0 for -1.
 */
#ifndef PYNQ_BNN_ENGINE_H
#define PYNQ_BNN_ENGINE_H

#include <stdint.h>

/* Raised with every change of the structures or of what a field means; native.py refuses any other. */
#define BNN_INTERFACE 1

/* Channels whose weights lie beside each other: word t of the rows of 8 channels, then word t + 1. */
#define BNN_BIT_LANES 8
/* The same for products with pixels. */
#define BNN_PIXEL_LANES 16

enum bnn_kind { BNN_PACK_PIXELS, BNN_PIXEL_SUMS, BNN_BIT_SUMS };

/* Windows of one map: one term of a sum. */
struct bnn_source {
    int64_t map;   /* place of the map: words an image before it in the arena */
    int64_t words; /* words of the map of one image */
    int32_t height, width, channels;
    int32_t kernel_height, kernel_width, stride, padding;
    int32_t fill; /* bit (or byte, among pixels) of a padded tap */
};

/* A layer. PACK_PIXELS: bit = table[pixel]. PIXEL_SUMS: acc = sum of w * (signed or unsigned) table[pixel] over one
 * source, w = +-1. BIT_SUMS: differ = popcount(window XOR weights) over all sources, word after word.
 * Then, with a level for each channel and kind of position (how much of the window lies in the padding):
 *   hidden: bit = invert XOR OR over the pool window of (acc >= level), or (differ <= level);
 *   scores: acc - level, or level - 2 * differ.
 */
struct bnn_layer {
    int32_t kind;
    int32_t sources;
    const struct bnn_source *source;
    int32_t out_height, out_width, pool;
    int32_t channels;
    int64_t row_words;             /* words of a row of weights; bytes for PIXEL_SUMS */
    const void *weights;           /* panels of lanes, see above; for pixels [panel][tap / taps][lane][tap % taps] */
    const int32_t *levels;         /* [class][channels padded to 16] */
    const int32_t *shortcut_levels; /* where the bit of `shortcut` is 1, or NULL */
    const int32_t *row_class, *column_class; /* class of a position: their sum; before pooling */
    const uint64_t *invert;        /* one bit a channel */
    int64_t shortcut;              /* place of a map of the output's shape that chooses between levels (pool 1) */
    int64_t output, output_words;  /* place and size of the map made; output < 0: scores */
    const uint8_t *table;          /* 256 bytes, for pixels */
};

int32_t bnn_interface(void);
int32_t bnn_sizes(int32_t which);
int32_t bnn_instruction_sets(void);
const char *bnn_instruction_set_name(int32_t number);
int32_t bnn_instruction_set_usable(int32_t number);
int32_t bnn_pixel_taps(int32_t number);
int64_t bnn_work_words(const struct bnn_layer *layers, int32_t count);
int32_t bnn_run(int32_t instruction_set, const struct bnn_layer *layers, int32_t count, const uint8_t *pixels,
                int64_t images, uint64_t *arena, uint64_t *work, int32_t *scores);

/* Rows (windows) against all channels of a layer; what an instruction set has to offer. */
struct bnn_block {
    const void *rows;   /* words, or bytes of pixels */
    int64_t row_stride; /* in words, or bytes */
    int64_t rows_count;
    int64_t row_words; /* or bytes */
    int32_t channels;
    const void *weights;
    const int32_t *levels, *shortcut_levels;
    const int32_t *classes;        /* of each row */
    const uint8_t *shortcut;       /* bits of each row, as `bits` */
    uint8_t *bits;                 /* out, or NULL; zeroed */
    int64_t bits_stride;           /* bytes */
    int32_t *scores;               /* out, or NULL: channels values a row */
    uint64_t *split;               /* room for 2 * row_words words a row */
};

struct bnn_kernel {
    const char *name;
    int (*usable)(void);
    void (*bits)(const struct bnn_block *block);
    void (*pixels)(const struct bnn_block *block);
    int32_t pixel_taps; /* 4: pixels are uint8, weights in groups of 4 taps; 1: pixels are int8 */
};

extern const struct bnn_kernel bnn_kernels[];
extern const int32_t bnn_kernels_count;

#endif
