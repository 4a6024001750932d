// Management: this front-end as operators see it (broker/operations.h): lists what its sessions,
// queues, exchanges and bindings are, in the words of RabbitMQ's HTTP API, and carries out
// operations in sessions of its own (direct.h).
//
// Owner: the first core's Server, which is destroyed when no core runs any more.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "amqp/management/direct.h"
#include "amqp/session.h"
#include "broker/operations.h"

namespace trv::amqp {

class VhostChange;

class Management final : public broker::Operations {
 public:
  // `services`: of the sessions of this core.
  Management(Services& services, const SessionOptions& options);
  ~Management() override;

  runtime::Core& home() override { return services_.broker.core(); }
  void list(Subject subject, UniqueFunction<void(Rendering)> done) override;
  void run(broker::Operation operation,
           UniqueFunction<void(broker::OperationResult)> done) override;
  void close_connections(Chosen chosen, std::string reason,
                         UniqueFunction<void(int)> done) override;
  // Ends what is under way; on its core, before the Broker stops.
  void stop();

 private:
  using Done = UniqueFunction<void(broker::OperationResult)>;
  struct Running {
    std::unique_ptr<Direct> direct;
    runtime::Timer deadline;
    bool woken = false;
  };

  // Says `first` in a session of its own and gives what is said to `listener`.
  void converse(const broker::Operation& operation, std::function<void(Direct&)> first,
                Direct::Listener listener, Done done);
  // As close_connections(), also of sessions without a socket.
  void close_sessions(std::function<bool(const Session&)> chosen, std::string reason,
                      UniqueFunction<void(int)> done);
  void wake(ConnectionId id);
  void declare(broker::Operation operation, Done done, bool there);
  void publish(const broker::Operation& operation, Done done);
  void take(const broker::Operation& operation, Done done);
  void remove(const broker::Operation& operation, Done done, bool there);
  void bind(const broker::Operation& operation, Done done);
  // In vhost_operations.cc.
  void put_vhost(const broker::Operation& operation, Done done);
  void delete_vhost(const broker::Operation& operation, Done done);
  // In its turn.
  void change_vhost(const std::string& name,
                    std::function<void(std::shared_ptr<VhostChange>)> begin,
                    UniqueFunction<void(Status, bool was_there)> done);
  // What a process before this one had begun, or what failed for want of space. Goes on trying.
  void finish_removals();
  void finish_removals_later();

  Services& services_;
  const SessionOptions& options_;
  std::uint64_t last_id_ = 0;
  bool stopping_ = false;
  runtime::Timer removal_retry_;
  std::unordered_map<ConnectionId, Running> running_;
};

}  // namespace trv::amqp
