/* AMQP flows with librabbitmq: one publisher and one consumer, each a thread with its own connection.
 *
 *   amqp_flow port=P name=NAME [mode=both|publish|consume|declare|remove] [seconds=2] [rate=R] [count=N] [size=1024]
 *             [queues=1] [shape=queues|fanout|topic] [bindings=1000] [type=classic|quorum]
 *             [persistent=1] [window=500] [lag=5000] [prefetch=500] [ack=50] [declare=1] [delete=1] [warm=0]
 *
 * shape   queues: messages go to NAME-0, NAME-1, ... in turn. fanout: each goes to all of them. topic: each matches
 *         one of `bindings` patterns of a topic exchange, which are spread over the queues.
 * window  messages without a confirm at most; 0 publishes without confirms.
 * lag     messages that the consumer is behind at most, so that a long run is a steady one; 0: any number.
 * ack     one acknowledgement (multiple) for so many deliveries; 0 consumes without acknowledgements.
 * warm    seconds at the start whose latencies do not count.
 *
 * Time limits the publishing, or the count does, or both; the consumer ends when it has every message, and it is an error when
 * one is missing, doubled or not confirmed. Prints one JSON line. In mode=publish the queues stay, with mode=consume to
 * empty them: count=N says how many there are; mode=declare only makes the queues, mode=remove deletes them.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "amqp_client.h"
#include "options.h"
#include "pace.h"
#include "samples.h"

static const char* const known[] = {"port",     "name",       "mode",   "seconds", "rate",     "count", "size",
                                    "queues",   "shape",      "type",   "window",  "prefetch", "ack",   "delete",
                                    "bindings", "persistent", "lag",    "warm", "declare", NULL};

struct flow {
  int port, queues, bindings, persistent, prefetch, ack;
  const char *name, *shape, *type;
  size_t size;
  int64_t window, lag;
  int confirms;             /* false: nothing answers a publish */
  _Atomic int64_t consumed; /* deliveries so far */
  _Atomic int64_t expected; /* deliveries that there will be; -1 until the publisher is done */
  _Atomic int64_t last_at;  /* when the last delivery came */
  _Atomic int subscribed;
  _Atomic int64_t counts_from; /* latencies count when sent from then on */
  struct samples delivered;
};

static void queue_name(const struct flow* flow, int index, char* text, size_t size) {
  snprintf(text, size, "%s-%d", flow->name, index);
}

static int is_shape(const struct flow* flow, const char* shape) { return strcmp(flow->shape, shape) == 0; }

/* How many deliveries a message becomes. */
static int64_t fan(const struct flow* flow) { return is_shape(flow, "fanout") ? flow->queues : 1; }

static void bind(const struct flow* flow, amqp_connection_state_t connection, int queue, const char* key) {
  char name[256];
  queue_name(flow, queue, name, sizeof name);
  amqp_queue_bind(connection, channel, amqp_cstring_bytes(name), amqp_cstring_bytes(flow->name),
                  amqp_cstring_bytes(key), amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "queue.bind");
}

/* Declares without waiting for each answer, as 100,000 round trips would be the whole run. The passive declare at the
 * end is answered after all of them, and an error among them closes the channel before it. */
static void declare_queues(const struct flow* flow, amqp_connection_state_t connection) {
  amqp_table_entry_t entry = {amqp_cstring_bytes("x-queue-type"), {AMQP_FIELD_KIND_UTF8, {0}}};
  entry.value.value.bytes = amqp_cstring_bytes(flow->type);
  const amqp_table_t arguments = {flow->type[0] ? 1 : 0, &entry};
  char name[256];
  for (int index = 0; index < flow->queues; ++index) {
    queue_name(flow, index, name, sizeof name);
    amqp_queue_declare_t declare = {.queue = amqp_cstring_bytes(name), .durable = flow->persistent, .nowait = 1,
                                    .arguments = arguments};
    if (amqp_send_method(connection, channel, AMQP_QUEUE_DECLARE_METHOD, &declare) != AMQP_STATUS_OK)
      die("queue.declare", NULL);
  }
  amqp_queue_declare(connection, channel, amqp_cstring_bytes(name), 1, 0, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "queue.declare");
}

