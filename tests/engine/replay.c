/* Runs layers that replay.py wrote to a file, on a processor without Python, and compares the scores.
 *
 *   replay FILE                        every case on every instruction set that reads its layout of pixels
 *   replay FILE CASE IMAGES SET        one case on its first IMAGES pictures, for counting instructions
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t *cursor;

static int64_t number(void) { return *cursor++; }

/* A run of bytes, or NULL where there are none; it starts a cache line, as in Python. */
static void *bytes(void)
{
    const int64_t count = number();
    if (!count)
        return NULL;
    void *copy = aligned_alloc(64, (size_t)(count + 63) / 64 * 64);
    memcpy(copy, cursor, (size_t)count);
    cursor += (count + 7) / 8;
    return copy;
}

struct plan {
    int64_t taps, images, classes, arena_words, count;
    struct bnn_layer *layers;
    uint8_t *pixels;
    int32_t *scores;
};

static struct bnn_source *read_sources(int32_t count)
{
    struct bnn_source *sources = calloc((size_t)count, sizeof *sources);
    for (struct bnn_source *source = sources; source < sources + count; source++) {
        source->map = number(), source->words = number();
        source->height = (int32_t)number(), source->width = (int32_t)number(), source->channels = (int32_t)number();
        source->kernel_height = (int32_t)number(), source->kernel_width = (int32_t)number();
        source->stride = (int32_t)number(), source->padding = (int32_t)number(), source->fill = (int32_t)number();
    }
    return sources;
}

static struct plan read_plan(void)
{
    struct plan plan = {.taps = number(), .images = number(), .classes = number(), .arena_words = number(),
                        .count = number()};
    plan.layers = calloc((size_t)plan.count, sizeof *plan.layers);
    for (struct bnn_layer *layer = plan.layers; layer < plan.layers + plan.count; layer++) {
        layer->kind = (int32_t)number(), layer->sources = (int32_t)number();
        layer->source = read_sources(layer->sources);
        layer->out_height = (int32_t)number(), layer->out_width = (int32_t)number(), layer->pool = (int32_t)number();
        layer->channels = (int32_t)number(), layer->row_words = number();
        layer->weights = bytes(), layer->levels = bytes(), layer->shortcut_levels = bytes();
        layer->row_class = bytes(), layer->column_class = bytes(), layer->invert = bytes();
        layer->shortcut = number(), layer->output = number(), layer->output_words = number();
        layer->table = bytes();
    }
    plan.pixels = bytes();
    plan.scores = bytes();
    return plan;
}

static int wrong(const struct plan *plan, int32_t set, int64_t images)
{
    uint64_t *arena = malloc((size_t)(plan->arena_words * images + 1) * 8);
    uint64_t *work = malloc((size_t)bnn_work_words(plan->layers, (int32_t)plan->count) * 8);
    const size_t size = (size_t)(images * plan->classes) * sizeof(int32_t);
    int32_t *scores = malloc(size + 1);
    const int32_t failed =
        bnn_run(set, plan->layers, (int32_t)plan->count, plan->pixels, images, arena, work, scores);
    const int differ = failed || memcmp(scores, plan->scores, size);
    free(arena), free(work), free(scores);
    return differ;
}

static void *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        return NULL;
    const long size = ftell(file);
    void *content = malloc((size_t)size);
    rewind(file);
    if (fread(content, 1, (size_t)size, file) != (size_t)size)
        return NULL;
    fclose(file);
    return content;
}

int main(int argc, char **argv)
{
    cursor = argc == 2 || argc == 5 ? read_file(argv[1]) : NULL;
    if (!cursor) {
        fprintf(stderr, "usage: replay FILE [CASE IMAGES SET]\n");
        return 2;
    }
    const int64_t cases = number();
    const int64_t only = argc == 5 ? atoi(argv[2]) : -1;
    int runs = 0, errors = 0;
    for (int64_t i = 0; i < cases; i++) {
        const struct plan plan = read_plan();
        for (int32_t set = 0; set < bnn_instruction_sets(); set++) {
            const int asked = only < 0 || (i == only && !strcmp(bnn_instruction_set_name(set), argv[4]));
            if (!asked || !bnn_instruction_set_usable(set) || bnn_pixel_taps(set) != plan.taps)
                continue;
            runs++;
            if (wrong(&plan, set, only < 0 ? plan.images : atoi(argv[3]))) {
                printf("case %d, %s: wrong scores\n", (int)i, bnn_instruction_set_name(set));
                errors++;
            }
        }
    }
    printf("%d cases,", (int)cases);
    for (int32_t set = 0; set < bnn_instruction_sets(); set++)
        if (bnn_instruction_set_usable(set))
            printf(" %s", bnn_instruction_set_name(set));
    printf(": %d runs, %d wrong\n", runs, errors);
    return errors || !runs;
}
