/* Redis flows with hiredis: what redis-benchmark cannot do.
 *
 *   redis_flow port=P name=NAME mode=group [count=N] [batch=500]            XREADGROUP COUNT batch, one XACK of the batch
 *   redis_flow port=P name=NAME mode=stream [seconds=2] [rate=R] [size=1024] [window=500] [warm=0]  XADD, and XREAD BLOCK
 *   redis_flow port=P name=NAME mode=pubsub [seconds=2] [size=1024] [window=500] [subscribers=1]
 *
 * group   reads a stream that holds `count` entries through a new group until all are acknowledged.
 * stream  one connection adds, with a rate or with at most `window` unanswered; another reads every entry.
 * pubsub  PUBLISH with at most `window` unanswered, and as many that a subscriber has not seen. Every subscriber must
 *         see every message.
 * warm    seconds at the start whose latencies do not count.
 *
 * It is an error when one is missing. Prints one JSON line.
 */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>

#include "options.h"
#include "pace.h"
#include "samples.h"

static const char* const known[] = {"port", "name", "mode", "seconds", "rate", "size", "window", "subscribers",
                                    "count", "batch", "warm", NULL};

struct flow {
  int port;
  const char* name;
  size_t size;
  int64_t window;
  int subscribers, streams;
  _Atomic int ready;
  _Atomic int64_t expected; /* per reader; -1 until all is published */
  _Atomic int64_t last_at;
  _Atomic int64_t counts_from; /* latencies count when sent from then on */
};

struct reader {
  struct flow* flow;
  pthread_t thread;
  _Atomic int64_t got;
  struct samples delivered;
};

static redisContext* connect_to(const struct flow* flow) {
  const struct timeval patience = {30, 0};
  redisContext* context = redisConnectWithTimeout("127.0.0.1", flow->port, patience);
  if (context == NULL || context->err) die("connect", context ? context->errstr : NULL);
  redisSetTimeout(context, patience);
  return context;
}

static redisReply* checked(redisContext* context, void* answer, const char* what) {
  redisReply* reply = answer;
  if (reply == NULL) die(what, context->errstr);
  if (reply->type == REDIS_REPLY_ERROR) die(what, reply->str);
  return reply;
}

static redisReply* next_reply(redisContext* context, const char* what) {
  void* reply = NULL;
  if (redisGetReply(context, &reply) != REDIS_OK) die(what, context->errstr);
  return checked(context, reply, what);
}

/* -- group: what was there, through a group */

struct acks {
  const char** words;
  size_t* sizes;
};

static struct acks acks_for(const struct flow* flow, int64_t batch) {
  struct acks acks = {calloc((size_t)batch + 3, sizeof(char*)), calloc((size_t)batch + 3, sizeof(size_t))};
  if (acks.words == NULL || acks.sizes == NULL) die("memory", NULL);
  acks.words[0] = "XACK", acks.sizes[0] = 4;
  acks.words[1] = flow->name, acks.sizes[1] = strlen(flow->name);
  acks.words[2] = "load", acks.sizes[2] = 4;
  return acks;
}

static void acknowledge(redisContext* context, struct acks acks, const redisReply* entries) {
  for (size_t index = 0; index < entries->elements; ++index) {
    const redisReply* id = entries->element[index]->element[0];
    acks.words[3 + index] = id->str, acks.sizes[3 + index] = id->len;
  }
  redisReply* acked =
      checked(context, redisCommandArgv(context, (int)entries->elements + 3, acks.words, acks.sizes), "XACK");
  if ((size_t)acked->integer != entries->elements) die("XACK", "not all acknowledged");
  freeReplyObject(acked);
}

static void run_group(const struct flow* flow, int64_t count, int64_t batch) {
  redisContext* context = connect_to(flow);
  freeReplyObject(checked(context, redisCommand(context, "XGROUP CREATE %s load 0", flow->name), "XGROUP"));
  const struct acks acks = acks_for(flow, batch);
  struct samples rounds = {0};
  int64_t got = 0;
  const int64_t began = now_ns();
  while (got < count) {
    const int64_t asked = now_ns();
    redisReply* reply = checked(context, redisCommand(context, "XREADGROUP GROUP load c COUNT %lld STREAMS %s >",
                                                      (long long)batch, flow->name), "XREADGROUP");
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1) die("XREADGROUP", "fewer entries than expected");
    samples_add(&rounds, now_ns() - asked);
    const redisReply* entries = reply->element[0]->element[1];
    acknowledge(context, acks, entries);
    got += (int64_t)entries->elements;
    freeReplyObject(reply);
  }
  report_flow(got, got, now_ns() - began, &rounds, NULL);
}