static void declare(const struct flow* flow, amqp_connection_state_t connection) {
  declare_queues(flow, connection);
  if (is_shape(flow, "queues")) return;
  amqp_exchange_declare(connection, channel, amqp_cstring_bytes(flow->name), amqp_cstring_bytes(flow->shape), 0,
                        flow->persistent, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "exchange.declare");
  if (is_shape(flow, "fanout"))
    for (int index = 0; index < flow->queues; ++index) bind(flow, connection, index, "");
  else
    for (int index = 0; index < flow->bindings; ++index) {
      char pattern[64];
      snprintf(pattern, sizeof pattern, "area.%d.*.#", index);
      bind(flow, connection, index % flow->queues, pattern);
    }
}

static void remove_all(const struct flow* flow) {
  amqp_connection_state_t connection = connect_to(flow->port);
  for (int index = 0; index < flow->queues; ++index) {
    char name[256];
    queue_name(flow, index, name, sizeof name);
    amqp_queue_delete(connection, channel, amqp_cstring_bytes(name), 0, 0);
    check(amqp_get_rpc_reply(connection), "queue.delete");
  }
  if (!is_shape(flow, "queues")) {
    amqp_exchange_delete(connection, channel, amqp_cstring_bytes(flow->name), 0);
    check(amqp_get_rpc_reply(connection), "exchange.delete");
  }
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
}

/* -- the consumer */

static void subscribe(const struct flow* flow, amqp_connection_state_t connection) {
  if (flow->ack) {
    amqp_basic_qos(connection, channel, 0, (uint16_t)flow->prefetch, 0);
    check(amqp_get_rpc_reply(connection), "basic.qos");
  }
  char name[256];
  for (int index = 0; index < flow->queues; ++index) {
    queue_name(flow, index, name, sizeof name);
    amqp_basic_consume_t consume = {.queue = amqp_cstring_bytes(name), .consumer_tag = amqp_cstring_bytes(name),
                                    .no_ack = flow->ack == 0, .nowait = 1};
    if (amqp_send_method(connection, channel, AMQP_BASIC_CONSUME_METHOD, &consume) != AMQP_STATUS_OK)
      die("basic.consume", NULL);
  }
  amqp_queue_declare(connection, channel, amqp_cstring_bytes(name), 1, 0, 0, 0, amqp_empty_table);
  check(amqp_get_rpc_reply(connection), "basic.consume");
}

static void take(struct flow* flow, amqp_envelope_t* envelope) {
  int64_t sent_at;
  if (envelope->message.body.len != flow->size) die("consume", "a message of another size");
  memcpy(&sent_at, envelope->message.body.bytes, sizeof sent_at);
  const int64_t now = now_ns();
  if (sent_at >= flow->counts_from) samples_add(&flow->delivered, now - sent_at);
  flow->last_at = now;
  ++flow->consumed;
}

static void acknowledge(amqp_connection_state_t connection, uint64_t tag) {
  if (amqp_basic_ack(connection, channel, tag, 1) != AMQP_STATUS_OK) die("basic.ack", NULL);
}

static void* consume(void* opaque) {
  struct flow* flow = opaque;
  amqp_connection_state_t connection = connect_to(flow->port);
  subscribe(flow, connection);
  flow->subscribed = 1;
  int unacknowledged = 0, idle = 0;
  uint64_t tag = 0;
  while (flow->expected < 0 || flow->consumed < flow->expected) {
    /* Acknowledge what is there before waiting long: with 1 KB of prefetch left nobody would move. */
    struct timeval patience = {0, 20000};
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(connection);
    amqp_rpc_reply_t reply = amqp_consume_message(connection, &envelope, &patience, 0);
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && reply.library_error == AMQP_STATUS_TIMEOUT) {
      if (unacknowledged) acknowledge(connection, tag);
      unacknowledged = 0;
      if (++idle > 1500) die("consume", "nothing came for 30 s");
      continue;
    }
    check(reply, "consume");
    idle = 0;
    take(flow, &envelope);
    tag = envelope.delivery_tag;
    amqp_destroy_envelope(&envelope);
    if (flow->ack && ++unacknowledged >= flow->ack) acknowledge(connection, tag), unacknowledged = 0;
  }
  if (unacknowledged) acknowledge(connection, tag);
  check(amqp_channel_close(connection, channel, AMQP_REPLY_SUCCESS), "channel.close"); /* acks are through */
  if (flow->consumed > flow->expected) die("consume", "more than was published");
  amqp_connection_close(connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(connection);
  return NULL;
}

