/* Rows of a batch: the share of a thread, and which of them are still real at a step. */
#ifndef SEQTOOL_ROWS_H
#define SEQTOOL_ROWS_H

#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

typedef struct {
    int first, count;
} Rows;

/* The rows of the calling thread, of all that run now. */
static inline Rows own_rows(int batch) {
    int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    int first = (int)((long)batch * thread / threads), end = (int)((long)batch * (thread + 1) / threads);
    return (Rows){first, end - first};
}

/* Whether a row has a real position at `step`; lengths may be NULL, where all are full. */
static inline int is_real(const int64_t *lengths, int row, int step) { return !lengths || step < lengths[row]; }

/* The smallest range within `rows` that holds all those which are real at `step`. */
static inline Rows real_rows(const int64_t *lengths, Rows rows, int step) {
    int first = rows.first, end = rows.first + rows.count;
    while (first < end && !is_real(lengths, first, step)) first++;
    while (first < end && !is_real(lengths, end - 1, step)) end--;
    return (Rows){first, end - first};
}

#endif
