// What policies make of a queue's settings, for queues that are there already, too.
#include <algorithm>

#include "base/mutant.h"
#include "broker/catalog.h"
#include "broker/detail/queues_state.h"
#include "model/policies.h"

namespace trv::broker {
namespace {

using model::Policy;
using model::PolicyClass;
using model::PolicyDefinition;
using model::PolicyTarget;

// The smaller of two limits, of which either may be absent.
template <class T>
std::optional<T> lesser(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b || TRV_MUTANT(policy_may_not_lower_a_limit)) return a ? a : b;
  return std::min(*a, *b);
}

template <class T, class U>
std::optional<T> as(const std::optional<U>& number) {
  if (!number) return std::nullopt;
  return static_cast<T>(*number);
}

// A queue over another's log never refuses what goes there; a strict one has no way to make dead
// letters of what it refuses.
bool may_overflow_so(const QueueSettings& declared, model::Overflow overflow) {
  if (!declared.source.empty()) return overflow == model::Overflow::drop_oldest;
  return !declared.strict || overflow != model::Overflow::refuse_to_dead_letters;
}

// What the declaration said beside limits, it keeps.
QueueSettings effective(const QueueSettings& declared, const PolicyDefinition& policy) {
  QueueSettings settings = declared;
  settings.message_ttl_ms =
      lesser(declared.message_ttl_ms, as<std::int64_t>(policy.message_ttl_ms));
  settings.unused_ms_max = lesser(declared.unused_ms_max, as<std::int64_t>(policy.unused_ms_max));
  settings.limits.count_max = lesser(declared.limits.count_max, policy.count_max);
  settings.limits.bytes_max = lesser(declared.limits.bytes_max, policy.bytes_max);
  const bool says_overflow = declared.limits.overflow != model::Overflow::drop_oldest;
  if (policy.overflow && !says_overflow && may_overflow_so(declared, *policy.overflow)) {
    settings.limits.overflow = *policy.overflow;
  }
  if (!declared.dead_letter_exchange) settings.dead_letter_exchange = policy.dead_letter_exchange;
  if (!declared.dead_letter_key) settings.dead_letter_key = policy.dead_letter_key;
  if (!declared.strict) return settings;
  if (policy.failures_max && *policy.failures_max >= 0) {
    settings.failures_max = lesser(declared.failures_max, as<std::uint32_t>(policy.failures_max));
  }
  if (!declared.dead_letters_stay || TRV_MUTANT(policy_over_declared_dead_letters)) {
    settings.dead_letters_stay = policy.dead_letters_stay;
  }
  return settings;
}

bool same_effect(const QueueSettings& a, const QueueSettings& b) {
  return a.message_ttl_ms == b.message_ttl_ms && a.unused_ms_max == b.unused_ms_max &&
         a.limits == b.limits && a.dead_letter_exchange == b.dead_letter_exchange &&
         a.dead_letter_key == b.dead_letter_key && a.failures_max == b.failures_max &&
         a.dead_letters_stay == b.dead_letters_stay;
}

}  // namespace

void Queues::State::apply_policies(Queue& queue) {
  const model::Policies& policies = *broker.catalog().policies();
  if (policies.all().empty() && !queue.governed) return;
  const PolicyTarget kind =
      queue.settings.strict ? PolicyTarget::strict_queues : PolicyTarget::classic_queues;
  const Policy* user = policies.match(PolicyClass::users, kind, queue.name);
  const Policy* op = TRV_MUTANT(operator_policy_ignored)
                         ? nullptr
                         : policies.match(PolicyClass::operators, kind, queue.name);
  QueueSettings declared = queue.declared();
  QueueSettings settings = declared;
  if (user || op) {
    const PolicyDefinition none;
    settings = effective(declared,
                         model::merged(user ? user->definition : none, op ? op->definition : none));
    if (!queue.governed) queue.governed = std::make_unique<Queue::Governed>();
    queue.governed->declared = std::move(declared);
    queue.governed->policy = user ? user->name : "";
    queue.governed->operator_policy = op ? op->name : "";
  } else {
    queue.governed.reset();
  }
  const bool changed = !same_effect(queue.settings, settings);
  queue.settings = std::move(settings);
  if (changed) refit(queue);
}

void Queues::State::refit(Queue& queue) {
  const QueueSettings& settings = queue.settings;
  const bool had_index = queue.index() != nullptr;
  const bool counts_bytes = settings.limits.bytes_max.has_value();
  if (!queue.extras) {
    add_extras(queue);
  } else if (had_index != (settings.level_max > 0 || counts_bytes) ||
             (had_index && queue.index()->counts_bytes() != counts_bytes)) {
    queue.extras->index.reset();
    add_index(queue);
  }
  if (queue.extras) {
    if (settings.message_ttl_ms) queue.extras->has_deadlines = true;
    queue.extras->unused.cancel();
    queue.extras->unindexed_bytes = 0;
  }
  if (settings.source.empty()) {
    if (settings.limits.refuses()) {
      queue.topic->gate = &queue;
    } else if (queue.topic->gate == &queue) {
      queue.topic->gate = nullptr;
    }
  }
  broker.queues().touch(queue.name);
  queue.expiry.cancel();
  queue.head_checked.reset();
  make_ready(queue);
}

void Queues::on_policies() {
  if (TRV_MUTANT(policy_for_new_queues_only)) return;
  for (auto& [name, queue] : state_->by_name) state_->apply_policies(*queue);
}

}  // namespace trv::broker