/* -- the publisher */

struct publisher {
  struct flow* flow;
  amqp_connection_state_t connection;
  struct pace pace;
  char* body;
  int64_t* clock; /* per tag: when it was due; 0 once confirmed */
  size_t room;
  int64_t sent, done;
  int64_t floor; /* every tag below is confirmed */
  struct samples confirmed;
};

static void publish_one(struct publisher* publisher, int64_t due) {
  const struct flow* flow = publisher->flow;
  char key[256] = "";
  if (is_shape(flow, "queues")) queue_name(flow, (int)(publisher->sent % flow->queues), key, sizeof key);
  if (is_shape(flow, "topic"))
    snprintf(key, sizeof key, "area.%d.site.7", (int)(publisher->sent % flow->bindings));
  amqp_basic_properties_t properties;
  memset(&properties, 0, sizeof properties);
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = flow->persistent ? 2 : 1;
  memcpy(publisher->body, &due, sizeof due);
  if ((size_t)publisher->sent + 2 > publisher->room) {
    publisher->room = publisher->room ? publisher->room * 2 : 1 << 16;
    publisher->clock = realloc(publisher->clock, publisher->room * sizeof *publisher->clock);
    if (publisher->clock == NULL) die("memory", NULL);
  }
  publisher->clock[++publisher->sent] = due;
  const amqp_bytes_t exchange = is_shape(flow, "queues") ? amqp_empty_bytes : amqp_cstring_bytes(flow->name);
  int status = amqp_basic_publish(publisher->connection, channel, exchange, amqp_cstring_bytes(key), 0, 0, &properties,
                                  (amqp_bytes_t){flow->size, publisher->body});
  if (status != AMQP_STATUS_OK) die("publish", amqp_error_string2(status));
}

static void on_confirm(struct publisher* publisher, const amqp_basic_ack_t* ack) {
  const int64_t now = now_ns(), to = (int64_t)ack->delivery_tag;
  if (to <= 0 || to > publisher->sent) die("confirm", "of an unknown tag");
  for (int64_t tag = ack->multiple ? publisher->floor : to; tag <= to; ++tag) {
    if (publisher->clock[tag] == 0) continue;
    if (publisher->clock[tag] >= publisher->flow->counts_from)
      samples_add(&publisher->confirmed, now - publisher->clock[tag]);
    publisher->clock[tag] = 0;
    ++publisher->done;
  }
  while (publisher->floor <= publisher->sent && publisher->clock[publisher->floor] == 0) ++publisher->floor;
}

/* Handles everything that the server has sent; waits for something until `until`. */
static void read_confirms(struct publisher* publisher, int64_t until) {
  amqp_connection_state_t connection = publisher->connection;
  if (!amqp_frames_enqueued(connection) && !amqp_data_in_buffer(connection) &&
      !wait_readable(amqp_get_sockfd(connection), until))
    return;
  for (;;) {
    amqp_frame_t frame;
    struct timeval none = {0, 0};
    amqp_maybe_release_buffers(connection);
    int status = amqp_simple_wait_frame_noblock(connection, &frame, &none);
    if (status == AMQP_STATUS_TIMEOUT) return;
    if (status != AMQP_STATUS_OK) die("confirm", amqp_error_string2(status));
    if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD)
      on_confirm(publisher, frame.payload.method.decoded);
    else
      die("confirm", "not a basic.ack");
  }
}

static int may_send(const struct publisher* publisher) {
  const struct flow* flow = publisher->flow;
  if (publisher->pace.interval > 0) return 1; /* an open loop waits for nobody */
  if (flow->confirms && publisher->sent - publisher->done >= flow->window) return 0;
  return flow->lag == 0 || publisher->sent * fan(flow) - flow->consumed < flow->lag * fan(flow);
}

