/* What the AMQP load programs share: one connection with one channel, and errors that end the run.
 */
#ifndef BENCH_CLIENTS_AMQP_CLIENT_H
#define BENCH_CLIENTS_AMQP_CLIENT_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <string.h>
#include <sys/time.h>

#include "timing.h"

enum { channel = 1 };

static inline void check(amqp_rpc_reply_t reply, const char* what) {
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
    die(what, amqp_error_string2(reply.library_error));
  if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    amqp_channel_close_t* close = reply.reply.decoded;
    fprintf(stderr, "%.*s\n", (int)close->reply_text.len, (char*)close->reply_text.bytes);
  }
  die(what, "refused by the server");
}

static inline amqp_connection_state_t connect_to(int port) {
  amqp_connection_state_t connection = amqp_new_connection();
  amqp_socket_t* socket = amqp_tcp_socket_new(connection);
  if (socket == NULL || amqp_socket_open(socket, "127.0.0.1", port) != 0) die("connect", NULL);
  check(amqp_login(connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
        "login");
  amqp_channel_open(connection, channel);
  check(amqp_get_rpc_reply(connection), "channel.open");
  return connection;
}

#endif
