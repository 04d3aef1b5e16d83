/* A chain or graph of layers over a block of images: windows are gathered as rows of words, a kernel (kernels.c)
 * turns rows into bits or scores, and bits are pooled, inverted and packed. Nothing is allocated and nothing is kept
 * between calls: any number of threads may run the same layers, each with an arena and a work area of its own.
 */
#include "engine.h"

#include <string.h>

/* Rows of a block take about this much, so that they stay in the first cache beside a panel of weights. */
enum { BLOCK_BYTES = 24 << 10, MIN_ROWS = 16, MAX_ROWS = 256, SLACK_WORDS = 8 };

static int64_t words_of(int64_t bits) { return (bits + 63) / 64; }

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- bits ---- */

/* 1 to 64 bits from bit `at` on. */
static uint64_t load_bits(const uint64_t *from, int64_t at, int64_t count)
{
    const int shift = (int)(at & 63);
    uint64_t value = from[at >> 6] >> shift;
    if (shift + count > 64)
        value |= from[(at >> 6) + 1] << (64 - shift);
    return count < 64 ? value & (((uint64_t)1 << count) - 1) : value;
}

/* Sets bits that are 0 so far; `value` has no bit beyond those. */
static void add_bits(uint64_t *to, int64_t at, uint64_t value)
{
    const int shift = (int)(at & 63);
    to[at >> 6] |= value << shift;
    if (shift && value >> (64 - shift))
        to[(at >> 6) + 1] |= value >> (64 - shift);
}

static void copy_bits(uint64_t *to, int64_t to_at, const uint64_t *from, int64_t from_at, int64_t count)
{
    for (int64_t done = 0; done < count; done += 64)
        add_bits(to, to_at + done, load_bits(from, from_at + done, min64(64, count - done)));
}

static void set_bits(uint64_t *to, int64_t at, int64_t count)
{
    for (int64_t done = 0; done < count; done += 64) {
        const int64_t part = min64(64, count - done);
        add_bits(to, at + done, part < 64 ? ((uint64_t)1 << part) - 1 : ~(uint64_t)0);
    }
}

/* Short runs in the main: without a call of memcpy. */
static void copy_words(uint64_t *to, const uint64_t *from, int64_t count)
{
    for (; count >= 4; count -= 4, to += 4, from += 4)
        memcpy(to, from, 32);
    if (count & 2) {
        memcpy(to, from, 16);
        to += 2, from += 2;
    }
    if (count & 1)
        memcpy(to, from, 8);
}

/* ---- windows ---- */

/* The part [*first, *last) of a window's taps along one side that lies within the map. */
static void clip(int64_t start, int32_t kernel, int32_t size, int64_t *first, int64_t *last)
{
    *first = start < 0 ? -start : 0;
    *last = min64(kernel, size - start);
    if (*last < *first)
        *first = *last = 0;
}

/* The window at position (y, x), of whole words a pixel. */
static void gather_words(const struct bnn_source *source, const uint64_t *map, int64_t y, int64_t x, uint64_t *row)
{
    const int64_t pixel = source->channels / 64, line = source->kernel_width * pixel;
    const int64_t top = y * source->stride - source->padding, left = x * source->stride - source->padding;
    int64_t y0, y1, x0, x1;
    clip(top, source->kernel_height, source->height, &y0, &y1);
    clip(left, source->kernel_width, source->width, &x0, &x1);
    if (y0 || x0 || y1 < source->kernel_height || x1 < source->kernel_width)
        memset(row, source->fill ? 0xFF : 0, (size_t)(source->kernel_height * line) * 8);
    if (x0 == x1 || y0 == y1)
        return;
    const uint64_t *from = map + ((top + y0) * source->width + left + x0) * pixel;
    row += y0 * line + x0 * pixel;
    for (int64_t ky = y0; ky < y1; ky++, row += line, from += source->width * pixel)
        copy_words(row, from, (x1 - x0) * pixel);
}

