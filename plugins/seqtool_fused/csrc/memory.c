/* The limits above which the allocator returns freed memory to the system. */
#include <stdint.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Makes glibc keep up to `kept` bytes of freed memory, and serve blocks of up to `largest` bytes from it. By default it
   returns what a training step frees to the system, and the next step waits for the same pages to be mapped and zeroed
   again: a fifth of a step that uses some ten megabytes. These are the limits that glibc adopts after a block of 32 MB
   was freed (mallopt(3), "dynamic mmap threshold"). Does nothing if the environment sets these limits. Returns 0. */
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
