/* Kafka flows with librdkafka: one producer and one consumer in one process.
 *
 *   kafka_flow port=P topic=T mode=create [partitions=1] [config=NAME:VALUE,...]
 *   kafka_flow port=P topic=T mode=delete
 *   kafka_flow port=P topic=T mode=produce|consume|both [partitions=1] [seconds=2] [rate=R] [count=N] [size=1024]
 *              [acks=all] [idempotence=false] [compression=none] [linger=5] [window=10000] [txn=0] [group=NAME]
 *              [committed=0] [warm=0]
 *
 * Records go to the partitions in turn. `window`: records without a report at most. `txn`: so many records make a
 * transaction, each committed before the next begins. A consumer reads every partition from its beginning: assigned by
 * itself, or with `group` as the group assigns them, with an offset committed at the end. `committed=1` reads committed
 * records only. Latencies of what is sent in the first `warm` seconds do not count. In mode=both the consumer is started first and reads what is produced meanwhile.
 *
 * Time limits the producing, or the count does, or both; in mode=consume count=N says how many there are. It is an error when one
 * is not acknowledged or does not come. Prints one JSON line.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "options.h"
#include "pace.h"
#include "samples.h"

static const char* const known[] = {"port",     "topic", "mode",   "partitions", "config",      "seconds",
                                    "rate",     "count", "size",   "acks",       "idempotence", "compression",
                                    "linger",   "window", "txn",   "group",      "committed",   "warm", NULL};

struct flow {
  struct options options;
  const char* topic;
  int partitions;
  size_t size;
  _Atomic int64_t expected; /* -1 until the producer is done */
  _Atomic int ready;        /* the consumer has its partitions */
  _Atomic int64_t counts_from; /* latencies count when sent from then on */
  int64_t consumed, first_at, last_at, produced_at;
  struct samples confirmed, delivered;
  _Atomic int64_t acknowledged;
};

static void set(rd_kafka_conf_t* conf, const char* key, const char* value) {
  char error[256];
  if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK) die(key, error);
}

static void must(rd_kafka_resp_err_t error, const char* what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die(what, rd_kafka_err2str(error));
}

static void must_not(rd_kafka_error_t* error, const char* what) {
  if (error != NULL) die(what, rd_kafka_error_string(error));
}

static rd_kafka_t* client_of(const struct flow* flow, rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char address[64], error[256];
  snprintf(address, sizeof address, "127.0.0.1:%d", (int)number_option(flow->options, "port", 9092));
  set(conf, "bootstrap.servers", address);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == NULL) die("librdkafka", error);
  return client;
}

/* -- topics */

static rd_kafka_event_t* result_of(rd_kafka_queue_t* queue, const char* what) {
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 60000);
  if (event == NULL) die(what, "no answer for 60 s");
  must(rd_kafka_event_error(event), what);
  return event;
}

static void check_topics(const rd_kafka_topic_result_t** results, size_t count, const char* what) {
  for (size_t index = 0; index < count; ++index)
    if (rd_kafka_topic_result_error(results[index]) != RD_KAFKA_RESP_ERR_NO_ERROR)
      die(what, rd_kafka_topic_result_error_string(results[index]));
}

/* `text` is NAME:VALUE,NAME:VALUE or nothing. */
static void set_topic_config(rd_kafka_NewTopic_t* topic, const char* text) {
  char words[256], *rest = words;
  snprintf(words, sizeof words, "%s", text);
  for (char* word = strsep(&rest, ","); word != NULL && *word; word = strsep(&rest, ",")) {
    char* value = strchr(word, ':');
    if (value == NULL) die("config", word);
    *value++ = 0;
    must(rd_kafka_NewTopic_set_config(topic, word, value), word);
  }
}

static void create_topic(const struct flow* flow) {
  rd_kafka_t* client = client_of(flow, RD_KAFKA_PRODUCER, rd_kafka_conf_new());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  char error[256];
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(flow->topic, flow->partitions, 1, error, sizeof error);
  if (topic == NULL) die("topic", error);
  set_topic_config(topic, text_option(flow->options, "config", ""));
  rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
  rd_kafka_event_t* event = result_of(queue, "CreateTopics");
  size_t count;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  check_topics(results, count, "CreateTopics");
}

static void delete_topic(const struct flow* flow) {
  rd_kafka_t* client = client_of(flow, RD_KAFKA_PRODUCER, rd_kafka_conf_new());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(flow->topic);
  rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
  rd_kafka_event_t* event = result_of(queue, "DeleteTopics");
  size_t count;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
  check_topics(results, count, "DeleteTopics");
}

/* -- the consumer */

static void assign_all(const struct flow* flow, rd_kafka_t* client) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(flow->partitions);
  for (int index = 0; index < flow->partitions; ++index)
    rd_kafka_topic_partition_list_add(list, flow->topic, index)->offset = RD_KAFKA_OFFSET_BEGINNING;
  must(rd_kafka_assign(client, list), "assign");
  rd_kafka_topic_partition_list_destroy(list);
}