/* The same for any number of channels; bits follow each other without a gap. */
static void gather_bits(const struct bnn_source *source, const uint64_t *map, int64_t y, int64_t x, uint64_t *row)
{
    const int64_t channels = source->channels, line = source->kernel_width * channels;
    const int64_t top = y * source->stride - source->padding, left = x * source->stride - source->padding;
    int64_t y0, y1, x0, x1;
    clip(top, source->kernel_height, source->height, &y0, &y1);
    clip(left, source->kernel_width, source->width, &x0, &x1);
    memset(row, 0, (size_t)words_of(source->kernel_height * line) * 8);
    for (int64_t ky = 0; ky < source->kernel_height; ky++) {
        const int64_t at = ky * line;
        const int inside = ky >= y0 && ky < y1 && x0 < x1;
        if (inside)
            copy_bits(row, at + x0 * channels, map, ((top + ky) * source->width + left + x0) * channels,
                      (x1 - x0) * channels);
        if (source->fill && !inside)
            set_bits(row, at, line);
        else if (source->fill) {
            set_bits(row, at, x0 * channels);
            set_bits(row, at + x1 * channels, line - x1 * channels);
        }
    }
}

static int64_t fan_in(const struct bnn_source *source)
{
    return (int64_t)source->kernel_height * source->kernel_width * source->channels;
}

/* Whether the only window is the whole map, as in fully connected layers. */
static int is_whole(const struct bnn_layer *layer)
{
    const struct bnn_source *source = layer->source;
    return layer->sources == 1 && !source->padding && source->kernel_height == source->height &&
           source->kernel_width == source->width;
}

/* ---- blocks of rows ---- */

static int64_t block_rows(const struct bnn_layer *layer)
{
    const int64_t bytes = layer->row_words * (layer->kind == BNN_BIT_SUMS ? 8 : 1);
    const int64_t rows = BLOCK_BYTES / bytes / MIN_ROWS * MIN_ROWS;
    return rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : rows;
}

/* Distance of rows of pixels: whole words, and room to copy a few bytes too many. */
static int64_t pixel_stride(const struct bnn_layer *layer) { return (layer->row_words + 15) / 8 * 8; }

static int64_t padded_bytes(const struct bnn_source *source)
{
    return (int64_t)(source->height + 2 * source->padding) * (source->width + 2 * source->padding) * source->channels;
}

/* Words of the areas of one layer's work: rows, split rows, bits, shortcut bits, classes, padded picture. */
struct areas {
    int64_t rows, split, bits, classes, picture;
};

static struct areas areas_of(const struct bnn_layer *layer)
{
    struct areas areas = {0, 0, 0, 0, 0};
    if (layer->kind == BNN_PACK_PIXELS)
        return areas;
    const int64_t rows = block_rows(layer);
    areas.bits = rows * words_of(layer->channels);
    areas.classes = (rows + 1) / 2;
    if (layer->kind == BNN_BIT_SUMS) {
        areas.rows = rows * layer->row_words;
        areas.split = 2 * areas.rows;
    } else {
        areas.rows = rows * pixel_stride(layer) / 8 + SLACK_WORDS;
        areas.picture = padded_bytes(layer->source) / 8 + SLACK_WORDS;
    }
    return areas;
}

int64_t bnn_work_words(const struct bnn_layer *layers, int32_t count)
{
    int64_t most = 1;
    for (int32_t i = 0; i < count; i++) {
        const struct areas areas = areas_of(layers + i);
        const int64_t words = areas.rows + areas.split + 2 * areas.bits + areas.classes + areas.picture;
        most = words > most ? words : most;
    }
    return most;
}

/* One call's state. */
struct job {
    const struct bnn_kernel *kernel;
    const struct bnn_layer *layer;
    const uint8_t *pixels;
    int64_t images;
    uint64_t *arena;
    int32_t *scores;
    uint64_t *rows, *split, *bits, *shortcut, *picture;
    int32_t *classes;
    int64_t picture_of; /* the image in `picture`, or -1 */
};

static uint64_t *map_of(const struct job *job, int64_t place, int64_t words, int64_t image)
{
    return job->arena + place * job->images + image * words;
}

/* Codes of a picture with its padding; copies of windows then need no look at the border. */
static void encode_picture(struct job *job, int64_t image)
{
    const struct bnn_source *source = job->layer->source;
    const int64_t line = (int64_t)source->width * source->channels, side = (int64_t)source->padding * source->channels;
    const uint8_t *from = job->pixels + image * source->height * line, *table = job->layer->table;
    uint8_t *to = (uint8_t *)job->picture;
    if (source->padding)
        memset(to, source->fill, (size_t)padded_bytes(source));
    to += source->padding * (line + 2 * side) + side;
    for (int32_t y = 0; y < source->height; y++, to += line + 2 * side, from += line)
        for (int64_t i = 0; i < line; i++)
            to[i] = table[from[i]];
    job->picture_of = image;
}

