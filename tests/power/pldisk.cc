// pldisk: serves an image as one block file with a volatile write cache, and cuts the power when
// told.
//
//   pldisk SECTOR_SIZE honest|lying IMAGE FILE
//
// FILE, any regular file, is mounted over (FUSE) and becomes the disk; a loop device on it carries
// a file system. Commands come as lines on standard input, answers go as lines to standard output:
//
//   (at the start)            -> ready
//   cut WHEN SURVIVORS SEED   -> cut: P writes, S sectors pending, K survive
//   release                   -> (no answer)
//   counts                    -> counts: W writes, F flushes
//
// WHEN is now, write or flush (commands.h), SURVIVORS none, half, most or torn (volatile_disk.h).
//
// - From the cut until `release` no request is answered. So whoever waits for a flush that the cut
//   prevented still waits when the answer to `cut` arrives: killed before the release, it cannot
//   have told anyone that something is durable which the image does not hold. What it does say
//   meanwhile rests on flushes from before the cut, and counts.
// - After the release requests are answered from memory and reach nothing.
// - The end of standard input ends pldisk and unmounts FILE.
//
// A lying disk ignores flushes, to prove that a test would notice.
#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>

#include "commands.h"
#include "volatile_disk.h"

namespace trv::power {

namespace {

// How long a cut waits for the write or flush that it was ordered for. A disk at rest gets neither.
constexpr std::chrono::milliseconds moment_wait_max{300};
constexpr double attributes_valid_seconds = 3600;

// The disk, and the state of the command that is under way.
class Server {
 public:
  Server(const std::string& image, std::size_t sector_size, bool ignore_flushes)
      : disk_(image, sector_size), ignore_flushes_(ignore_flushes) {}

  // Answers requests and commands until standard input ends or FILE is unmounted.
  void serve(fuse_session* session);

  const VolatileDisk& disk() const { return disk_; }
  void write(std::size_t offset, std::string_view bytes);
  void flush();

 private:
  void obey_commands();
  void obey(const Command& command);
  void cut();
  int wait_milliseconds() const;

  VolatileDisk disk_;
  const bool ignore_flushes_;
  CommandInput input_;
  bool input_ended_ = false;
  std::size_t write_count_ = 0;
  std::size_t flush_count_ = 0;
  std::optional<CutOrder> order_;  // waits for its moment
  std::chrono::steady_clock::time_point order_latest_;
};

void Server::write(std::size_t offset, std::string_view bytes) {
  disk_.write(offset, bytes);
  ++write_count_;
  if (order_ && order_->moment == Moment::write) cut();
}

void Server::flush() {
  if (order_ && order_->moment == Moment::flush && disk_.pending_count() > 0) cut();
  ++flush_count_;
  if (!ignore_flushes_) disk_.flush();
}

// Suspends everything until the release: no request is read, and the one that is being handled is
// not answered.
void Server::cut() {
  const CutReport report = disk_.cut(order_->survivors, order_->seed);
  order_.reset();
  std::cout << "cut: " << report.pending_writes << " writes, " << report.pending_sectors
            << " sectors pending, " << report.surviving_sectors << " survive" << std::endl;
  while (!input_ended_) {
    const auto command = input_.next();
    if (!command) {
      input_ended_ = !input_.fill();
    } else if (command->kind == Command::Kind::release) {
      return;
    } else {
      throw std::runtime_error("only `release` may follow a cut");
    }
  }
}

void Server::obey(const Command& command) {
  switch (command.kind) {
    case Command::Kind::counts:
      std::cout << "counts: " << write_count_ << " writes, " << flush_count_ << " flushes"
                << std::endl;
      return;
    case Command::Kind::cut:
      if (disk_.is_cut() || order_) throw std::runtime_error("the power is cut only once");
      order_ = command.order;
      order_latest_ = std::chrono::steady_clock::now() + moment_wait_max;
      if (order_->moment == Moment::now) cut();
      return;
    case Command::Kind::release:
      throw std::runtime_error("`release` without a cut");
  }
}

void Server::obey_commands() {
  input_ended_ = !input_.fill();
  while (const auto command = input_.next()) obey(*command);
}

int Server::wait_milliseconds() const {
  if (!order_) return -1;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      order_latest_ - std::chrono::steady_clock::now());
  return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

void Server::serve(fuse_session* session) {
  fuse_buf request = {};
  while (!input_ended_ && !fuse_session_exited(session)) {
    std::array<pollfd, 2> sources{
        {{STDIN_FILENO, POLLIN, 0}, {fuse_session_fd(session), POLLIN, 0}}};
    if (::poll(sources.data(), sources.size(), wait_milliseconds()) < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "poll");
    }
    if (order_ && wait_milliseconds() == 0) cut();
    if (sources[0].revents) obey_commands();
    if (!sources[1].revents) continue;
    const int got = fuse_session_receive_buf(session, &request);
    if (got > 0) fuse_session_process_buf(session, &request);
    if (got < 0 && got != -EINTR) throw std::system_error(-got, std::generic_category(), "FUSE");
    if (got == 0) break;  // FILE was unmounted.
  }
  std::free(request.mem);
}

// -- what FUSE calls. The root is no directory but the disk itself.

Server& server_of(fuse_req_t request) { return *static_cast<Server*>(fuse_req_userdata(request)); }

// The disk of the request, if its range is one that a disk takes.
Server* server_for(fuse_req_t request, off_t offset, std::size_t bytes) {
  Server& server = server_of(request);
  if (offset >= 0 && server.disk().accepts(static_cast<std::size_t>(offset), bytes)) return &server;
  fuse_reply_err(request, EINVAL);
  return nullptr;
}

void on_attributes(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  struct stat attributes = {};
  attributes.st_ino = FUSE_ROOT_ID;
  attributes.st_mode = S_IFREG | 0600;
  attributes.st_nlink = 1;
  attributes.st_size = static_cast<off_t>(server_of(request).disk().size());
  fuse_reply_attr(request, &attributes, attributes_valid_seconds);
}

void on_open(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  file->direct_io = 1;  // The only cache is ours.
  fuse_reply_open(request, file);
}

void on_read(fuse_req_t request, fuse_ino_t, std::size_t bytes, off_t offset, fuse_file_info*) {
  if (const Server* server = server_for(request, offset, bytes)) {
    const std::string_view found = server->disk().read(static_cast<std::size_t>(offset), bytes);
    fuse_reply_buf(request, found.data(), found.size());
  }
}

void on_write(fuse_req_t request, fuse_ino_t, const char* bytes, std::size_t count, off_t offset,
              fuse_file_info*) {
  if (Server* server = server_for(request, offset, count)) {
    server->write(static_cast<std::size_t>(offset), {bytes, count});
    fuse_reply_write(request, count);
  }
}

void on_fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  server_of(request).flush();
  fuse_reply_err(request, 0);
}

