/* Kafka load with librdkafka.
 *
 *   kafka_load produce PORT TOPIC COUNT SIZE LINGER_MS [WINDOW]   acks=all, no compression; at most WINDOW in flight
 *   kafka_load consume PORT TOPIC COUNT                           partition 0 from the beginning, no group
 *
 * Prints one JSON line: rate, and for produce the time from the produce call to its delivery report (p50, p99).
 */
#include <librdkafka/rdkafka.h>
#include <string.h>

#include "timing.h"

struct progress {
  int64_t done;
  int64_t* latency; /* the time of the call, until the report turns it into the latency */
};

static void on_delivery(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque) {
  struct progress* progress = opaque;
  (void)client;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) die("produce", rd_kafka_err2str(message->err));
  int64_t* slot = message->_private;
  *slot = now_ns() - *slot;
  ++progress->done;
}

static void set(rd_kafka_conf_t* conf, const char* key, const char* value) {
  char error[256];
  if (rd_kafka_conf_set(conf, key, value, error, sizeof error) != RD_KAFKA_CONF_OK) die(key, error);
}

static rd_kafka_t* client_for(rd_kafka_type_t type, rd_kafka_conf_t* conf, int port) {
  char address[64], error[256];
  snprintf(address, sizeof address, "127.0.0.1:%d", port);
  set(conf, "bootstrap.servers", address);
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof error);
  if (client == NULL) die("librdkafka", error);
  return client;
}

static void produce(int port, const char* topic, int64_t count, size_t size, const char* linger, int64_t window) {
  struct progress progress = {0, calloc((size_t)count, sizeof(int64_t))};
  char* body = calloc(1, size + 1);
  if (progress.latency == NULL || body == NULL) die("memory", NULL);
  memset(body, 'x', size);
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "acks", "all");
  set(conf, "linger.ms", linger);
  set(conf, "queue.buffering.max.messages", "200000");
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_conf_set_opaque(conf, &progress);
  rd_kafka_t* client = client_for(RD_KAFKA_PRODUCER, conf, port);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic, NULL);
  const struct rd_kafka_metadata* metadata;
  if (rd_kafka_metadata(client, 0, handle, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("metadata", NULL);
  rd_kafka_metadata_destroy(metadata);
  const int64_t began = now_ns();
  for (int64_t sent = 0; sent < count; ++sent) {
    while (sent - progress.done >= window) rd_kafka_poll(client, 100);
    progress.latency[sent] = now_ns();
    while (rd_kafka_produce(handle, 0, RD_KAFKA_MSG_F_COPY, body, size, NULL, 0, &progress.latency[sent]) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("produce", rd_kafka_err2str(rd_kafka_last_error()));
      rd_kafka_poll(client, 10);
    }
    if (sent % 256 == 0) rd_kafka_poll(client, 0);
  }
  const int64_t deadline = now_ns() + INT64_C(60000000000);
  while (progress.done < count) {
    rd_kafka_poll(client, 100);
    if (now_ns() > deadline) die("produce", "no reports for 60 s");
  }
  report("kafka produce", count, now_ns() - began, progress.latency);
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(client);
}

static void consume(int port, const char* topic, int64_t count) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  set(conf, "queued.min.messages", "1000000");
  rd_kafka_t* client = client_for(RD_KAFKA_CONSUMER, conf, port);
  rd_kafka_topic_t* handle = rd_kafka_topic_new(client, topic, NULL);
  if (rd_kafka_consume_start(handle, 0, RD_KAFKA_OFFSET_BEGINNING) != 0) die("consume", NULL);
  enum { batch_size = 1000 };
  rd_kafka_message_t* batch[batch_size];
  int64_t got = 0, began = 0, first = 0;
  const int64_t deadline = now_ns() + INT64_C(120000000000);
  while (got < count) {
    ssize_t size = rd_kafka_consume_batch(handle, 0, 1000, batch, batch_size);
    if (size < 0) die("consume", rd_kafka_err2str(rd_kafka_last_error()));
    if (now_ns() > deadline) die("consume", "not all within 120 s");
    for (ssize_t index = 0; index < size; ++index) {
      if (batch[index]->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        ++got;
      else if (batch[index]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        die("consume", rd_kafka_message_errstr(batch[index]));
      rd_kafka_message_destroy(batch[index]);
    }
    if (began == 0 && got > 0) { /* the clock starts with the first records: connecting is not measured */
      began = now_ns();
      first = got;
    }
  }
  report("kafka consume", got - first, now_ns() - began, NULL);
  rd_kafka_consume_stop(handle, 0);
  rd_kafka_topic_destroy(handle);
  rd_kafka_destroy(client);
}

int main(int argc, char** argv) {
  if ((argc == 7 || argc == 8) && strcmp(argv[1], "produce") == 0)
    produce(atoi(argv[2]), argv[3], atoll(argv[4]), (size_t)atoll(argv[5]), argv[6],
            argc == 8 ? atoll(argv[7]) : 100000);
  else if (argc == 5 && strcmp(argv[1], "consume") == 0)
    consume(atoi(argv[2]), argv[3], atoll(argv[4]));
  else
    die("usage", "kafka_load produce PORT TOPIC COUNT SIZE LINGER_MS [WINDOW] | consume PORT TOPIC COUNT");
  return 0;
}