static void gather_pixels(struct job *job, int64_t image, int64_t y, int64_t x, uint8_t *row)
{
    const struct bnn_source *source = job->layer->source;
    if (job->picture_of != image)
        encode_picture(job, image);
    const int64_t line = (int64_t)(source->width + 2 * source->padding) * source->channels;
    const int64_t part = (int64_t)source->kernel_width * source->channels;
    const uint8_t *from =
        (const uint8_t *)job->picture + y * source->stride * line + x * source->stride * source->channels;
    for (int32_t ky = 0; ky < source->kernel_height; ky++, from += line, row += part)
        for (int64_t i = 0; i < part; i += 8) /* up to 7 bytes too many, which the next copy overwrites */
            memcpy(row + i, from + i, 8);
}

static void gather(struct job *job, int64_t image, int64_t y, int64_t x, int64_t row)
{
    const struct bnn_layer *layer = job->layer;
    job->classes[row] = layer->row_class[y] + layer->column_class[x];
    if (layer->kind == BNN_PIXEL_SUMS) {
        gather_pixels(job, image, y, x, (uint8_t *)job->rows + row * pixel_stride(layer));
        return;
    }
    uint64_t *to = job->rows + row * layer->row_words;
    for (int32_t i = 0; i < layer->sources; i++) {
        const struct bnn_source *source = layer->source + i;
        const uint64_t *map = map_of(job, source->map, source->words, image);
        (source->channels % 64 ? gather_bits : gather_words)(source, map, y, x, to);
        to += words_of(fan_in(source));
    }
}

/* The windows of pooled positions [start, start + count) of all images; those of a pool window follow each other. */
static void gather_block(struct job *job, int64_t start, int64_t count)
{
    const struct bnn_layer *layer = job->layer;
    const int64_t positions = (int64_t)layer->out_height * layer->out_width;
    int64_t image = start / positions, y = start % positions / layer->out_width, x = start % layer->out_width;
    for (int64_t i = 0, row = 0; i < count; i++) {
        for (int32_t dy = 0; dy < layer->pool; dy++)
            for (int32_t dx = 0; dx < layer->pool; dx++, row++)
                gather(job, image, y * layer->pool + dy, x * layer->pool + dx, row);
        if (layer->shortcut_levels) {
            const int64_t words = words_of(layer->channels);
            uint64_t *to = job->shortcut + i * words;
            memset(to, 0, (size_t)words * 8);
            copy_bits(to, 0, map_of(job, layer->shortcut, layer->output_words, image),
                      (y * layer->out_width + x) * layer->channels, layer->channels);
        }
        if (++x == layer->out_width) {
            x = 0;
            if (++y == layer->out_height)
                y = 0, image++;
        }
    }
}

/* Bits of rows to bits of the map: OR over the pool window, invert, packed. */
static void emit_block(const struct job *job, int64_t start, int64_t count)
{
    const struct bnn_layer *layer = job->layer;
    const int64_t positions = (int64_t)layer->out_height * layer->out_width, words = words_of(layer->channels);
    const int32_t window = layer->pool * layer->pool;
    int64_t image = start / positions, position = start % positions;
    const uint64_t *bits = job->bits;
    for (int64_t i = 0; i < count; i++) {
        uint64_t *map = map_of(job, layer->output, layer->output_words, image);
        if (!position)
            memset(map, 0, (size_t)layer->output_words * 8);
        for (int64_t word = 0; word < words; word++) {
            uint64_t value = 0;
            for (int32_t k = 0; k < window; k++)
                value |= bits[k * words + word];
            add_bits(map, position * layer->channels + 64 * word, value ^ layer->invert[word]);
        }
        bits += window * words;
        if (++position == positions)
            position = 0, image++;
    }
}

