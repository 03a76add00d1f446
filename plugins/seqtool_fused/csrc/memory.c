/* What the allocator does with memory that is given back. */
#include <stdint.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Have glibc keep up to `kept` bytes that were freed, and take blocks of up to `largest` from them. By itself it returns
   what a training step frees to the system, and the next step waits for the same pages to be made anew, zeroed: a fifth of
   a step, at some ten megabytes. These are the limits that glibc moves to once a block of 32 MB was freed (mallopt(3),
   "dynamic mmap threshold"). A process that was told otherwise by its environment keeps that. Returns 0. */
int seqtool_keep_memory(int64_t kept, int64_t largest) {
#ifdef __GLIBC__
    if (getenv("MALLOC_TRIM_THRESHOLD_") || getenv("MALLOC_MMAP_THRESHOLD_") || getenv("GLIBC_TUNABLES")) return 0;
    mallopt(M_TRIM_THRESHOLD, (int)kept);
    mallopt(M_MMAP_THRESHOLD, (int)largest);
#else
    (void)kept, (void)largest;
#endif
    return 0;
}
