/* OpenMP if the compiler supports it, else one thread. */
#ifndef SEQTOOL_THREADS_H
#define SEQTOOL_THREADS_H

#ifdef _OPENMP
#include <omp.h>
#else
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

#endif
