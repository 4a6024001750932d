#include "kafka_witness.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/assert.h"

namespace trv::fuzz {

namespace {

constexpr std::int16_t produce_key = 0;

struct Range {
  std::int64_t first;
  std::int64_t last;
};
// KAFKA.md section 14.
constexpr std::array error_numbers{
    Range{0, 3},     Range{5, 7},     Range{10, 10},   Range{12, 12},   Range{14, 27},
    Range{29, 42},   Range{44, 58},   Range{60, 71},   Range{73, 76},   Range{78, 93},
    Range{95, 96},   Range{100, 100}, Range{103, 103}, Range{105, 106}, Range{110, 115},
    Range{120, 124}, Range{128, 133}};

void check_errors(const Value& answer) {
  for (std::string_view name : answer.names()) {
    const Value& field = answer[name];
    if (name.ends_with("error_code")) {
      const std::int64_t number = field.number();
      TRV_ASSERT(std::any_of(error_numbers.begin(), error_numbers.end(), [&](const Range& range) {
        return number >= range.first && number <= range.last;
      }));
    }
    check_errors(field);
  }
  if (!answer.names().empty()) return;
  for (const Value& item : answer.items()) check_errors(item);
}

// With TRV_FUZZ_SHOW set: what is said, for whoever looks at a finding.
void show(const char* side, const Exchange& exchange, const Value& value) {
  static const bool wanted = std::getenv("TRV_FUZZ_SHOW") != nullptr;
  if (!wanted) return;
  std::fprintf(stderr, "%zu %s %d %s %d %s\n", exchange.peer, side, exchange.correlation,
               std::string(exchange.api->name).c_str(), exchange.version, to_text(value).c_str());
  if (*side != '>') return;
  for (const auto& [log, batch] : exchange.produced) {
    if (!batch) {
      std::fprintf(stderr, "  a damaged batch\n");
      continue;
    }
    std::fprintf(stderr, "  producer %lld epoch %d sequence %d records %d%s\n",
                 static_cast<long long>(batch->header.producer_id.value),
                 batch->header.producer_epoch, batch->header.base_sequence,
                 batch->header.record_count, batch->header.transactional() ? " transactional" : "");
  }
}

}  // namespace

bool wants_answer(const Exchange& exchange) {
  return exchange.api->key != produce_key || exchange.request["acks"].number() != 0;
}

Value read_answer(const Exchange& exchange, ByteView answer) {
  Value value = decode_answer(*exchange.api, exchange.version, exchange.correlation, answer);
  show("<", exchange, value);
  check_errors(value);
  return value;
}

void KafkaWitness::on_said(Exchange& exchange) {
  exchange.said_at = ++now_;
  exchange.said_ms = facts_.now_ms;
  transactions.on_said(exchange, facts_);
  logs.on_said(exchange);
  show(">", exchange, exchange.request);
  groups.on_said(exchange);
}

void KafkaWitness::on_answered(const Exchange& exchange, const Value& answer) {
  ++now_;
  if (knows_) {
    groups.on_answered(exchange, answer, now_);
    logs.on_answered(exchange, answer, now_);
  }
  transactions.on_answered(exchange, answer);
}

void KafkaWitness::on_lost(const Exchange& exchange) {
  ++now_;
  show("lost", exchange, {});
  logs.on_lost(exchange);
  groups.on_lost(exchange);
  transactions.on_lost(exchange);
}

}  // namespace trv::fuzz