static void publish_all(struct publisher* publisher) {
  const struct flow* flow = publisher->flow;
  while (!pace_over(&publisher->pace, publisher->sent, now_ns())) {
    const int64_t now = now_ns();
    int64_t due = publisher->pace.interval > 0 ? pace_due(&publisher->pace, publisher->sent) : now;
    if (due <= now && may_send(publisher)) {
      publish_one(publisher, due);
      if (publisher->sent % 64) continue; /* look for confirms now and then, also when behind */
      due = now;
    }
    /* What does not move by a confirm moves by the consumer, who cannot wake us. */
    const int64_t until = due > now ? due : now + (flow->confirms ? 1000000 : 50000);
    read_confirms(publisher, may_send(publisher) ? due : until);
  }
  const int64_t patience = now_ns() + INT64_C(60000000000);
  while (flow->confirms && publisher->done < publisher->sent) {
    read_confirms(publisher, now_ns() + 100000000);
    if (now_ns() > patience) die("confirm", "not all within 60 s");
  }
}

static struct publisher publisher_of(struct flow* flow) {
  struct publisher publisher = {.flow = flow, .connection = connect_to(flow->port), .floor = 1};
  publisher.body = malloc(flow->size);
  if (publisher.body == NULL) die("memory", NULL);
  memset(publisher.body, 'x', flow->size);
  if (flow->confirms) {
    amqp_confirm_select(publisher.connection, channel);
    check(amqp_get_rpc_reply(publisher.connection), "confirm.select");
  }
  return publisher;
}

static struct flow flow_of(struct options options) {
  struct flow flow = {.port = (int)number_option(options, "port", 5672),
                      .queues = (int)number_option(options, "queues", 1),
                      .bindings = (int)number_option(options, "bindings", 1000),
                      .persistent = (int)number_option(options, "persistent", 1),
                      .prefetch = (int)number_option(options, "prefetch", 500),
                      .ack = (int)number_option(options, "ack", 50),
                      .name = text_option(options, "name", "flow"),
                      .shape = text_option(options, "shape", "queues"),
                      .type = text_option(options, "type", ""),
                      .size = (size_t)number_option(options, "size", 1024),
                      .window = number_option(options, "window", 500),
                      .lag = number_option(options, "lag", 5000),
                      .expected = -1};
  flow.confirms = flow.window > 0;
  if (flow.size < sizeof(int64_t)) die("size", "too small for the time of sending");
  if (strcmp(flow.type, "classic") == 0) flow.type = "";
  return flow;
}

int main(int argc, char** argv) {
  const struct options options = options_of(argc, argv, known);
  const char* mode = text_option(options, "mode", "both");
  const int consumes = strcmp(mode, "publish") != 0, publishes = strcmp(mode, "consume") != 0;
  const int64_t count = number_option(options, "count", 0);
  struct flow flow = flow_of(options);
  if (!consumes) flow.lag = 0;
  if (strcmp(mode, "remove") == 0) {
    remove_all(&flow);
    return 0;
  }
  struct publisher publisher = publisher_of(&flow);
  if (number_option(options, "declare", 1)) declare(&flow, publisher.connection);
  if (strcmp(mode, "declare") == 0) return 0;
  pthread_t consumer;
  int64_t began = now_ns();
  if (!publishes) flow.expected = count;
  if (consumes && pthread_create(&consumer, NULL, consume, &flow) != 0) die("thread", NULL);
  while (publishes && consumes && !flow.subscribed) poll(NULL, 0, 1);
  if (publishes) {
    publisher.pace = pace_for(decimal_option(options, "seconds", count ? 1e6 : 2), decimal_option(options, "rate", 0), count);
    began = publisher.pace.began;
    flow.counts_from = began + (int64_t)(decimal_option(options, "warm", 0) * 1e9);
    publish_all(&publisher);
    flow.last_at = now_ns();
    flow.expected = publisher.sent * fan(&flow);
  }
  if (consumes) pthread_join(consumer, NULL);
  amqp_connection_close(publisher.connection, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(publisher.connection);
  const int64_t total = consumes ? flow.expected : publisher.sent;
  if (!publishes) flow.delivered.count = 0; /* they lay in the queue: their age says nothing */
  report_flow(publisher.sent, total, flow.last_at - began, &publisher.confirmed, &flow.delivered);
  if (number_option(options, "delete", consumes)) remove_all(&flow);
  return 0;
}