static void run_block(struct job *job, int64_t start, int64_t count)
{
    const struct bnn_layer *layer = job->layer;
    const int64_t rows = count * layer->pool * layer->pool, bits_words = words_of(layer->channels);
    struct bnn_block block = {
        .rows = job->rows,
        .row_stride = layer->kind == BNN_BIT_SUMS ? layer->row_words : pixel_stride(layer),
        .rows_count = rows,
        .row_words = layer->row_words,
        .channels = layer->channels,
        .weights = layer->weights,
        .levels = layer->levels,
        .shortcut_levels = layer->shortcut_levels,
        .classes = job->classes,
        .shortcut = (const uint8_t *)job->shortcut,
        .bits_stride = bits_words * 8,
        .split = job->split,
    };
    if (layer->kind == BNN_BIT_SUMS && is_whole(layer) && !layer->shortcut_levels) {
        block.rows = map_of(job, layer->source->map, layer->source->words, start);
        memset(job->classes, 0, (size_t)rows * sizeof *job->classes);
    } else {
        gather_block(job, start, count);
    }
    if (layer->output < 0) {
        block.scores = job->scores + start * layer->channels;
    } else {
        block.bits = (uint8_t *)job->bits;
        memset(block.bits, 0, (size_t)(rows * bits_words) * 8);
    }
    (layer->kind == BNN_BIT_SUMS ? job->kernel->bits : job->kernel->pixels)(&block);
    if (layer->output >= 0)
        emit_block(job, start, count);
}

/* Pictures to a map of bits. */
static void pack_pixels(const struct job *job)
{
    const struct bnn_layer *layer = job->layer;
    const struct bnn_source *source = layer->source;
    const int64_t values = (int64_t)source->height * source->width * source->channels;
    for (int64_t image = 0; image < job->images; image++) {
        uint64_t *map = map_of(job, layer->output, layer->output_words, image);
        const uint8_t *from = job->pixels + image * values;
        for (int64_t word = 0; word < layer->output_words; word++) {
            uint64_t value = 0;
            const int64_t count = min64(64, values - 64 * word);
            for (int64_t i = 0; i < count; i++)
                value |= (uint64_t)layer->table[from[64 * word + i]] << i;
            map[word] = value;
        }
    }
}

static void run_layer(struct job *job, uint64_t *work)
{
    const struct bnn_layer *layer = job->layer;
    if (layer->kind == BNN_PACK_PIXELS) {
        pack_pixels(job);
        return;
    }
    const struct areas areas = areas_of(layer);
    job->rows = work;
    job->split = job->rows + areas.rows;
    job->bits = job->split + areas.split;
    job->shortcut = job->bits + areas.bits;
    job->classes = (int32_t *)(job->shortcut + areas.bits);
    job->picture = job->shortcut + areas.bits + areas.classes;
    job->picture_of = -1;
    const int64_t total = job->images * layer->out_height * layer->out_width;
    const int64_t most = block_rows(layer) / (layer->pool * layer->pool);
    for (int64_t start = 0; start < total; start += most)
        run_block(job, start, min64(most, total - start));
}

/* Runs `count` layers on `images` pictures; 0, or -1 where this processor lacks the instruction set. Maps of layers
 * run by an earlier call on the same arena, with the same number of images, are found there. */
int32_t bnn_run(int32_t instruction_set, const struct bnn_layer *layers, int32_t count, const uint8_t *pixels,
                int64_t images, uint64_t *arena, uint64_t *work, int32_t *scores)
{
    if (!bnn_instruction_set_usable(instruction_set))
        return -1;
    struct job job = {.kernel = bnn_kernels + instruction_set, .pixels = pixels, .images = images, .arena = arena,
                      .scores = scores};
    for (int32_t i = 0; i < count; i++) {
        job.layer = layers + i;
        run_layer(&job, work);
    }
    return 0;
}

/* ---- what there is ---- */

int32_t bnn_interface(void)
{
    const union {
        uint16_t value;
        uint8_t bytes[2];
    } order = {1};
    return order.bytes[0] ? BNN_INTERFACE : -1; /* bits are addressed as bytes too, least significant first */
}

int32_t bnn_sizes(int32_t which)
{
    return which ? (int32_t)sizeof(struct bnn_layer) : (int32_t)sizeof(struct bnn_source);
}

int32_t bnn_instruction_sets(void) { return bnn_kernels_count; }

static int exists(int32_t number) { return number >= 0 && number < bnn_kernels_count; }

const char *bnn_instruction_set_name(int32_t number) { return exists(number) ? bnn_kernels[number].name : ""; }

int32_t bnn_instruction_set_usable(int32_t number) { return exists(number) && bnn_kernels[number].usable(); }

int32_t bnn_pixel_taps(int32_t number) { return exists(number) ? bnn_kernels[number].pixel_taps : 0; }
