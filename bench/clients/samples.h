/* Latencies of one kind, every one kept (8 bytes each) and sorted at the end, and the line of JSON
 * that the flow programs end with. One thread fills one `struct samples`. */
#ifndef BENCH_CLIENTS_SAMPLES_H
#define BENCH_CLIENTS_SAMPLES_H

#include "timing.h"

struct samples {
  int64_t* values;
  size_t count, room;
};

static inline void samples_add(struct samples* samples, int64_t value) {
  if (samples->count == samples->room) {
    samples->room = samples->room ? samples->room * 2 : 1 << 16;
    samples->values = realloc(samples->values, samples->room * sizeof *samples->values);
    if (samples->values == NULL) die("memory", NULL);
  }
  samples->values[samples->count++] = value;
}

static inline void samples_print(const char* name, struct samples* samples) {
  const size_t count = samples ? samples->count : 0;
  if (count == 0) return;
  qsort(samples->values, count, sizeof *samples->values, compare_latency);
  printf(", \"%s\": {\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}",
         name, samples->values[count / 2] / 1e3, samples->values[count * 99 / 100] / 1e3,
         samples->values[count * 999 / 1000] / 1e3, samples->values[count - 1] / 1e3);
}

/* `sent` messages became `count` results in `elapsed_ns`. Either of the samples may be empty
 * or NULL. */
static inline void report_flow(int64_t sent, int64_t count, int64_t elapsed_ns,
                               struct samples* confirmed, struct samples* delivered) {
  printf("{\"sent\": %lld, \"count\": %lld, \"seconds\": %.6f, \"rate\": %.1f", (long long)sent,
         (long long)count, elapsed_ns / 1e9, count / (elapsed_ns / 1e9));
  samples_print("confirmed", confirmed);
  samples_print("delivered", delivered);
  printf("}\n");
}

#endif
