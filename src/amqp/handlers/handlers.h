// The methods that clients may call on a channel: one overload each, in one file per class.
//
// A handler decodes and validates, asks the broker in neutral words, and encodes the answer. Views
// in the method die with the call: what outlives it is copied.
#pragma once

#include "amqp/session.h"

namespace trv::amqp {

using Call = Session::Call;

void handle(Session& session, Call call, const wire::ChannelFlow& method);
void handle(Session& session, Call call, const wire::ChannelFlowOk& method);
void handle(Session& session, Call call, const wire::ChannelClose& method);
void handle(Session& session, Call call, const wire::AccessRequest& method);

void handle(Session& session, Call call, const wire::ExchangeDeclare& method);
void handle(Session& session, Call call, const wire::ExchangeDelete& method);
void handle(Session& session, Call call, const wire::ExchangeBind& method);
void handle(Session& session, Call call, const wire::ExchangeUnbind& method);

void handle(Session& session, Call call, const wire::QueueDeclare& method);
void handle(Session& session, Call call, const wire::QueueBind& method);
void handle(Session& session, Call call, const wire::QueueUnbind& method);
void handle(Session& session, Call call, const wire::QueuePurge& method);
void handle(Session& session, Call call, const wire::QueueDelete& method);

void handle(Session& session, Call call, const wire::BasicQos& method);
void handle(Session& session, Call call, const wire::BasicConsume& method);
void handle(Session& session, Call call, const wire::BasicCancel& method);
void handle(Session& session, Call call, const wire::BasicCancelOk& method);
void handle(Session& session, Call call, const wire::BasicPublish& method);
void handle(Session& session, Call call, const wire::BasicGet& method);
void handle(Session& session, Call call, const wire::BasicAck& method);
void handle(Session& session, Call call, const wire::BasicReject& method);
void handle(Session& session, Call call, const wire::BasicNack& method);
void handle(Session& session, Call call, const wire::BasicRecoverAsync& method);
void handle(Session& session, Call call, const wire::BasicRecover& method);

void handle(Session& session, Call call, const wire::ConfirmSelect& method);
void handle(Session& session, Call call, const wire::TxSelect& method);
void handle(Session& session, Call call, const wire::TxCommit& method);
void handle(Session& session, Call call, const wire::TxRollback& method);

// The frames after basic.publish.
void on_publish_header(Session& session, Channel& channel, const wire::ContentHeader& header);
void on_publish_body(Session& session, Channel& channel, ByteView part);

// "amq.gen-" or "amq.ctag-" and 22 random characters.
std::string generated_name(std::string_view prefix);
// Whether somebody else's exclusive queue.
bool locked_for(const Session& session, const broker::QueueFacts& facts);

}  // namespace trv::amqp
