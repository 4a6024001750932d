// LATENCY: what held the server up, and how long commands take.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <span>

#include "redis/handlers/families.h"
#include "redis/service.h"

namespace trv::redis {

namespace {

using Histories = LatencyEvents::Histories;

// Calls `write(Histories&, ReplyWriter&)` with what all cores have seen.
template <class Write>
void with_histories(Call& call, Write write) {
  call.service.gather(
      call, [](Service& service) { return service.latency_events().histories(); },
      [write](const std::vector<Histories>& parts, ReplyWriter& reply) {
        Histories all;
        for (const Histories& part : parts) LatencyEvents::join(all, part);
        write(all, reply);
      });
}

void latency_latest(Call& call) {
  with_histories(call, [](const Histories& all, ReplyWriter& reply) {
    reply.array(all.size());
    for (const auto& [event, history] : all) {
      reply.array(4);
      reply.bulk(event);
      reply.integer(history.samples.back().second);
      reply.count(history.samples.back().ms);
      reply.count(history.ms_max);
    }
  });
}

void latency_history(Call& call) {
  with_histories(call,
                 [event = std::string(call.args[2])](const Histories& all, ReplyWriter& reply) {
                   auto at = all.find(event);
                   if (at == all.end()) return reply.array(0);
                   reply.array(at->second.samples.size());
                   for (const LatencyEvents::Sample& one : at->second.samples) {
                     reply.array(2);
                     reply.integer(one.second);
                     reply.count(one.ms);
                   }
                 });
}

// How long ago, in the largest unit that fits.
std::string age_text(std::int64_t seconds) {
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86'400) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86'400);
}

// Columns of `_`, `o` and `#`, four rows high; below each, downwards, how long ago it was.
void draw_columns(std::string& out, std::span<const LatencyEvents::Sample> samples,
                  std::uint64_t low, std::uint64_t high, std::int64_t now) {
  constexpr std::string_view marks = "_o#";
  constexpr std::size_t rows = 4;
  constexpr std::size_t steps = marks.size() * rows;
  const std::uint64_t span = std::max<std::uint64_t>(high - low, 1);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t below = (rows - row - 1) * marks.size();
    for (const LatencyEvents::Sample& one : samples) {
      const std::size_t step = std::min<std::size_t>((one.ms - low) * steps / span, steps - 1);
      const bool full = step >= below + marks.size();
      out += full ? '|' : step >= below ? marks[step - below] : ' ';
    }
    out += '\n';
  }
  out += std::string(samples.size(), ' ') + '\n';
  std::vector<std::string> ages;
  std::size_t longest = 0;
  for (const LatencyEvents::Sample& one : samples) {
    longest = std::max(longest, ages.emplace_back(age_text(now - one.second)).size());
  }
  for (std::size_t i = 0; i < longest; ++i) {
    for (const std::string& age : ages) out += i < age.size() ? age[i] : ' ';
    out += '\n';
  }
}

std::string graph_of(const std::string& event, const LatencyEvents::History& history,
                     std::int64_t now) {
  constexpr std::size_t columns = 80;
  std::uint64_t low = history.samples.front().ms;
  std::uint64_t high = low;
  for (const LatencyEvents::Sample& one : history.samples) {
    low = std::min(low, one.ms);
    high = std::max(high, one.ms);
  }
  std::string out = fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n{}\n", event,
                                high, low, history.ms_max, std::string(columns, '-'));
  const std::vector<LatencyEvents::Sample> all(history.samples.begin(), history.samples.end());
  for (std::size_t at = 0; at < all.size(); at += columns) {
    if (at > 0) out += '\n';
    const auto part = std::span(all).subspan(at, std::min(columns, all.size() - at));
    draw_columns(out, part, low, high, now);
  }
  return out;
}

