// Quotas: keeps to the rates of the catalog's quotas, exactly over all cores: what is used of one
// is counted on the core to which its users' common name falls.
//
// Owner: Broker. Calls come from the core's own thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/function.h"
#include "broker/broker.h"
#include "model/quotas.h"

namespace trv::broker {

class Quotas {
 public:
  explicit Quotas(Broker& broker) : broker_(broker) {}

  // Nothing where there is no limit.
  std::optional<model::Quotas::Found> find(model::QuotaKind kind, std::string_view user,
                                           std::string_view client) const;

  struct Outcome {
    bool counted = true;
    std::chrono::milliseconds wait{0};
  };
  using Done = UniqueFunction<void(Outcome)>;
  // Counts bytes. `done` runs on this core: at once when the name falls to it, else later.
  void use(const model::Quotas::Found& quota, std::uint64_t bytes, Done done) {
    count(quota, bytes, &model::QuotaUse::add, std::move(done));
  }
  // What is too much is not counted (model::QuotaUse::try_add).
  void try_use(const model::Quotas::Found& quota, std::uint64_t bytes, Done done) {
    count(quota, bytes, &model::QuotaUse::try_add, std::move(done));
  }

 private:
  using Add = decltype(&model::QuotaUse::add);
  void count(const model::Quotas::Found& quota, std::uint64_t bytes, Add add, Done done);

  Broker& broker_;
  model::QuotaUse use_;
};

}  // namespace trv::broker