// Discards and requests for zeroes are writes of zeroes.
void on_fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t bytes,
                  fuse_file_info*) {
  if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  const auto count = static_cast<std::size_t>(bytes);
  if (Server* server = server_for(request, offset, count)) {
    server->write(static_cast<std::size_t>(offset), std::string(count, '\0'));
    fuse_reply_err(request, 0);
  }
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops found = {};
  found.getattr = on_attributes;
  found.open = on_open;
  found.read = on_read;
  found.write = on_write;
  found.fsync = on_fsync;
  found.fallocate = on_fallocate;
  return found;
}

// A mount that ends with its scope.
class Mount {
 public:
  Mount(Server& server, char* program, const char* file) {
    std::array<char*, 1> words{program};
    fuse_args arguments = FUSE_ARGS_INIT(1, words.data());
    const fuse_lowlevel_ops known = operations();
    session_ = fuse_session_new(&arguments, &known, sizeof(known), &server);
    if (session_ == nullptr) throw std::runtime_error("no FUSE session");
    if (fuse_session_mount(session_, file) != 0) {
      fuse_session_destroy(session_);
      throw std::runtime_error(std::string("cannot mount over ") + file);
    }
  }
  ~Mount() {
    fuse_session_unmount(session_);
    fuse_session_destroy(session_);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;

  fuse_session* session() const { return session_; }

 private:
  fuse_session* session_ = nullptr;
};

}  // namespace

}  // namespace trv::power

int main(int argc, char** argv) {
  using namespace trv::power;
  const bool lying = argc == 5 && std::strcmp(argv[2], "lying") == 0;
  if (argc != 5 || (!lying && std::strcmp(argv[2], "honest") != 0)) {
    std::cerr << "usage: pldisk SECTOR_SIZE honest|lying IMAGE FILE\n";
    return 2;
  }
  try {
    Server server(argv[3], std::stoul(argv[1]), lying);
    const Mount mount(server, argv[0], argv[4]);
    std::cout << "ready" << std::endl;
    server.serve(mount.session());
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "pldisk: " << error.what() << "\n";
    return 1;
  }
}
