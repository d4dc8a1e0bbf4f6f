/* Gives pages back and touches all of them again, as benches/snapshot.ts does: prints the milliseconds of each round. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum { PAGE = 4096 };

static double wall(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static double processor(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t size = strtoull(argv[1], NULL, 10);
  volatile char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 1;
  for (size_t at = 0; at < size; at += PAGE) memory[at] = 1;
  for (int left = atoi(argv[2]); left > 0; left--) {
    double begun = wall(), used = processor();
    if (madvise((void *)memory, size, MADV_DONTNEED) != 0) return 1;
    for (size_t at = 0; at < size; at += PAGE) memory[at] = 1;
    printf("%f %f\n", wall() - begun, processor() - used);
  }
  return 0;
}
