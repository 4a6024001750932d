// Where a conversation is played: over a broker in this process, or with a server over sockets.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace trv::amqp::golden {

// What a peer heard since it was last asked.
struct Heard {
  std::string peer;
  std::string bytes;
  bool ended = false;
};

struct UserLine {
  std::string name;
  std::string configure;
  std::string write;
  std::string read;
  std::string vhost = "/";  // in which these are its rights
};

struct LimitLine {
  bool of_user = false;  // else of the virtual host
  std::string user;
  std::string limit;  // "max-connections" and the like
  int value = 0;
};

class Stage {
 public:
  virtual ~Stage() = default;

  // A connection in the place of the one that had its name.
  virtual void connect(const std::string& peer, bool loopback) = 0;
  virtual void hang_up(const std::string& peer) = 0;
  virtual void send(const std::string& peer, const std::string& bytes) = 0;
  // By peers in the order of their names. `frames` are expected, if it is known how many.
  virtual std::vector<Heard> listen(std::size_t frames) = 0;
  virtual void wait(int milliseconds) = 0;

  // The password is the name. Operators make it, and close connections.
  virtual void make_user(const UserLine& user) = 0;
  virtual void set_limit(const LimitLine& limit) = 0;
  virtual void make_vhost(const std::string& name) = 0;
  virtual void delete_vhost(const std::string& name) = 0;
  virtual void close_connection(const std::string& peer, const std::string& reason) = 0;

  // Not everywhere. False where it cannot be done.
  virtual bool make_topic(const std::string& name) = 0;
  virtual bool break_disk() = 0;
  virtual bool crash() = 0;
  // Says that it is leaving, and does no more.
  virtual bool begin_to_delete(const std::string& vhost) = 0;
};

std::unique_ptr<Stage> make_local_stage();
// `address` is HOST:AMQP-PORT:HTTP-PORT, with the user guest. What was in virtual host / is gone.
std::unique_ptr<Stage> make_remote_stage(const std::string& address);

}  // namespace trv::amqp::golden
