#include "broker/quotas.h"

#include "broker/catalog.h"

namespace trv::broker {
namespace {

std::int64_t steady_ms(const runtime::Core& core) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(core.now().time_since_epoch())
      .count();
}

}  // namespace

std::optional<model::Quotas::Found> Quotas::find(model::QuotaKind kind, std::string_view user,
                                                 std::string_view client) const {
  const model::Quotas& quotas = *broker_.catalog().quotas();
  if (quotas.empty()) return std::nullopt;
  return quotas.find(kind, user, client);
}

void Quotas::count(const model::Quotas::Found& quota, std::uint64_t bytes, Add add, Done done) {
  const CoreIndex home = broker_.core().index();
  broker_.at(
      quota.shared_by, [quota, bytes, add, home, done = std::move(done)](Broker& owner) mutable {
        const model::QuotaUse::Outcome counted =
            (owner.quotas().use_.*add)(quota.shared_by, bytes, quota.rate, steady_ms(owner.core()));
        const Outcome outcome{counted.counted, std::chrono::milliseconds(counted.wait_ms)};
        if (owner.core().index() == home) return done(outcome);
        owner.post(home, [outcome, done = std::move(done)]() mutable { done(outcome); });
      });
}

}  // namespace trv::broker
