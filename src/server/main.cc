// The process: command line, signals, and one Node.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "base/log.h"
#include "cli/command_line.h"
#include "cli/rabbitmqctl.h"
#include "runtime/process.h"
#include "server/node.h"
#include "server/ports_file.h"

namespace {

using namespace trv;

constexpr int failed_exit_code = 1;
// Every connection and every segment is a descriptor; the soft limit is for programs that use
// select().
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log::warn("the limit of open files stays at {}: {}", before,
              std::generic_category().message(errno));
  }
}

// Buffers of megabytes come and go with every large message, and a fresh page costs many times what
// copying into it does: what was touched stays, up to these sizes.
void keep_freed_memory() {
  constexpr int mapped_size_min = 32 << 20;
  constexpr int kept_size_max = 64 << 20;
  ::mallopt(M_MMAP_THRESHOLD, mapped_size_min);
  ::mallopt(M_TRIM_THRESHOLD, kept_size_max);
}

int serve(const config::Config& config) {
  runtime::SteadyTime begun = runtime::steady_now();
  auto elapsed = [&begun] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(runtime::steady_now() - begun)
        .count();
  };
  log::set_level(config.log_level);
  runtime::hold_stop_signals();
  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  keep_freed_memory();

  log::info("trivium {} starts: data in {}, durability {}, {} {}", TRV_VERSION, config.data_dir,
            config::name_of(config.durability), config.shards,
            config.shards == 1 ? "shard" : "shards");
  Result<std::unique_ptr<server::Node>> node = server::Node::start(config);
  if (!node) {
    log::error("cannot start: {}", node.error().message);
    return failed_exit_code;
  }
  bool healthy = true;
  if (!config.ports_file.empty()) {
    Status written = server::write_ports_file(config.ports_file, (*node)->ports());
    if (!written) log::error("{}", written.error().message);
    healthy = written.ok();
  }
  if (healthy) {
    log::info("ready after {} ms", elapsed());
    runtime::StopSignal signal = runtime::wait_for_stop_signal();
    begun = runtime::steady_now();
    log::info("stopping on {}", signal == runtime::StopSignal::interrupt ? "SIGINT" : "SIGTERM");
  }
  // Whoever asks again does not want to wait. What was acknowledged is safe: that is what the
  // journal is for.
  runtime::end_at_next_stop_signal();
  Status stopped = (*node)->stop();
  node->reset();
  if (!stopped) log::error("{}", stopped.error().message);
  log::info("stopped after {} ms", elapsed());
  return healthy && stopped ? EXIT_SUCCESS : failed_exit_code;
}

// A command to a broker that runs, whose words are read by another rule than ours.
int control(int argument_count, char** arguments) {
  static constexpr std::chrono::seconds answer_time_max{60};
  const cli::Outcome outcome =
      cli::rabbitmqctl({arguments + 2, arguments + argument_count},
                       [](const cli::HttpServer& server, const cli::HttpQuestion& question) {
                         return cli::ask(server, question, answer_time_max);
                       });
  std::fputs(outcome.out.c_str(), stdout);
  std::fputs(outcome.errors.c_str(), stderr);
  return outcome.exit_code;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count > 1 && std::string_view(arguments[1]) == "rabbitmqctl") {
    return control(argument_count, arguments);
  }
  cli::Command command = cli::parse(argument_count, arguments, TRV_VERSION,
                                    [](const char* name) { return std::getenv(name); });
  if (auto* print = std::get_if<cli::Print>(&command)) {
    std::fputs(print->text.c_str(), print->exit_code == 0 ? stdout : stderr);
    return print->exit_code;
  }
  return serve(std::get<cli::Serve>(command).config);
}
