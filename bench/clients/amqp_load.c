/* AMQP load with librabbitmq.
 *
 *   amqp_load publish PORT QUEUE COUNT SIZE WINDOW   persistent messages, publisher confirms, at most WINDOW unconfirmed
 *   amqp_load consume PORT QUEUE COUNT PREFETCH      manual acknowledgement of every message
 *
 * Prints one JSON line: rate, and for publish the time from the publish call to its confirm (p50, p99).
 */
#include "amqp_client.h"

static void declare(amqp_connection_state_t connection, const char* queue) {
  amqp_queue_declare(connection, channel, amqp_cstring_bytes(queue), 0, 1, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "queue.declare");
}

/* Reads one frame; with `wait` false only when one is there. Returns the highest newly confirmed tag, 0 if none. */
static uint64_t read_confirm(amqp_connection_state_t connection, int wait) {
  amqp_frame_t frame;
  struct timeval none = {0, 0};
  struct timeval patience = {30, 0};
  int status = amqp_simple_wait_frame_noblock(connection, &frame, wait ? &patience : &none);
  if (status == AMQP_STATUS_TIMEOUT) {
    if (wait) die("confirm", "none for 30 s");
    return 0;
  }
  if (status != AMQP_STATUS_OK) die("confirm", amqp_error_string2(status));
  if (frame.frame_type != AMQP_FRAME_METHOD) die("confirm", "unexpected frame");
  if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD) die("confirm", "not a basic.ack");
  amqp_basic_ack_t* ack = frame.payload.method.decoded;
  uint64_t tag = ack->delivery_tag;
  if (!ack->multiple) tag |= UINT64_C(1) << 63;
  amqp_maybe_release_buffers(connection);
  return tag;
}

static void publish(int port, const char* queue, int64_t count, size_t size, int64_t window) {
  amqp_connection_state_t connection = connect_to(port);
  declare(connection, queue);
  amqp_confirm_select(connection, channel);
  check(amqp_get_rpc_reply(connection), "confirm.select");
  char* body = calloc(1, size + 1);
  memset(body, 'x', size);
  int64_t* sent_at = calloc((size_t)count + 1, sizeof *sent_at); /* becomes the latency when confirmed */
  char* confirmed = calloc((size_t)count + 1, 1);
  if (body == NULL || sent_at == NULL || confirmed == NULL) die("memory", NULL);
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = 2;
  const uint64_t single = UINT64_C(1) << 63;
  uint64_t floor = 1; /* every tag below is confirmed */
  int64_t sent = 0, done = 0;
  const int64_t began = now_ns();
  while (done < count) {
    while (sent < count && sent - done < window) {
      sent_at[++sent] = now_ns();
      int status = amqp_basic_publish(connection, channel, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0,
                                      &properties, (amqp_bytes_t){size, body});
      if (status != AMQP_STATUS_OK) die("publish", amqp_error_string2(status));
    }
    /* One frame must come when the window is full; then take all that came with it. */
    for (uint64_t tag = read_confirm(connection, 1); tag != 0; tag = read_confirm(connection, 0)) {
      const int64_t at = now_ns();
      uint64_t from = tag & single ? tag & ~single : floor;
      const uint64_t to = tag & ~single;
      if (to > (uint64_t)sent || to == 0) die("confirm", "unknown tag");
      for (; from <= to; ++from) {
        if (confirmed[from]) continue;
        confirmed[from] = 1;
        sent_at[from] = at - sent_at[from];
        ++done;
      }
      while (floor <= (uint64_t)sent && confirmed[floor]) ++floor;
    }
  }
  report("amqp publish", count, now_ns() - began, sent_at + 1);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

static void consume(int port, const char* queue, int64_t count, uint16_t prefetch) {
  amqp_connection_state_t connection = connect_to(port);
  declare(connection, queue);
  amqp_basic_qos(connection, channel, 0, prefetch, 0);
  check(amqp_get_rpc_reply(connection), "basic.qos");
  const int64_t began = now_ns();
  amqp_basic_consume(connection, channel, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "basic.consume");
  struct timeval patience = {30, 0};
  for (int64_t got = 0; got < count; ++got) {
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    check(amqp_consume_message(connection, &envelope, &patience, 0), "consume");
    const uint64_t tag = envelope.delivery_tag;
    amqp_destroy_envelope(&envelope);
    if (amqp_basic_ack(connection, channel, tag, 0) != AMQP_STATUS_OK) die("ack", NULL);
  }
  const int64_t elapsed = now_ns() - began;
  check(amqp_channel_close(connection, channel, AMQP_REPLY_SUCCESS), "channel.close"); /* acks are through */
  report("amqp consume", count, elapsed, NULL);
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

int main(int argc, char** argv) {
  if (argc == 7 && strcmp(argv[1], "publish") == 0)
    publish(atoi(argv[2]), argv[3], atoll(argv[4]), (size_t)atoll(argv[5]), atoll(argv[6]));
  else if (argc == 6 && strcmp(argv[1], "consume") == 0)
    consume(atoi(argv[2]), argv[3], atoll(argv[4]), (uint16_t)atoi(argv[5]));
  else
    die("usage", "amqp_load publish PORT QUEUE COUNT SIZE WINDOW | consume PORT QUEUE COUNT PREFETCH");
  return 0;
}