/* -- readers of stream and pubsub */

static void take(struct reader* reader, const redisReply* body) {
  int64_t sent_at;
  if (body->type != REDIS_REPLY_STRING || body->len != reader->flow->size) die("read", "not a message of ours");
  memcpy(&sent_at, body->str, sizeof sent_at);
  const int64_t now = now_ns();
  if (sent_at >= reader->flow->counts_from) samples_add(&reader->delivered, now - sent_at);
  reader->flow->last_at = now;
  ++reader->got;
}

static int over(const struct reader* reader) {
  if (reader->flow->expected >= 0 && reader->got > reader->flow->expected) die("read", "more than was sent");
  return reader->flow->expected >= 0 && reader->got == reader->flow->expected;
}

static void* read_stream(void* opaque) {
  struct reader* reader = opaque;
  struct flow* flow = reader->flow;
  redisContext* context = connect_to(flow);
  char last[64] = "0";
  ++flow->ready;
  while (!over(reader)) {
    redisReply* reply = checked(
        context, redisCommand(context, "XREAD COUNT 500 BLOCK 200 STREAMS %s %s", flow->name, last), "XREAD");
    if (reply->type == REDIS_REPLY_ARRAY) {
      const redisReply* entries = reply->element[0]->element[1];
      for (size_t index = 0; index < entries->elements; ++index)
        take(reader, entries->element[index]->element[1]->element[1]);
      snprintf(last, sizeof last, "%s", entries->element[entries->elements - 1]->element[0]->str);
    }
    freeReplyObject(reply);
  }
  return NULL;
}

static void* read_channel(void* opaque) {
  struct reader* reader = opaque;
  redisContext* context = connect_to(reader->flow);
  freeReplyObject(checked(context, redisCommand(context, "SUBSCRIBE %s", reader->flow->name), "SUBSCRIBE"));
  ++reader->flow->ready;
  while (!over(reader)) {
    redisReply* reply = next_reply(context, "SUBSCRIBE");
    if (reply->elements != 3) die("SUBSCRIBE", "not a message");
    if (reply->element[2]->len == 3 && memcmp(reply->element[2]->str, "end", 3) == 0) break;
    take(reader, reply->element[2]);
    freeReplyObject(reply);
  }
  return NULL;
}

/* -- the writer */

struct writer {
  struct flow* flow;
  redisContext* context;
  struct pace pace;
  char* body;
  int64_t sent, answered;
  int64_t* clock; /* when each unanswered one was due, a ring */
  struct reader* readers;
  struct samples confirmed;
};

enum { ring_size = 1 << 20 };

static void send_one(struct writer* writer, int64_t due) {
  const struct flow* flow = writer->flow;
  memcpy(writer->body, &due, sizeof due);
  writer->clock[writer->sent++ % ring_size] = due;
  if (writer->sent - writer->answered >= ring_size) die("write", "a million unanswered");
  if (flow->streams)
    redisAppendCommand(writer->context, "XADD %s * f %b", flow->name, writer->body, flow->size);
  else
    redisAppendCommand(writer->context, "PUBLISH %s %b", flow->name, writer->body, flow->size);
}

static void flush(struct writer* writer) {
  for (int done = 0; !done;)
    if (redisBufferWrite(writer->context, &done) != REDIS_OK) die("write", writer->context->errstr);
}

static int take_answer(struct writer* writer) {
  void* answer = NULL;
  if (redisGetReplyFromReader(writer->context, &answer) != REDIS_OK) die("reply", writer->context->errstr);
  if (answer == NULL) return 0;
  redisReply* reply = checked(writer->context, answer, "write");
  if (!writer->flow->streams && reply->integer != writer->flow->subscribers) die("PUBLISH", "not to every subscriber");
  const int64_t sent_at = writer->clock[writer->answered++ % ring_size];
  if (sent_at >= writer->flow->counts_from) samples_add(&writer->confirmed, now_ns() - sent_at);
  freeReplyObject(reply);
  return 1;
}

