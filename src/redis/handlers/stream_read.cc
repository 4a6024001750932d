// XRANGE, XREVRANGE, XREAD: reading entries without a group.
#include "base/mutant.h"
#include "broker/cold_reads.h"
#include "broker/trial.h"
#include "redis/handlers/families.h"
#include "redis/handlers/read_options.h"
#include "redis/handlers/streams.h"

namespace trv::redis {

namespace {

// Parses [COUNT n] from index 4 on. A count of 0 or less is told by 0.
bool parse_range_count(Call& call, std::size_t& count) {
  for (std::size_t i = 4; i < call.args.size(); i += 2) {
    if (!is_word(call.args[i], "count") || i + 1 >= call.args.size()) {
      call.reply.error(text::syntax);
      return false;
    }
    std::optional<std::int64_t> value = integer_arg(call, i + 1);
    if (!value) return false;
    count = *value < 0 ? 0 : static_cast<std::size_t>(*value);
  }
  return true;
}

// Writes an array of entries through `read(visit)`.
template <class Read>
void write_entries(Call& call, const broker::Topic& topic, Read&& read) {
  std::size_t start = call.reply.open_array();
  std::size_t written = 0;
  Status done = read([&](const model::StoredRecord& record) {
    write_entry(call, call.reply, topic, record);
    ++written;
    return call.reply.out().size() - start <= reply_size_max;
  });
  if (!done) {
    call.reply.out().resize(start);
    return write_error(call.reply, done.error());
  }
  if (too_large(call, start)) return;
  call.reply.close_array(start, written);
}

void xrange(Call& call) {
  std::optional<RecordId> first = range_start(call, call.args[2]);
  if (!first) return;
  std::optional<RecordId> last = range_end(call, call.args[3]);
  if (!last) return;
  std::size_t count = no_count;
  if (!parse_range_count(call, count)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.array(0);
  if (count == 0) return call.reply.null_array();
  write_entries(call, *found.topic, [&](const broker::Topics::Visit& visit) {
    return each_record(call.broker, *found.topic, *first, *last, count, visit);
  });
}

// `left` is what the reader has not seen, yet.
Status visit_back(Call& call, broker::Topic& topic, broker::Trial::Range& left,
                  const broker::Topics::Visit& visit) {
  broker::Topics& topics = call.broker.topics();
  Sequence before = to_the_end;
  if (left.last != RecordId::max()) {
    Result<Sequence> at = topics.sequence_of(topic, left.last.next());
    if (!at) return at.error();
    before = *at;
  }
  return topics.read_back(topic, before, [&](const model::StoredRecord& record) {
    if (record.id < left.first) return false;
    left.last = record.id;
    return visit(record) && --left.count > 0;
  });
}

void xrevrange(Call& call) {
  std::optional<RecordId> first = range_start(call, call.args[3]);
  if (!first) return;
  std::optional<RecordId> last = range_end(call, call.args[2]);
  if (!last) return;
  std::size_t count = no_count;
  if (!parse_range_count(call, count)) return;
  FoundStream found = find_stream(call, call.args[1]);
  if (found.refused) return;
  if (!found.topic) return call.reply.array(0);
  if (count == 0) return call.reply.null_array();
  if (*first > *last) return call.reply.array(0);
  broker::Trial::Range left{*first, *last, count};
  write_entries(call, *found.topic, [&](const broker::Topics::Visit& visit) {
    Status done = visit_back(call, *found.topic, left, visit);
    broker::Trial* trial = call.broker.cold_reads().trial();
    if (!done && trial && trial->met_cold()) trial->note_range_back(*found.topic, left);
    return done;
  });
}

// The id after which to read. Resolves `$` and `+`.
std::optional<RecordId> position_arg(Call& call, ByteView key, ByteView text) {
  if (text == ">") {
    call.reply.error(
        "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
        "<consumer> option.");
    return std::nullopt;
  }
  broker::Topic* topic = call.broker.topics().find(key);
  if (text == "$") {
    return topic ? call.broker.topics().last_visible_id(*topic) : RecordId{};
  }
  if (text == "+") {
    // The last entry that is there is read again.
    std::optional<RecordId> last;
    if (!topic) return RecordId{};
    Status read =
        call.broker.topics().read_back(*topic, to_the_end, [&](const model::StoredRecord& record) {
          last = record.id;
          return false;
        });
    if (read && last && *last != RecordId{}) return last->previous();
    return call.broker.topics().last_visible_id(*topic);
  }
  std::optional<RecordId> id = parse_id_strict(text, MissingSeq::zero);
  if (!id) call.reply.error(text::invalid_id);
  return id;
}

struct StreamPosition {
  ByteView key;
  RecordId after;
};

// Writes the streams that have something. Result: how many; nothing after an error reply.
std::optional<std::size_t> read_streams(Call& call, const ReadOptions& options,
                                        const std::vector<StreamPosition>& streams,
                                        std::string& out) {
  ReplyWriter writer(out, call.reply.protocol());
  const ReplyWriter::Guess all = writer.guess_map_of_streams(streams.size());
  ReadBudget budget(options, out);
  std::size_t found = 0;
  for (const StreamPosition& stream : streams) {
    if (budget.spent()) break;
    broker::Topic* topic = call.broker.topics().find(stream.key);
    if (!topic || stream.after == RecordId::max()) continue;
    std::size_t begin = out.size();
    if (call.reply.protocol() == Protocol::resp2) writer.array(2);
    writer.bulk(stream.key);
    const ReplyWriter::Guess entries = writer.guess_array(budget.of_stream());
    if (!TRV_MUTANT(guessed_line_counts)) budget.leave_out(entries.size);
    std::size_t count = 0;
    Status done = each_record(call.broker, *topic, stream.after.next(), RecordId::max(),
                              budget.of_stream(), [&](const model::StoredRecord& record) {
                                write_entry(call, writer, *topic, record);
                                ++count;
                                return budget.took_one() && out.size() <= reply_size_max;
                              });
    if (!done && looks_on(call)) {
      out.resize(begin);
      continue;
    }
    if (!done || out.size() > reply_size_max) {
      call.reply.error(done ? std::string(text::reply_too_large) : error_text(done.error()));
      return std::nullopt;
    }
    budget.leave_out(0);
    if (count == 0) {
      out.resize(begin);
      continue;
    }
    writer.correct(entries, count);
    ++found;
  }
  if (found > 0) writer.correct(all, found);
  return found;
}

void xread(Call& call) {
  ReadOptions options;
  if (!parse_read_options(call, false, options)) return;
  std::vector<StreamPosition> streams;
  for (std::size_t i = 0; i < options.stream_count; ++i) {
    ByteView key = call.args[options.keys_at + i];
    // Who waits goes on to wait, whatever lies under the key meanwhile.
    if (!call.retry && find_stream(call, key).refused) return;
    std::size_t id_at = options.keys_at + options.stream_count + i;
    std::optional<RecordId> after = position_arg(call, key, call.args[id_at]);
    if (!after) return;
    streams.push_back({key, *after});
  }
  std::string body = room_for_entries(call);
  std::optional<std::size_t> found = read_streams(call, options, streams, body);
  if (!found) return;
  if (*found > 0) return reply_with_entries(call, std::move(body));
  if (!options.block || !call.may_block()) return call.reply.null_array();
  BlockRequest request;
  request.timeout = *options.block;
  request.args.assign(call.args.begin(), call.args.end());
  for (std::size_t i = 0; i < options.stream_count; ++i) {
    request.names.emplace_back(streams[i].key);
    request.args[options.keys_at + options.stream_count + i] = id_text(streams[i].after);
  }
  call.block = std::move(request);
}

constexpr std::uint32_t reads = flag::read_only | flag::reads_log | flag::tries;

constexpr Command rows[] = {
    {"xrange", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Returns the entries of a stream within a range of ids.", xrange},
    {"xrevrange", -4, reads, Where::keys, KeyRule::range, 1, 1, 1, "stream", "5.0.0",
     "Returns the entries of a stream within a range of ids, newest first.", xrevrange},
    {"xread", -4, reads | flag::blocking, Where::keys, KeyRule::streams, 0, 0, 0, "stream", "5.0.0",
     "Returns entries newer than the given ids, and waits for them if asked to.", xread},
};

}  // namespace

std::span<const Command> stream_read_commands() { return rows; }

}  // namespace trv::redis