static void subscribe(const struct flow* flow, rd_kafka_t* client) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, flow->topic, RD_KAFKA_PARTITION_UA);
  must(rd_kafka_subscribe(client, list), "subscribe");
  rd_kafka_topic_partition_list_destroy(list);
}

static rd_kafka_t* consumer_of(const struct flow* flow) {
  const char* group = text_option(flow->options, "group", NULL);
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "group.id", group ? group : "nobody");
  set(conf, "enable.auto.commit", "false");
  set(conf, "auto.offset.reset", "earliest");
  set(conf, "queued.min.messages", "1000000");
  set(conf, "isolation.level", number_option(flow->options, "committed", 0) ? "read_committed" : "read_uncommitted");
  rd_kafka_t* client = client_of(flow, RD_KAFKA_CONSUMER, conf);
  must(rd_kafka_poll_set_consumer(client), "consumer");
  if (group)
    subscribe(flow, client);
  else
    assign_all(flow, client);
  return client;
}

static void take(struct flow* flow, const rd_kafka_message_t* message) {
  must(message->err, "consume");
  if (message->len != flow->size) die("consume", "a record of another size");
  int64_t sent_at;
  memcpy(&sent_at, message->payload, sizeof sent_at);
  if (sent_at >= flow->counts_from) samples_add(&flow->delivered, flow->last_at - sent_at);
  ++flow->consumed;
}

static void* consume(void* opaque) {
  struct flow* flow = opaque;
  rd_kafka_t* client = consumer_of(flow);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(client);
  enum { batch_size = 1000 };
  rd_kafka_message_t* batch[batch_size];
  flow->ready = 1;
  int64_t moved_at = now_ns();
  while (flow->expected < 0 || flow->consumed < flow->expected) {
    /* One by one the queue would be locked for each record; a batch waits until it is full or its time is over, so a
     * batch is asked for only when records wait. */
    rd_kafka_message_t* first = rd_kafka_consumer_poll(client, 100);
    if (first == NULL) {
      if (now_ns() - moved_at > INT64_C(30000000000)) die("consume", "nothing came for 30 s");
      continue;
    }
    flow->last_at = moved_at = now_ns();
    if (flow->first_at == 0) flow->first_at = flow->last_at;
    take(flow, first);
    rd_kafka_message_destroy(first);
    const ssize_t size = rd_kafka_consume_batch_queue(queue, 0, batch, batch_size);
    flow->last_at = now_ns();
    for (ssize_t index = 0; index < size; ++index) {
      take(flow, batch[index]);
      rd_kafka_message_destroy(batch[index]);
    }
  }
  if (flow->consumed > flow->expected) die("consume", "more than was produced");
  if (text_option(flow->options, "group", NULL)) must(rd_kafka_commit(client, NULL, 0), "commit");
  rd_kafka_queue_destroy(queue);
  must(rd_kafka_consumer_close(client), "close");
  rd_kafka_destroy(client);
  return NULL;
}

/* -- the producer */

static void on_report(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
  struct flow* flow = opaque;
  (void)client;
  must(message->err, "produce");
  const int64_t sent_at = (int64_t)(intptr_t)message->_private;
  if (sent_at >= flow->counts_from) samples_add(&flow->confirmed, now_ns() - sent_at);
  ++flow->acknowledged;
}

static rd_kafka_t* producer_of(struct flow* flow) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char name[128];
  if (number_option(flow->options, "txn", 0)) {
    snprintf(name, sizeof name, "%s-txn", flow->topic);
    set(conf, "transactional.id", name);
  } else {
    set(conf, "acks", text_option(flow->options, "acks", "all"));
    set(conf, "enable.idempotence", text_option(flow->options, "idempotence", "false"));
  }
  set(conf, "compression.type", text_option(flow->options, "compression", "none"));
  set(conf, "linger.ms", text_option(flow->options, "linger", "5"));
  set(conf, "queue.buffering.max.messages", "1000000");
  set(conf, "message.max.bytes", "8000000");
  rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  rd_kafka_conf_set_opaque(conf, flow);
  rd_kafka_t* client = client_of(flow, RD_KAFKA_PRODUCER, conf);
  if (number_option(flow->options, "txn", 0)) must_not(rd_kafka_init_transactions(client, 30000), "init_transactions");
  return client;
}

/* Letters at random: text that compresses about as little as base64 does, from a pool that is cheap to
 * read. The first eight bytes of a record are its time. */
enum { pool_size = 1 << 22 };

static char* pool_of(size_t size) {
  char* pool = malloc(pool_size + size);
  uint64_t state = 88172645463325252ULL;
  if (pool == NULL) die("memory", NULL);
  for (size_t index = 0; index < pool_size + size; ++index) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    pool[index] = (char)('A' + (state >> 32) % 26);
  }
  return pool;
}

static void nap(int64_t ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  nanosleep(&time, NULL);
}

struct producer {
  struct flow* flow;
  rd_kafka_t* client;
  rd_kafka_topic_t* topic;
  char* pool;
  int64_t sent, in_transaction, txn;
  _Atomic int over;
};