void latency_graph(Call& call) {
  with_histories(call, [event = std::string(call.args[2]), now = call.now.ms / 1000](
                           const Histories& all, ReplyWriter& reply) {
    auto at = all.find(event);
    if (at == all.end()) {
      return reply.error("ERR No samples available for event '" + event + "'");
    }
    reply.verbatim(graph_of(event, at->second, now));
  });
}

void latency_reset(Call& call) {
  using Names = std::vector<std::string>;
  Names events(call.args.begin() + 2, call.args.end());
  call.service.gather(
      call, [events](Service& service) { return service.latency_events().reset(events); },
      [](const std::vector<Names>& parts, ReplyWriter& reply) {
        std::set<std::string> gone;
        for (const Names& part : parts) gone.insert(part.begin(), part.end());
        reply.count(gone.size());
      });
}

// The commands that the words name: a container stands for its subcommands.
bool is_named(const std::string& command, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (command == word || command.starts_with(word + "|")) return true;
  }
  return words.empty();
}

void latency_histogram(Call& call) {
  std::vector<std::string> words;
  for (ByteView arg : call.args.subspan(2)) {
    std::string& word = words.emplace_back(arg);
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  using Rows = CommandStats::Rows;
  call.service.gather(
      call,
      [words](Service& service) {
        Rows rows;
        service.command_stats().add_to(rows);
        std::erase_if(rows, [&](const auto& row) {
          return row.second.latency.count() == 0 || !is_named(row.first, words);
        });
        return rows;
      },
      [](const std::vector<Rows>& parts, ReplyWriter& reply) {
        Rows all;
        for (const Rows& part : parts) {
          for (const auto& [name, row] : part) all[name].add(row);
        }
        reply.map(all.size());
        for (const auto& [name, row] : all) {
          const std::vector<LatencyHistogram::Step> steps = row.latency.steps();
          reply.bulk(name);
          reply.map(2);
          reply.bulk("calls");
          reply.count(row.latency.count());
          reply.bulk("histogram_usec");
          reply.map(steps.size());
          for (const LatencyHistogram::Step& step : steps) {
            reply.count(step.us);
            reply.count(step.count);
          }
        }
      });
}

// Figures only: what to do about them depends on the machine.
void latency_doctor(Call& call) {
  const std::uint64_t threshold = call.service.latency_events().threshold_ms();
  with_histories(call, [threshold](const Histories& all, ReplyWriter& reply) {
    if (threshold == 0) {
      return reply.verbatim(
          "Latency monitoring is disabled. CONFIG SET latency-monitor-threshold <milliseconds> "
          "enables it.\n");
    }
    std::string text =
        fmt::format("{} kinds of events took {} ms or longer.\n", all.size(), threshold);
    for (const auto& [event, history] : all) {
      text += fmt::format("{}: {} seconds with such an event, the longest {} ms.\n", event,
                          history.samples.size(), history.ms_max);
    }
    reply.verbatim(text);
  });
}

constexpr std::uint32_t any = flag::admin | flag::loading | flag::stale | flag::no_script;

constexpr Command rows[] = {
    {"latency", -2, flag::container | any, Where::session, KeyRule::none, 0, 0, 0, "server",
     "2.8.13", "A container for latency diagnostics commands.", nullptr},
    {"latency|latest", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Returns the latest of each kind of latency event.", latency_latest},
    {"latency|history", 3, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Returns the samples of a kind of latency event.", latency_history},
    {"latency|graph", 3, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Draws the samples of a kind of latency event.", latency_graph},
    {"latency|reset", -2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Forgets latency events.", latency_reset},
    {"latency|histogram", -2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "7.0.0",
     "Returns how long commands took.", latency_histogram},
    {"latency|doctor", 2, any, Where::every_core, KeyRule::none, 0, 0, 0, "server", "2.8.13",
     "Sums up the latency events.", latency_doctor},
};

}  // namespace

std::span<const Command> latency_commands() { return rows; }

}  // namespace trv::redis
