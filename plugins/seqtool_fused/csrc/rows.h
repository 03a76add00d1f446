/* The rows of a batch in blocks, each of which goes through all steps at once: what it needs stays near.

   Rows stand longest first, so that those of a block which are real at a step are its first ones. Block k is of
   thread k modulo the number of threads: always the same, so that equal runs give equal numbers. */
#ifndef SEQTOOL_ROWS_H
#define SEQTOOL_ROWS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "threads.h"

#define BLOCK 24

typedef struct {
    int64_t length;
    int row;
} Row;

typedef struct {
    Row *rows;
    int batch, blocks, height;
} Blocks;

/* Some rows of one block: `rows[0 .. count)`, of which the first is the longest. */
typedef struct {
    const Row *rows;
    int count;
} Block;

static int longer_first(const void *one, const void *other) {
    const Row *a = one, *b = other;
    if (a->length != b->length) return a->length < b->length ? 1 : -1;
    return a->row - b->row;
}

/* All rows in blocks of about BLOCK; lengths may be NULL where all have `steps`. `rows` is NULL without memory. */
static inline Blocks new_blocks(int batch, int steps, const int64_t *lengths, int threads) {
    int blocks = (batch + BLOCK - 1) / BLOCK;
    blocks = (blocks + threads - 1) / threads * threads;
    Blocks all = {.rows = malloc(sizeof(Row) * (size_t)batch + 1), .batch = batch, .blocks = blocks};
    all.height = blocks ? (batch + blocks - 1) / blocks : 0;
    for (int row = 0; all.rows && row < batch; row++) all.rows[row] = (Row){lengths ? lengths[row] : steps, row};
    if (all.rows && lengths) qsort(all.rows, (size_t)batch, sizeof(Row), longer_first);
    return all;
}

static inline Block block_of(const Blocks *all, int index) {
    int first = index * all->height, count = all->batch - first;
    if (count > all->height) count = all->height;
    return (Block){all->rows + first, count < 0 ? 0 : count};
}

/* Where x and outputs stand, and in which order: `reversed`, a row's last real position is its first step. Outputs of a
   position are `out_row` apart, for those of both ways may stand side by side. */
typedef struct {
    int steps, reversed, out_row;
} Way;

/* Which of all positions a row is at in step t. */
static inline long position(Way way, Row row, int t) {
    return (long)row.row * way.steps + (way.reversed ? row.length - 1 - t : t);
}

/* Zeros behind the real part of a row. */
static inline void clear_padding(Way way, Row row, int size, float *outputs) {
    for (long s = row.length; s < way.steps; s++)
        memset(outputs + (row.row * (long)way.steps + s) * way.out_row, 0, sizeof(float) * (size_t)size);
}

/* A row of the gradient of x: of both ways, the second adds to what the first left. */
static inline void hand_on(int count, const float *from, int add, float *to) {
    if (!add) {
        memcpy(to, from, sizeof(float) * (size_t)count);
        return;
    }
#pragma omp simd
    for (int k = 0; k < count; k++) to[k] += from[k];
}

/* Where x is one of a few rows of a table at each position (`ids [B, S]` not NULL), what the weights make of each of
   those rows, `mapped [symbols, width]`, stands in x's place, which is 0 wide. */
typedef struct {
    const int64_t *ids;
    const float *mapped;
    int symbols, width;
} Table;

static inline const float *mapped_at(Table table, long at) {
    return table.ids ? table.mapped + table.ids[at] * table.width : NULL;
}

/* Each thread's sums of the gradients of `mapped`, one table behind the other; NULL without memory or table. */
static inline float *new_of_mapped(Table table, int threads) {
    return table.ids ? calloc((size_t)threads * (size_t)table.symbols * (size_t)table.width + 1, sizeof(float)) : NULL;
}

static inline float *of_mapped_at(Table table, float *all, int thread, long at) {
    return all + ((long)thread * table.symbols + table.ids[at]) * table.width;
}

/* The sums of all threads, in their order, so that equal runs give equal numbers. */
static inline void collect_mapped(Table table, const float *all, int threads, float *of_mapped) {
    const long count = (long)table.symbols * table.width;
    for (int thread = 0; thread < threads; thread++)
        for (long k = 0; k < count; k++) of_mapped[k] += all[thread * count + k];
}

/* How many rows of a block are real at `step`: the first ones. */
static inline int real_at(Block block, int step) {
    int count = block.count;
    while (count > 0 && block.rows[count - 1].length <= step) count--;
    return count;
}

static inline int longest(Block block) { return block.count ? (int)block.rows[0].length : 0; }

#endif