static void produce_one(struct producer* producer, int64_t due) {
  struct flow* flow = producer->flow;
  if (producer->txn && producer->in_transaction == 0) must_not(rd_kafka_begin_transaction(producer->client), "begin");
  char* body = producer->pool + (size_t)(producer->sent * 4096 + producer->sent) % pool_size;
  char kept[sizeof due];
  memcpy(kept, body, sizeof due);
  memcpy(body, &due, sizeof due);
  const int32_t partition = (int32_t)(producer->sent % flow->partitions);
  while (rd_kafka_produce(producer->topic, partition, RD_KAFKA_MSG_F_COPY, body, flow->size, NULL, 0,
                          (void*)(intptr_t)due) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) must(rd_kafka_last_error(), "produce");
    nap(1000000);
  }
  memcpy(body, kept, sizeof due);
  ++producer->sent;
  if (producer->txn && ++producer->in_transaction == producer->txn) {
    must_not(rd_kafka_commit_transaction(producer->client, 30000), "commit");
    producer->in_transaction = 0;
  }
}

/* A report is timed when it is polled for, so a thread does nothing else. */
static void* poll_reports(void* opaque) {
  struct producer* producer = opaque;
  while (!producer->over) rd_kafka_poll(producer->client, 20);
  return NULL;
}

static void produce_all(struct producer* producer, const struct pace* pace) {
  struct flow* flow = producer->flow;
  const int64_t window = number_option(flow->options, "window", 10000);
  while (!pace_over(pace, producer->sent, now_ns())) {
    const int64_t now = now_ns();
    const int64_t due = pace->interval > 0 ? pace_due(pace, producer->sent) : now;
    if (due > now)
      nap(due - now);
    else if (pace->interval == 0 && producer->sent - flow->acknowledged >= window)
      nap(50000);
    else
      produce_one(producer, due);
  }
  if (producer->in_transaction) must_not(rd_kafka_commit_transaction(producer->client, 30000), "commit");
  for (const int64_t patience = now_ns() + INT64_C(60000000000); flow->acknowledged < producer->sent; nap(50000))
    if (now_ns() > patience) die("produce", "not all acknowledged within 60 s");
}

static int64_t produce(struct flow* flow, int64_t* began) {
  struct producer producer = {.flow = flow, .client = producer_of(flow), .pool = pool_of(flow->size),
                              .txn = number_option(flow->options, "txn", 0)};
  producer.topic = rd_kafka_topic_new(producer.client, flow->topic, NULL);
  const struct rd_kafka_metadata* metadata;
  must(rd_kafka_metadata(producer.client, 0, producer.topic, &metadata, 10000), "metadata");
  rd_kafka_metadata_destroy(metadata);
  const double rate = decimal_option(flow->options, "rate", 0);
  const int64_t count = number_option(flow->options, "count", 0);
  const struct pace pace = pace_for(decimal_option(flow->options, "seconds", count ? 1e6 : 2), rate, count);
  pthread_t reports;
  flow->counts_from = pace.began + (int64_t)(decimal_option(flow->options, "warm", 0) * 1e9);
  *began = pace.began;
  if (pthread_create(&reports, NULL, poll_reports, &producer) != 0) die("thread", NULL);
  produce_all(&producer, &pace);
  flow->produced_at = now_ns();
  producer.over = 1;
  pthread_join(reports, NULL);
  rd_kafka_topic_destroy(producer.topic);
  rd_kafka_destroy(producer.client);
  return producer.sent;
}

static int run(struct flow* flow, const char* mode) {
  const int consumes = strcmp(mode, "produce") != 0, produces = strcmp(mode, "consume") != 0;
  pthread_t consumer;
  int64_t began = 0, sent = 0;
  if (!produces) flow->expected = number_option(flow->options, "count", 0);
  if (consumes && pthread_create(&consumer, NULL, consume, flow) != 0) die("thread", NULL);
  while (consumes && produces && !flow->ready) poll(NULL, 0, 1);
  if (produces) sent = produce(flow, &began);
  if (produces) flow->expected = sent;
  if (consumes) pthread_join(consumer, NULL);
  /* Connecting, joining and looking up are no part of reading: the clock starts with the first record. */
  if (!produces) began = flow->first_at, flow->delivered.count = 0;
  report_flow(sent, consumes ? flow->consumed : sent, (consumes ? flow->last_at : flow->produced_at) - began,
              &flow->confirmed, &flow->delivered);
  return 0;
}

int main(int argc, char** argv) {
  const struct options options = options_of(argc, argv, known);
  const char* mode = text_option(options, "mode", "both");
  struct flow flow = {.options = options, .topic = text_option(options, "topic", "flow"),
                      .partitions = (int)number_option(options, "partitions", 1),
                      .size = (size_t)number_option(options, "size", 1024), .expected = -1};
  if (flow.size < sizeof(int64_t)) die("size", "too small for the time of sending");
  if (strcmp(mode, "create") == 0)
    create_topic(&flow);
  else if (strcmp(mode, "delete") == 0)
    delete_topic(&flow);
  else
    return run(&flow, mode);
  return 0;
}
