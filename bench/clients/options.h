/* Arguments of the flow programs: NAME=VALUE words. A word that names no known option is an error,
 * so that a misspelt option never measures something else. */
#ifndef BENCH_CLIENTS_OPTIONS_H
#define BENCH_CLIENTS_OPTIONS_H

#include <string.h>

#include "timing.h"

struct options {
  int count;
  char** words;
};

/* `known` is a list of names that ends with NULL. */
static inline struct options options_of(int argc, char** argv, const char* const* known) {
  for (int index = 1; index < argc; ++index) {
    const char* equals = strchr(argv[index], '=');
    const size_t size = equals ? (size_t)(equals - argv[index]) : 0;
    const char* const* name = known;
    while (*name && !(equals && strlen(*name) == size && memcmp(*name, argv[index], size) == 0))
      ++name;
    if (*name == NULL) die("unknown option", argv[index]);
  }
  return (struct options){argc, argv};
}

static inline const char* text_option(struct options options, const char* name,
                                      const char* fallback) {
  const size_t size = strlen(name);
  for (int index = 1; index < options.count; ++index)
    if (strncmp(options.words[index], name, size) == 0 && options.words[index][size] == '=')
      return options.words[index] + size + 1;
  return fallback;
}

static inline int64_t number_option(struct options options, const char* name, int64_t fallback) {
  const char* text = text_option(options, name, NULL);
  return text ? (int64_t)atoll(text) : fallback;
}

static inline double decimal_option(struct options options, const char* name, double fallback) {
  const char* text = text_option(options, name, NULL);
  return text ? atof(text) : fallback;
}

#endif
