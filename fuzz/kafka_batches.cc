#include "kafka_batches.h"

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "base/crc32c.h"

namespace trv::fuzz {

namespace {

using Damage = BatchSpec::Damage;

void seal(std::string& batch) {
  store_be(batch.data() + 8, static_cast<std::int32_t>(batch.size() - 12));
  const std::uint32_t crc = crc32c(0, ByteView(batch).substr(model::batch_crc_begin));
  store_be(batch.data() + 17, crc);
}

void compress_records(std::string& batch, model::Compression codec) {
  if (codec == model::Compression::none) return;
  const auto packed = model::compress(codec, ByteView(batch).substr(model::batch_header_size));
  TRV_ASSERT(packed.ok());
  batch.resize(model::batch_header_size);
  batch += *packed;
  const auto attributes = load_be<std::int16_t>(batch.data() + 21);
  store_be(batch.data() + 21,
           static_cast<std::int16_t>(attributes | static_cast<std::int16_t>(codec)));
}

void damage(std::string& batch, Damage kind) {
  const auto attributes = load_be<std::int16_t>(batch.data() + 21);
  switch (kind) {
    case Damage::none:
    case Damage::empty:
      return;
    case Damage::checksum:
      // In the last value, where nothing else would show it.
      batch[batch.size() - 2] = static_cast<char>(batch[batch.size() - 2] ^ 1);
      return;
    case Damage::truncated:
      batch.pop_back();
      return;
    case Damage::count:
      store_be(batch.data() + 57, load_be<std::int32_t>(batch.data() + 57) + 1);
      return seal(batch);
    case Damage::magic:
      batch[16] = 3;
      return seal(batch);
    case Damage::content:
      store_be(batch.data() + 21, static_cast<std::int16_t>(attributes ^ 1));
      return seal(batch);
    case Damage::codec:
      store_be(batch.data() + 21, static_cast<std::int16_t>(attributes | 7));
      return seal(batch);
    case Damage::control:
      store_be(batch.data() + 21,
               static_cast<std::int16_t>(attributes | model::batch_attributes::control));
      return seal(batch);
    case Damage::twice:
      batch += std::string(batch);
      return;
  }
}

ReadBatch read_batch(ByteView bytes) {
  ReadBatch out;
  const auto header = model::check_batch(bytes);
  TRV_ASSERT(header.ok());
  out.header = *header;
  const auto records = model::batch_records(Slice::own(std::string(bytes)), *header);
  TRV_ASSERT(records.ok());
  model::BatchRecordReader reader(records->view(), header->record_count);
  model::BatchRecord record;
  std::int32_t last = -1;
  while (reader.next(record)) {
    TRV_ASSERT(record.offset_delta > last);
    TRV_ASSERT(record.offset_delta <= header->last_offset_delta);
    last = record.offset_delta;
    ReadRecord& read = out.records.emplace_back();
    read.offset = header->base_offset.value + record.offset_delta;
    if (record.key) read.key = std::string(*record.key);
    if (record.value) read.value = std::string(*record.value);
  }
  TRV_ASSERT(reader.ok());
  if (header->control()) {
    const auto commits = model::marker_commits(records->view());
    TRV_ASSERT(commits.ok());
    out.commits = *commits;
  }
  return out;
}

}  // namespace

std::string make_batch(const BatchSpec& spec) {
  if (spec.damage == Damage::empty) return {};
  model::BatchBuilder builder;
  for (const BatchSpec::Record& record : spec.records) {
    const auto view = [](const std::optional<std::string>& text) {
      return text ? std::optional<ByteView>(*text) : std::nullopt;
    };
    builder.add(spec.timestamp_ms, view(record.key), view(record.value),
                std::vector<model::Header>{});
  }
  const auto attributes =
      static_cast<std::int16_t>(spec.transactional ? model::batch_attributes::transactional : 0);
  std::string batch = builder.take(Offset(0), attributes, spec.producer);
  compress_records(batch, spec.codec);
  seal(batch);
  damage(batch, spec.damage);
  return batch;
}

bool has_right_sum(ByteView batch) {
  if (batch.size() < model::batch_header_size) return false;
  return load_be<std::uint32_t>(batch.data() + 17) ==
         crc32c(0, batch.substr(model::batch_crc_begin));
}

std::vector<ReadBatch> read_batches(ByteView bytes) {
  std::vector<ReadBatch> out;
  while (!bytes.empty()) {
    const auto header = model::parse_batch_header(bytes);
    TRV_ASSERT(header.ok());
    TRV_ASSERT(header->size() <= bytes.size());
    out.push_back(read_batch(bytes.substr(0, header->size())));
    bytes.remove_prefix(header->size());
    if (out.size() < 2) continue;
    const model::BatchHeader& before = out[out.size() - 2].header;
    TRV_ASSERT(header->base_offset.value > before.base_offset.value + before.last_offset_delta);
  }
  return out;
}

std::vector<const ReadBatch*> committed_batches(const std::vector<ReadBatch>& batches,
                                                std::vector<AbortedTransaction> aborted) {
  std::sort(aborted.begin(), aborted.end(),
            [](const auto& a, const auto& b) { return a.first_offset < b.first_offset; });
  auto next = aborted.begin();
  std::set<std::int64_t> aborting;
  std::vector<const ReadBatch*> out;
  for (const ReadBatch& batch : batches) {
    const model::BatchHeader& header = batch.header;
    const std::int64_t last = header.base_offset.value + header.last_offset_delta;
    while (next != aborted.end() && next->first_offset <= last) {
      aborting.insert((next++)->producer_id);
    }
    if (header.control()) {
      if (!batch.commits) aborting.erase(header.producer_id.value);
    } else if (!header.transactional() || !aborting.contains(header.producer_id.value)) {
      out.push_back(&batch);
    }
  }
  return out;
}

}  // namespace trv::fuzz
