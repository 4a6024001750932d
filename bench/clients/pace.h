/* When to send. With a rate, message `index` is due at a fixed time whatever became of the ones
 * before it, and latencies count from that time: a server that stalls is charged for everything it
 * made wait (no coordinated omission). Without a rate everything is due at once and the clock is
 * the call. */
#ifndef BENCH_CLIENTS_PACE_H
#define BENCH_CLIENTS_PACE_H

#include <poll.h>
#include <sys/prctl.h>

#include "timing.h"

struct pace {
  int64_t began;
  int64_t ends;      /* nothing is sent from here on */
  double interval;   /* nanoseconds from message to message, 0: as fast as it goes */
  int64_t count_max; /* 0: time alone ends it */
};

static inline struct pace pace_for(double seconds, double rate, int64_t count_max) {
  prctl(PR_SET_TIMERSLACK, 1L); /* the default rounds every wait up by 50 us */
  struct pace pace = {now_ns(), 0, rate > 0 ? 1e9 / rate : 0, count_max};
  pace.ends = pace.began + (int64_t)(seconds * 1e9);
  return pace;
}

static inline int64_t pace_due(const struct pace* pace, int64_t index) {
  return pace->began + (int64_t)(pace->interval * (double)index);
}

/* True when no message `index` will be sent any more. */
static inline int pace_over(const struct pace* pace, int64_t index, int64_t now) {
  if (pace->count_max > 0 && index >= pace->count_max) return 1;
  if (pace->interval > 0) return pace_due(pace, index) >= pace->ends;
  return now >= pace->ends;
}

/* Waits until `fd` can be read or the time `until`. True when it can be read. */
static inline int wait_readable(int fd, int64_t until) {
  struct pollfd poll_fd = {fd, POLLIN, 0};
  int64_t left = until - now_ns();
  if (left < 0) left = 0;
  struct timespec timeout = {left / 1000000000, left % 1000000000};
  return ppoll(&poll_fd, 1, &timeout, NULL) > 0;
}

#endif
