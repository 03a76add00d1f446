/* The recurrent attention loops, forward and backward. Each thread takes its rows of the batch through all steps, some
   rows at a time, so that their keys and values stay in cache; the gradients of maps are computed at the end, over all
   steps. */
#include "attend_plan.h"
#include "threads.h"

#define CACHED_NUMBERS 160000 /* numbers of keys and values that the rows of a pass may have, to stay in cache */
#define MIN_ROWS 24           /* fewer rows are not worth reading the maps for */

/* The number of rows that go through all steps together. */
static int rows_per_pass(const Loop *l, const Plan *p, int rows) {
    long per_row = l->S * (p->value_width + (l->scorer == GMM ? 0 : p->key_width));
    long cached = per_row ? CACHED_NUMBERS / per_row : rows;
    return cached < MIN_ROWS ? MIN_ROWS : cached < rows ? cached : rows;
}

static void copy_rows(long rows, long width, const float *from, long from_row, float *to, long to_row) {
    for (long r = 0; r < rows; r++) memcpy(to + r * to_row, from + r * from_row, sizeof(float) * (size_t)width);
}

/* Copies the first state of some rows into z, c and mean. */
static void load_first_state(const Loop *l, const Plan *p, long first, long rows) {
    copy_rows(rows, l->H, l->first_h + first * l->H, l->H, l->z + first * p->z_row, p->z_row);
    if (!l->gru) copy_rows(rows, l->H, l->first_c + first * l->H, l->H, l->c + first * l->H, l->H);
    if (l->first_fed)
        copy_rows(rows, l->D, l->first_fed + first * l->D, l->D, l->z + first * p->z_row + l->H, p->z_row);
    for (long i = first * l->K; l->first_mean && i < (first + rows) * l->K; i++) l->mean[i] = l->first_mean[i];
}

static void store_last_state(const Loop *l, const Plan *p, long first, long rows) {
    const long end = l->T * l->B + first;
    copy_rows(rows, l->H, l->z + end * p->z_row, p->z_row, l->last_h + first * l->H, l->H);
    if (!l->gru) copy_rows(rows, l->H, l->c + end * l->H, l->H, l->last_c + first * l->H, l->H);
    if (l->last_fed)
        copy_rows(
            rows, l->D, l->features + (first * l->T + l->T - 1) * l->D, l->T * l->D, l->last_fed + first * l->D, l->D);
    for (long i = 0; l->last_mean && i < rows * l->K; i++)
        l->last_mean[first * l->K + i] = (float)l->mean[end * l->K + i];
}

static void run(const Loop *l, const Plan *p, Workspace *w, int first, int end) {
    const int most = rows_per_pass(l, p, end - first);
    for (int b = first; b < end; b += most) {
        w->first = b, w->count = end - b < most ? end - b : most;
        if (!l->backward) load_first_state(l, p, b, w->count);
        if (p->grad_keys) clear(p->grad_keys + (long)b * l->S * p->key_width, 0, w->count * l->S * p->key_width);
        for (int t = 0; t < l->T; t++) {
            if (l->backward)
                loop_step_backward(l, p, w, l->T - 1 - t);
            else
                loop_step(l, p, w, t);
        }
        if (!l->backward) store_last_state(l, p, b, w->count);
        for (int r = b; l->backward && r < b + w->count; r++) memory_gradients(l, p, w, r);
    }
}

int seqtool_attend(const Loop *l) {
    const int threads = l->threads, rows = (l->B + threads - 1) / threads;
    Arena counted = {0};
    Plan p = new_plan(l, &counted);
    size_t shared = counted.used;
    new_workspace(l, &p, 0, rows, &counted);
    size_t own = counted.used - shared;
    float *memory = malloc(sizeof(float) * (shared + (size_t)threads * own + 16));
    if (!memory) return 1;
    Arena arena = {.base = (float *)(((uintptr_t)memory + 63) / 64 * 64)};
    p = new_plan(l, &arena);
#pragma omp parallel num_threads(threads)
    {
        int all = omp_get_num_threads();
        for (int thread = omp_get_thread_num(); thread < threads; thread += all) {
            Arena mine = {.base = arena.base + shared + (size_t)thread * own};
            Workspace w = new_workspace(l, &p, thread, rows, &mine);
            int end = (thread + 1) * rows < l->B ? (thread + 1) * rows : l->B;
            run(l, &p, &w, thread * rows, end);
        }
#pragma omp barrier
        for (int thread = omp_get_thread_num(); l->backward && thread < threads; thread += all) {
            Arena mine = {.base = arena.base + shared + (size_t)thread * own};
            Workspace w = new_workspace(l, &p, thread, rows, &mine);
            map_gradients(l, &p, &w, threads);
        }
    }
    free(memory);
    return 0;
}
