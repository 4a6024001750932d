/* Redis Streams consumer load with hiredis (publishing is measured with redis-benchmark).
 *
 *   redis_load consume PORT STREAM COUNT BATCH   XREADGROUP ... COUNT BATCH, then one XACK of the whole batch
 *
 * Prints one JSON line: messages a second and the time of one read of a batch (p50, p99).
 */
#include <hiredis/hiredis.h>
#include <string.h>

#include "timing.h"

static redisReply* checked(redisContext* context, void* answer, const char* what) {
  redisReply* reply = answer;
  if (reply == NULL) die(what, context->errstr);
  if (reply->type == REDIS_REPLY_ERROR) die(what, reply->str);
  return reply;
}

static void consume(int port, const char* stream, int64_t count, int batch) {
  redisContext* context = redisConnect("127.0.0.1", port);
  if (context == NULL || context->err) die("connect", context ? context->errstr : NULL);
  freeReplyObject(checked(context, redisCommand(context, "XGROUP CREATE %s load 0", stream), "XGROUP"));
  const char** arguments = calloc((size_t)batch + 3, sizeof *arguments);
  size_t* sizes = calloc((size_t)batch + 3, sizeof *sizes);
  int64_t* latency = calloc((size_t)count + 1, sizeof *latency);
  if (arguments == NULL || sizes == NULL || latency == NULL) die("memory", NULL);
  arguments[0] = "XACK", sizes[0] = 4;
  arguments[1] = stream, sizes[1] = strlen(stream);
  arguments[2] = "load", sizes[2] = 4;
  int64_t got = 0, rounds = 0;
  const int64_t began = now_ns();
  while (got < count) {
    const int64_t asked = now_ns();
    redisReply* reply = checked(
        context, redisCommand(context, "XREADGROUP GROUP load c COUNT %d STREAMS %s >", batch, stream), "XREADGROUP");
    latency[rounds++] = now_ns() - asked;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1) die("XREADGROUP", "fewer messages than expected");
    redisReply* entries = reply->element[0]->element[1];
    for (size_t index = 0; index < entries->elements; ++index) {
      redisReply* id = entries->element[index]->element[0];
      arguments[3 + index] = id->str, sizes[3 + index] = id->len;
    }
    redisReply* acked =
        checked(context, redisCommandArgv(context, (int)entries->elements + 3, arguments, sizes), "XACK");
    if ((size_t)acked->integer != entries->elements) die("XACK", "not all acknowledged");
    got += (int64_t)entries->elements;
    freeReplyObject(acked);
    freeReplyObject(reply);
  }
  const int64_t elapsed = now_ns() - began;
  qsort(latency, (size_t)rounds, sizeof *latency, compare_latency);
  printf("{\"what\": \"redis consume\", \"count\": %lld, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
         "\"p99_us\": %.1f}\n", (long long)got, elapsed / 1e9, got / (elapsed / 1e9), latency[rounds / 2] / 1e3,
         latency[rounds * 99 / 100] / 1e3);
  redisFree(context);
}

int main(int argc, char** argv) {
  if (argc == 6 && strcmp(argv[1], "consume") == 0)
    consume(atoi(argv[2]), argv[3], atoll(argv[4]), atoi(argv[5]));
  else
    die("usage", "redis_load consume PORT STREAM COUNT BATCH");
  return 0;
}
