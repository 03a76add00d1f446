/* Blocks of rows of a batch. Each block goes through all steps before the next, so that its data stay in cache.

   Rows are sorted by decreasing length: at each step, the real rows of a block are its first ones. Block k belongs to
   thread k modulo the number of threads, so that equal runs give equal numbers. */
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

/* One block, rows[0 .. count), the longest row first. */
typedef struct {
    const Row *rows;
    int count;
} Block;

static int by_length(const void *one, const void *other) {
    const Row *a = one, *b = other;
    if (a->length != b->length) return a->length < b->length ? 1 : -1;
    return a->row - b->row;
}

/* All rows in blocks of about BLOCK; lengths is NULL if all have `steps` steps. `rows` is NULL if memory runs out. */
static inline Blocks new_blocks(int batch, int steps, const int64_t *lengths, int threads) {
    int blocks = (batch + BLOCK - 1) / BLOCK;
    blocks = (blocks + threads - 1) / threads * threads;
    Blocks all = {.rows = malloc(sizeof(Row) * (size_t)batch + 1), .batch = batch, .blocks = blocks};
    all.height = blocks ? (batch + blocks - 1) / blocks : 0;
    for (int row = 0; all.rows && row < batch; row++) all.rows[row] = (Row){lengths ? lengths[row] : steps, row};
    if (all.rows && lengths) qsort(all.rows, (size_t)batch, sizeof(Row), by_length);
    return all;
}

static inline Block block_of(const Blocks *all, int index) {
    int first = index * all->height, count = all->batch - first;
    if (count > all->height) count = all->height;
    return (Block){all->rows + first, count < 0 ? 0 : count};
}

/* The order of the steps: if `reversed`, the first step reads the last real position of a row. Outputs of consecutive
   positions are `out_row` apart, since the outputs of both directions may be interleaved. */
typedef struct {
    int steps, reversed, out_row;
} Direction;

/* The index among all B S positions that a row reads at step t. */
static inline long position(Direction direction, Row row, int t) {
    return (long)row.row * direction.steps + (direction.reversed ? row.length - 1 - t : t);
}

/* Zeros the outputs at padding. */
static inline void clear_padding(Direction direction, Row row, int size, float *outputs) {
    for (long s = row.length; s < direction.steps; s++)
        memset(outputs + (row.row * (long)direction.steps + s) * direction.out_row, 0, sizeof(float) * (size_t)size);
}

/* Writes a row, or adds to it: the gradients of x of the second direction are added to those of the first. */
static inline void copy_or_add(int count, const float *from, int add, float *to) {
    if (!add) {
        memcpy(to, from, sizeof(float) * (size_t)count);
        return;
    }
#pragma omp simd
    for (int k = 0; k < count; k++) to[k] += from[k];
}

/* If x is looked up in a table (`ids [B, S]` is not NULL), `projected [symbols, width]` holds W x of each row of the
   table and replaces x, which then has size 0. */
typedef struct {
    const int64_t *ids;
    const float *projected;
    int symbols, width;
} Table;

static inline const float *projected_at(Table table, long at) {
    return table.ids ? table.projected + table.ids[at] * table.width : NULL;
}

/* One sum of the gradients of `projected` per thread, contiguous; NULL if there is no table or memory runs out. */
static inline float *new_grad_projected(Table table, int threads) {
    return table.ids ? calloc((size_t)threads * (size_t)table.symbols * (size_t)table.width + 1, sizeof(float)) : NULL;
}

static inline float *grad_projected_at(Table table, float *all, int thread, long at) {
    return all + ((long)thread * table.symbols + table.ids[at]) * table.width;
}

/* Adds the sums of all threads in a fixed order, so that equal runs give equal numbers. */
static inline void reduce_projected(Table table, const float *all, int threads, float *grad_projected) {
    const long count = (long)table.symbols * table.width;
    for (int thread = 0; thread < threads; thread++)
        for (long k = 0; k < count; k++) grad_projected[k] += all[thread * count + k];
}

/* The number of rows of a block that are real at `step`: the first ones. */
static inline int real_at(Block block, int step) {
    int count = block.count;
    while (count > 0 && block.rows[count - 1].length <= step) count--;
    return count;
}

static inline int longest(Block block) { return block.count ? (int)block.rows[0].length : 0; }

#endif
