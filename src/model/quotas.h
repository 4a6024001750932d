// Quotas: how many bytes a second may be written and read, by whom; and how much of that was used.
//
// Who is asked about has two names: that of his user, and the one that his client gives itself. A
// quota may look at either or at both, and may be for one name or for all that have none of their
// own. Of several the most particular one counts (find()).
//
// Quotas: the catalog's core changes them by apply() alone, live and in recovery; every core reads
// an immutable copy. Invariants: no rate is 0; applying snapshot() to new Quotas gives equal ones.
//
// QuotaUse: one on each core, for the names that fall to it. It keeps the last seconds only, and
// nothing of it survives a restart.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace trv::model {

enum class QuotaKind : std::uint8_t { write_rate = 1, read_rate = 2 };

// One of the two names.
struct QuotaName {
  enum class Of : std::uint8_t {
    any = 0,     // it is not looked at
    others = 1,  // each one that has no quota of its own
    named = 2,
  };
  Of of = Of::any;
  std::string name = {};  // empty unless named
  auto operator<=>(const QuotaName&) const = default;
};

struct QuotaSubject {
  QuotaName user;
  QuotaName client;
  auto operator<=>(const QuotaSubject&) const = default;
};

// Bytes a second.
using QuotaRates = std::map<QuotaKind, std::uint64_t>;

// Takes the place of all rates of the subject; none: it has no quota any more. Command;
// docs/formats/access.md.
std::string encode_quota(const QuotaSubject& subject, const QuotaRates& rates);

class Quotas {
 public:
  // Errors: corrupt (not a command).
  Status apply(ByteView command);
  std::vector<std::string> snapshot() const;

  struct Found {
    std::uint64_t rate = 0;
    // The same for all who use it together, for this kind: a user, a client, or a client of a user.
    std::string shared_by;
  };
  // In this order: both names, the user and other clients, the user, other users and the client,
  // other users and other clients, other users, the client, other clients.
  std::optional<Found> find(QuotaKind kind, std::string_view user, std::string_view client) const;

  using All = std::map<QuotaSubject, QuotaRates>;
  const All& all() const { return all_; }
  bool empty() const { return all_.empty(); }
  bool operator==(const Quotas&) const = default;

 private:
  All all_;
};

class QuotaUse {
 public:
  // What may be used at once when nothing was used for a while: so many seconds' worth.
  static constexpr std::int64_t window_seconds = 10;
  // Beyond that many names at a time, those that come share one.
  static constexpr std::size_t names_max = 100'000;

  struct Outcome {
    bool counted = true;
    // How long to wait until no more than the rate was used in the mean.
    std::int64_t wait_ms = 0;
  };
  // `now_ms` never goes back.
  Outcome add(const std::string& shared_by, std::uint64_t bytes, std::uint64_t rate,
              std::int64_t now_ms);
  // The same, but what is too much is not counted; something always passes when nothing was used.
  Outcome try_add(const std::string& shared_by, std::uint64_t bytes, std::uint64_t rate,
                  std::int64_t now_ms);
  std::size_t name_count() const { return windows_.size(); }

 private:
  // Bytes by second, for the one that is under way and those before it.
  struct Window {
    std::array<std::uint64_t, window_seconds + 1> bytes{};
    std::int64_t second = 0;  // the latest that it has

    void advance(std::int64_t to);
    std::uint64_t& now() { return bytes[static_cast<std::size_t>(second) % bytes.size()]; }
    std::uint64_t sum() const;
    // Until no more than the rate was used in the mean.
    std::int64_t wait_ms(std::uint64_t rate, std::int64_t now_ms) const;
  };
  // With the second that is under way as its latest.
  Window& window_of(const std::string& shared_by, std::int64_t second);
  void forget_unused(std::int64_t second);

  std::unordered_map<std::string, Window> windows_;
  std::size_t looked_at_size_ = 64;  // unused ones are looked for when there are so many
  std::int64_t looked_at_second_ = -1;
};

}  // namespace trv::model