static void read_answers(struct writer* writer, int64_t until) {
  if (!wait_readable(writer->context->fd, until)) return;
  if (redisBufferRead(writer->context) != REDIS_OK) die("reply", writer->context->errstr);
  while (take_answer(writer)) continue;
}

static int may_send(const struct writer* writer) {
  const struct flow* flow = writer->flow;
  if (writer->pace.interval > 0) return 1;
  if (writer->sent - writer->answered >= flow->window) return 0;
  for (int index = 0; index < flow->subscribers; ++index)
    if (writer->sent - writer->readers[index].got >= flow->window * 10) return 0;
  return 1;
}

static void write_all(struct writer* writer) {
  while (!pace_over(&writer->pace, writer->sent, now_ns())) {
    const int64_t now = now_ns();
    int64_t due = writer->pace.interval > 0 ? pace_due(&writer->pace, writer->sent) : now;
    /* All that is due goes out in one write, as an application that pipelines would do. */
    for (int burst = 0; burst < 64 && due <= now && may_send(writer); ++burst) {
      if (pace_over(&writer->pace, writer->sent, now)) break;
      send_one(writer, due);
      due = writer->pace.interval > 0 ? pace_due(&writer->pace, writer->sent) : now;
    }
    flush(writer);
    if (may_send(writer)) read_answers(writer, due);
    else read_answers(writer, now + (writer->sent > writer->answered ? 1000000 : 50000));
  }
  const int64_t patience = now_ns() + INT64_C(60000000000);
  while (writer->answered < writer->sent) {
    read_answers(writer, now_ns() + 100000000);
    if (now_ns() > patience) die("reply", "not all within 60 s");
  }
}

static void join_readers(struct flow* flow, struct writer* writer, struct reader* readers) {
  flow->expected = writer->sent;
  /* A subscriber that has everything already waits for a message that says so. */
  if (!flow->streams)
    freeReplyObject(checked(writer->context, redisCommand(writer->context, "PUBLISH %s end", flow->name), "PUBLISH"));
  for (int index = 0; index < flow->subscribers; ++index) {
    pthread_join(readers[index].thread, NULL);
    if (readers[index].got != writer->sent) die("read", "messages are missing");
  }
}

static void run_live(struct flow* flow, double seconds, double rate, double warm) {
  struct reader* readers = calloc((size_t)flow->subscribers, sizeof *readers);
  struct writer writer = {.flow = flow, .context = connect_to(flow), .body = malloc(flow->size),
                          .clock = calloc(ring_size, sizeof(int64_t)), .readers = readers};
  if (readers == NULL || writer.body == NULL || writer.clock == NULL) die("memory", NULL);
  memset(writer.body, 'x', flow->size);
  for (int index = 0; index < flow->subscribers; ++index) {
    readers[index].flow = flow;
    if (pthread_create(&readers[index].thread, NULL, flow->streams ? read_stream : read_channel, &readers[index]) != 0)
      die("thread", NULL);
  }
  while (flow->ready < flow->subscribers) poll(NULL, 0, 1);
  writer.pace = pace_for(seconds, rate, 0);
  flow->counts_from = writer.pace.began + (int64_t)(warm * 1e9);
  write_all(&writer);
  join_readers(flow, &writer, readers);
  report_flow(writer.sent, writer.sent * flow->subscribers, flow->last_at - writer.pace.began, &writer.confirmed,
              &readers[0].delivered);
}

int main(int argc, char** argv) {
  const struct options options = options_of(argc, argv, known);
  const char* mode = text_option(options, "mode", "stream");
  struct flow flow = {.port = (int)number_option(options, "port", 6379), .name = text_option(options, "name", "flow"),
                      .size = (size_t)number_option(options, "size", 1024),
                      .window = number_option(options, "window", 500),
                      .subscribers = (int)number_option(options, "subscribers", 1),
                      .streams = strcmp(mode, "pubsub") != 0, .expected = -1};
  if (flow.size < sizeof(int64_t)) die("size", "too small for the time of sending");
  if (strcmp(mode, "group") == 0)
    run_group(&flow, number_option(options, "count", 0), number_option(options, "batch", 500));
  else
    run_live(&flow, decimal_option(options, "seconds", 2), decimal_option(options, "rate", 0),
             decimal_option(options, "warm", 0));
  return 0;
}
