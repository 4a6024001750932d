/* What the three load programs share: a monotonic clock, and exact percentiles of up to `count`
 * latencies. Latencies are kept as they are (8 bytes each) and sorted at the end; nothing is
 * estimated. */
#ifndef BENCH_CLIENTS_TIMING_H
#define BENCH_CLIENTS_TIMING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare_latency(const void* a, const void* b) {
  int64_t x = *(const int64_t*)a, y = *(const int64_t*)b;
  return (x > y) - (x < y);
}

/* Prints one JSON line; `latency` may be NULL when there is nothing to say about it. */
static inline void report(const char* what, int64_t count, int64_t elapsed_ns, int64_t* latency) {
  printf("{\"what\": \"%s\", \"count\": %lld, \"seconds\": %.6f, \"rate\": %.1f", what,
         (long long)count, elapsed_ns / 1e9, count / (elapsed_ns / 1e9));
  if (latency != NULL && count > 0) {
    qsort(latency, (size_t)count, sizeof *latency, compare_latency);
    printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f", latency[count / 2] / 1e3,
           latency[count * 99 / 100] / 1e3, latency[count - 1] / 1e3);
  }
  printf("}\n");
}

static inline void die(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why ? why : "failed");
  exit(1);
}

#endif
