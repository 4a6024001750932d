#include "model/quotas.h"

#include <algorithm>
#include <numeric>

#include "base/mutant.h"

namespace trv::model {
namespace {

constexpr std::uint8_t command_put = 1;
constexpr std::int64_t ms_per_second = 1000;

void write_name(ByteWriter& out, const QuotaName& name) {
  out.u8(static_cast<std::uint8_t>(name.of));
  out.sized(name.name);
}

QuotaName read_name(ByteReader& in) {
  const std::uint8_t of = in.u8();
  QuotaName name{static_cast<QuotaName::Of>(of), std::string(in.sized())};
  const bool good = of <= static_cast<std::uint8_t>(QuotaName::Of::named) &&
                    (name.of == QuotaName::Of::named || name.name.empty());
  if (!good) in.fail();
  return name;
}

QuotaRates read_rates(ByteReader& in) {
  QuotaRates rates;
  for (std::uint64_t count = in.varint(); count > 0 && in.ok(); --count) {
    const std::uint8_t kind = in.u8();
    const std::uint64_t rate = in.varint();
    const bool known = kind == static_cast<std::uint8_t>(QuotaKind::write_rate) ||
                       kind == static_cast<std::uint8_t>(QuotaKind::read_rate);
    if (!known || rate == 0) in.fail();
    rates[static_cast<QuotaKind>(kind)] = rate;
  }
  return rates;
}

// Names may hold any byte, so their sizes stand before them.
std::string key_of(QuotaKind kind, bool by_user, std::string_view user, bool by_client,
                   std::string_view client) {
  std::string key;
  ByteWriter out(key);
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(static_cast<std::uint8_t>((by_user ? 1 : 0) | (by_client ? 2 : 0)));
  if (by_user) out.sized(user);
  if (by_client) out.sized(client);
  return key;
}

}  // namespace

std::string encode_quota(const QuotaSubject& subject, const QuotaRates& rates) {
  std::string bytes;
  ByteWriter out(bytes);
  out.u8(command_put);
  write_name(out, subject.user);
  write_name(out, subject.client);
  out.varint(rates.size());
  for (const auto& [kind, rate] : rates) {
    out.u8(static_cast<std::uint8_t>(kind));
    out.varint(rate);
  }
  return bytes;
}

Status Quotas::apply(ByteView command) {
  ByteReader in(command);
  if (in.u8() != command_put) in.fail();
  QuotaSubject subject;
  subject.user = read_name(in);
  subject.client = read_name(in);
  QuotaRates rates = read_rates(in);
  if (!in.done() || subject == QuotaSubject()) {
    return Error{Errc::corrupt, "malformed command about quotas"};
  }
  if (rates.empty()) {
    all_.erase(subject);
  } else {
    all_.insert_or_assign(std::move(subject), std::move(rates));
  }
  return {};
}

std::vector<std::string> Quotas::snapshot() const {
  std::vector<std::string> commands;
  if (TRV_MUTANT(quotas_lost_in_checkpoint)) return commands;
  for (const auto& [subject, rates] : all_) commands.push_back(encode_quota(subject, rates));
  return commands;
}

std::optional<Quotas::Found> Quotas::find(QuotaKind kind, std::string_view user,
                                          std::string_view client) const {
  using Of = QuotaName::Of;
  struct Step {
    Of user;
    Of client;
  };
  static constexpr Step steps[] = {
      {Of::named, Of::named},  {Of::named, Of::others},  {Of::named, Of::any},
      {Of::others, Of::named}, {Of::others, Of::others}, {Of::others, Of::any},
      {Of::any, Of::named},    {Of::any, Of::others},
  };
  for (const Step& step : steps) {
    QuotaSubject subject{{step.user}, {step.client}};
    if (step.user == Of::named) subject.user.name = user;
    if (step.client == Of::named) subject.client.name = client;
    auto found = all_.find(subject);
    if (found == all_.end()) continue;
    auto rate = found->second.find(kind);
    if (rate == found->second.end()) continue;
    return Found{rate->second,
                 key_of(kind, step.user != Of::any, user, step.client != Of::any, client)};
  }
  return std::nullopt;
}

void QuotaUse::Window::advance(std::int64_t to) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (to - second >= size) bytes.fill(0);
  for (std::int64_t at = std::max(second + 1, to - size + 1); at <= to; ++at) {
    bytes[static_cast<std::size_t>(at % size)] = 0;
  }
  second = std::max(second, to);
}

std::uint64_t QuotaUse::Window::sum() const {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

void QuotaUse::forget_unused(std::int64_t second) {
  std::erase_if(windows_, [second](const auto& entry) {
    return entry.second.second < second - window_seconds;
  });
  looked_at_second_ = second;
  looked_at_size_ = std::max<std::size_t>(64, 2 * windows_.size());
}

QuotaUse::Window& QuotaUse::window_of(const std::string& shared_by, std::int64_t second) {
  auto found = windows_.find(shared_by);
  if (found == windows_.end()) {
    // When there is no room, not for each name that comes.
    const bool due = windows_.size() >= std::min(looked_at_size_, names_max);
    if (due && second != looked_at_second_) forget_unused(second);
    const bool room = windows_.size() < names_max;
    found = windows_.try_emplace(room ? shared_by : std::string()).first;
  }
  found->second.advance(second);
  return found->second;
}

std::int64_t QuotaUse::Window::wait_ms(std::uint64_t rate, std::int64_t now_ms) const {
  // The seconds before are whole ones, also when there was nobody yet to use them.
  const double elapsed_ms =
      static_cast<double>(window_seconds * ms_per_second + now_ms % ms_per_second);
  const double due_ms = static_cast<double>(sum()) * ms_per_second / static_cast<double>(rate);
  constexpr double wait_max = 2e9;
  return static_cast<std::int64_t>(std::clamp(due_ms - elapsed_ms, 0.0, wait_max));
}

QuotaUse::Outcome QuotaUse::add(const std::string& shared_by, std::uint64_t bytes,
                                std::uint64_t rate, std::int64_t now_ms) {
  Window& window = window_of(shared_by, now_ms / ms_per_second);
  window.now() += bytes;
  return {true, window.wait_ms(rate, now_ms)};
}

QuotaUse::Outcome QuotaUse::try_add(const std::string& shared_by, std::uint64_t bytes,
                                    std::uint64_t rate, std::int64_t now_ms) {
  Window& window = window_of(shared_by, now_ms / ms_per_second);
  const bool unused = window.sum() == 0;
  window.now() += bytes;
  Outcome outcome{true, window.wait_ms(rate, now_ms)};
  if (outcome.wait_ms == 0 || unused || TRV_MUTANT(read_quota_not_kept)) return outcome;
  window.now() -= bytes;
  outcome.counted = false;
  return outcome;
}

}  // namespace trv::model
