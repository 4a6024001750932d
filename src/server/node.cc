#include "server/node.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "admin/server.h"
#include "amqp/convert.h"
#include "amqp/listener.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/cold_reads.h"
#include "io/posix.h"
#include "kafka/convert.h"
#include "kafka/listener.h"
#include "redis/convert.h"
#include "redis/listener.h"
#include "runtime/core.h"
#include "runtime/offload_pool.h"
#include "runtime/process.h"
#include "server/checkpointer.h"
#include "server/cluster_id.h"
#include "storage/store.h"

namespace trv::server {

namespace {

// How long stop() waits for peers to take what they were sent and to hang up.
constexpr std::chrono::milliseconds drain_time_max{500};
constexpr std::chrono::milliseconds drain_check_interval{5};
// Closures that cross from core to core and back have ended after this many visits of each.
constexpr int settling_visits = 3;

// Runs every recovered change on the broker that owns its shard.
class Replay final : public storage::RecoveryVisitor {
 public:
  explicit Replay(const std::vector<broker::Broker*>& brokers) : brokers_(brokers) {}
  Status on_checkpoint(ShardId shard, ByteView state) override {
    return owner_of(shard).restore_shard(shard, state);
  }
  Status on_entry(storage::EntryKind kind, ShardId shard, ByteView payload,
                  BlobRange where) override {
    return owner_of(shard).apply(kind, shard, payload, where);
  }

 private:
  broker::Broker& owner_of(ShardId shard) {
    return *brokers_[brokers_.front()->owner_of(shard).value];
  }
  const std::vector<broker::Broker*>& brokers_;
};

void log_recovery(const storage::RecoveryReport& report, std::chrono::milliseconds time) {
  for (const storage::Damage& tail : report.torn_tails) {
    log::info("cut off an unfinished write in segment {:016x} at {}: {}", tail.segment,
              tail.position, tail.what);
  }
  for (const storage::Damage& damage : report.damaged) {
    log::error("damaged data in segment {:016x} at {}: {}", damage.segment, damage.position,
               damage.what);
  }
  log::info("recovered {} changes ({} bytes) from {} segments in {} ms", report.entries,
            report.bytes, report.segments, time.count());
}

// `option` is what the user would change.
Error port_error(const Error& error, std::string_view option) {
  std::string advice;
  if (error.code == Errc::in_use) {
    advice = fmt::format("; is another server running? --{} chooses another port", option);
  }
  return {error.code, error.message + advice};
}

}  // namespace

// Where the page cache is enough by default, the disk is left to the kernel for about a second.
constexpr int lazy_sync_ticks = 10;
// Of old records, from the disk: so many at a time, of all cores together.
constexpr int read_threads = 4;

struct Node::State {
  // One core and what lives on it; destroyed from the last member to the first.
  struct Lane {
    std::unique_ptr<runtime::Core> core;
    std::unique_ptr<broker::Broker> broker;
    std::unique_ptr<amqp::Server> amqp;
    std::unique_ptr<redis::Server> redis;
    std::unique_ptr<kafka::Server> kafka;
    std::unique_ptr<runtime::CoreThread> thread;
  };

  config::Config config;
  amqp::AmqpCodec message_codec;
  redis::FieldsCodec fields_codec;
  kafka::BatchCodec batch_codec;
  std::unique_ptr<io::Directory> directory;
  std::unique_ptr<storage::Store> store;
  std::unique_ptr<runtime::OffloadPool> pool;
  // Reads of old records have their own: a sync must not stand behind them.
  std::unique_ptr<runtime::OffloadPool> read_pool;
  std::vector<Lane> lanes;
  std::unique_ptr<Checkpointer> checkpointer;  // on the first lane's core
  // The HTTP API has a core of its own, which owns no shards.
  std::unique_ptr<runtime::Core> admin_core;
  std::unique_ptr<admin::Server> admin;
  std::unique_ptr<runtime::CoreThread> admin_thread;
  broker::Broker::Volume replayed;
  Ports ports;

  ~State() { tear_down(); }

  Status open_store();
  Status build_brokers();
  Status recover();
  Status open_listeners();
  Status open_admin();
  Status start_journals();
  void run_cores();

  std::uint64_t memory_share() const;  // of one core
  runtime::ConnectionLimits connection_limits() const;
  // Runs `work(lane)` on every core, one after the other.
  template <class F>
  void on_every_core(F work);
  void drain();
  Status stop();
  void tear_down();
};

// A quarter of the memory, for each of what is received, unsent and unsynced; the rest is for what
// is made on the way.
std::uint64_t Node::State::memory_share() const {
  return config.memory_limit / 4 / static_cast<std::uint64_t>(config.shards);
}

runtime::ConnectionLimits Node::State::connection_limits() const {
  runtime::ConnectionLimits limits;
  limits.received_max = memory_share();
  limits.unsent_max = memory_share();
  limits.send_timeout = config.send_timeout;
  return limits;
}

Status Node::State::open_store() {
  auto opened = io::open_posix_directory(config.data_dir);
  if (!opened) {
    return Error{opened.error().code, "data-dir: " + opened.error().message};
  }
  directory = std::move(*opened);
  storage::JournalOptions options;
  options.segment_size = config.segment_size;
  options.sync_interval = config.sync_interval;
  options.disk_free_min = config.disk_free_min;
  options.unsynced_size_max = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(options.unsynced_size_max, memory_share()));
  options.cache_size = std::min(options.cache_size, options.unsynced_size_max / 4);
  if (config.durability <= Durability::os) options.lazy_sync_ticks = lazy_sync_ticks;
  auto store_opened = storage::Store::open(*directory, options);
  if (store_opened) {
    store = std::move(*store_opened);
    return {};
  }
  const Error& error = store_opened.error();
  if (error.code == Errc::in_use) {
    return Error{error.code,
                 fmt::format("data-dir: {} is in use by another process", config.data_dir)};
  }
  return Error{error.code, fmt::format("data-dir: {}: {}", config.data_dir, error.message)};
}

Status Node::State::build_brokers() {
  auto cluster_id = ensure_cluster_id(*directory);
  if (!cluster_id) return Error{cluster_id.error().code, "data-dir: " + cluster_id.error().message};
  broker::BrokerOptions options;
  options.placement_by_tag = store->places_by_tag();
  options.durability = config.durability;
  options.message_size_max = config.message_size_max;
  options.auto_partition_count = config.kafka_topic_partitions;
  options.cluster_id = *cluster_id;
  broker::Codecs codecs{&batch_codec, &message_codec, &fields_codec};

  pool = std::make_unique<runtime::OffloadPool>();
  read_pool = std::make_unique<runtime::OffloadPool>(read_threads);
  std::vector<broker::Broker*> brokers;
  for (int i = 0; i < config.shards; ++i) {
    Lane& lane = lanes.emplace_back();
    lane.core =
        std::make_unique<runtime::Core>(CoreIndex(static_cast<std::uint16_t>(i)), pool.get());
    lane.core->set_connection_limits(connection_limits());
    lane.broker = std::make_unique<broker::Broker>(*lane.core, options, codecs);
    lane.broker->use_pages(std::make_shared<storage::PageFiles>(*directory));
    lane.broker->cold_reads().use(
        [core = lane.core.get(), reads = read_pool.get()](UniqueFunction<void()> blocking,
                                                          UniqueFunction<void()> done) {
          reads->submit([core, blocking = std::move(blocking), done = std::move(done)]() mutable {
            blocking();
            core->post(std::move(done));
          });
        });
    brokers.push_back(lane.broker.get());
  }
  for (broker::Broker* broker : brokers) broker->connect(brokers);
  return {};
}

Status Node::State::recover() {
  auto begun = runtime::steady_now();
  std::vector<broker::Broker*> brokers;
  for (Lane& lane : lanes) brokers.push_back(lane.broker.get());
  Replay replay(brokers);
  auto report = store->recover(replay);
  if (!report) {
    return Error{report.error().code, fmt::format("data-dir: recovering {}: {}", config.data_dir,
                                                  report.error().message)};
  }
  for (broker::Broker* broker : brokers) broker->open_pages(store->page_files());
  replayed = {report->entries, report->bytes};
  log_recovery(*report, std::chrono::duration_cast<std::chrono::milliseconds>(
                            runtime::steady_now() - begun));
  return {};
}

// Before the cores run, so that no connection meets a half-built node.
Status Node::State::open_listeners() {
  ports = {config.amqp_port, config.redis_port, config.kafka_port, config.management_port};
  bool shared = lanes.size() > 1;
  for (Lane& lane : lanes) {
    // The first core may have been given a free port; the others share it.
    amqp::Options amqp_options;
    amqp_options.bind = config.bind;
    amqp_options.port = ports.amqp;
    amqp_options.shared = shared;
    amqp_options.version = TRV_VERSION;
    auto amqp = amqp::Server::open(*lane.core, *lane.broker, amqp_options);
    if (!amqp) return port_error(amqp.error(), "amqp-port");
    lane.amqp = std::move(*amqp);
    ports.amqp = lane.amqp->port();

    redis::Options redis_options;
    redis_options.bind = config.bind;
    redis_options.port = ports.redis;
    redis_options.shared = shared;
    redis_options.key_events = config.redis_key_events;
    auto redis = redis::Server::open(*lane.core, *lane.broker, redis_options);
    if (!redis) return port_error(redis.error(), "redis-port");
    lane.redis = std::move(*redis);
    ports.redis = lane.redis->port();

    kafka::Options kafka_options;
    kafka_options.bind = config.bind;
    kafka_options.port = ports.kafka;
    kafka_options.shared = shared;
    kafka_options.advertised_host = config.advertised_host;
    kafka_options.auto_create_topics = config.kafka_auto_create_topics;
    kafka_options.login_required = config.kafka_login_required;
    kafka_options.data_dir = std::filesystem::absolute(config.data_dir).lexically_normal();
    auto kafka = kafka::Server::open(*lane.core, *lane.broker, kafka_options);
    if (!kafka) return port_error(kafka.error(), "kafka-port");
    lane.kafka = std::move(*kafka);
    ports.kafka = lane.kafka->port();
  }
  std::vector<amqp::Server*> amqp_servers;
  std::vector<redis::Server*> redis_servers;
  std::vector<kafka::Server*> kafka_servers;
  for (Lane& lane : lanes) {
    amqp_servers.push_back(lane.amqp.get());
    redis_servers.push_back(lane.redis.get());
    kafka_servers.push_back(lane.kafka.get());
  }
  for (Lane& lane : lanes) {
    lane.amqp->connect(amqp_servers);
    lane.redis->connect(redis_servers);
    lane.kafka->connect(kafka_servers);
  }
  return {};
}

Status Node::State::open_admin() {
  admin_core = std::make_unique<runtime::Core>(CoreIndex(static_cast<std::uint16_t>(lanes.size())),
                                               pool.get());
  admin_core->set_connection_limits(connection_limits());
  admin::Options options;
  options.bind = config.bind;
  options.port = ports.management;
  Lane& first = lanes.front();
  admin::Facts facts;
  facts.version = TRV_VERSION;
  facts.cluster = "trivium@" + first.broker->options().cluster_id;
  facts.node = facts.cluster;
  facts.data_dir = std::filesystem::absolute(config.data_dir).lexically_normal();
  facts.bind = config.bind;
  facts.disk_free_min = config.disk_free_min;
  facts.ports = {{"amqp", ports.amqp}, {"redis", ports.redis}, {"kafka", ports.kafka}};
  facts.started = runtime::steady_now();
  auto opened = admin::Server::open(*admin_core, *first.broker, first.amqp->operations(), options,
                                    std::move(facts));
  if (!opened) return port_error(opened.error(), "management-port");
  admin = std::move(*opened);
  ports.management = admin->port();
  return {};
}

Status Node::State::start_journals() {
  std::vector<std::unique_ptr<storage::Journal>> journals;
  for (Lane& lane : lanes) {
    auto journal = store->open_lane(
        lane.core->index(),
        [core = lane.core.get()](UniqueFunction<void()> blocking, UniqueFunction<void()> done) {
          core->offload(std::move(blocking), std::move(done));
        });
    if (!journal) {
      return Error{journal.error().code,
                   "data-dir: opening the journal: " + journal.error().message};
    }
    journals.push_back(std::move(*journal));
  }
  std::vector<broker::Broker*> brokers;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    lanes[i].broker->start(std::move(journals[i]));
    brokers.push_back(lanes[i].broker.get());
  }
  checkpointer = std::make_unique<Checkpointer>(*store, std::move(brokers), replayed);
  checkpointer->start();
  return {};
}

void Node::State::run_cores() {
  for (Lane& lane : lanes) lane.thread = std::make_unique<runtime::CoreThread>(*lane.core);
  admin_thread = std::make_unique<runtime::CoreThread>(*admin_core);
}

template <class F>
void Node::State::on_every_core(F work) {
  for (Lane& lane : lanes) lane.thread->call([&lane, &work] { work(lane); });
}

void Node::State::drain() {
  auto until = runtime::steady_now() + drain_time_max;
  for (;;) {
    std::size_t open = 0;
    on_every_core([&open](Lane& lane) { open += lane.core->stream_count(); });
    if (open == 0) return;
    if (runtime::steady_now() >= until) {
      log::debug("{} connections have not ended by themselves", open);
      return;
    }
    runtime::pause_thread(drain_check_interval);
  }
}

Status Node::State::stop() {
  // What it asked of the cores may still be answered; nobody waits for it then.
  admin_thread->call([this] {
    admin->stop();
    admin_core->stop();
  });
  lanes.front().thread->call([this] { checkpointer->stop(); });
  on_every_core([](Lane& lane) {
    lane.amqp->stop();
    lane.redis->stop();
    lane.kafka->stop();
  });
  drain();
  for (int i = 0; i < settling_visits; ++i) on_every_core([](Lane&) {});

  std::vector<broker::Broker::Volume> journaled;
  on_every_core([&journaled](Lane& lane) { journaled.push_back(lane.broker->volume()); });
  std::vector<Result<storage::Journal::End>> closed;
  Checkpointer::Last last;
  lanes.front().thread->call([&] { last = checkpointer->begin_last(std::move(journaled)); });
  on_every_core([&closed, &last](Lane& lane) {
    last.take(*lane.broker);
    closed.push_back(lane.broker->stop());
    // Nothing runs on this core after this closure, so nothing meets a broker without a journal.
    lane.core->stop();
  });
  Status all;
  std::vector<storage::Journal::End> ends;
  for (const auto& end : closed) {
    if (end) ends.push_back(*end);
    if (!end) all = Error{end.error().code, "closing the journal: " + end.error().message};
  }
  // A hint for the next start; it does without.
  if (all && last.whole()) {
    if (Status written = checkpointer->write_last(std::move(last)); !written) {
      log::warn("the last checkpoint was not written: {}", written.error().message);
    }
  }
  if (all) {
    if (Status ended = store->end_session(ends); !ended) {
      log::warn("the end of the journal was not noted: {}", ended.error().message);
    }
  }
  tear_down();
  return all;
}

// In reverse order of building, whatever was built. The cores do not run any more, or never did.
void Node::State::tear_down() {
  for (Lane& lane : lanes) {
    lane.thread.reset();  // waits for its end
  }
  admin_thread.reset();
  if (pool) pool->stop();
  if (read_pool) read_pool->stop();
  checkpointer.reset();
  admin.reset();
  admin_core.reset();
  for (Lane& lane : lanes) {
    lane.kafka.reset();
    lane.redis.reset();
    lane.amqp.reset();
  }
  for (Lane& lane : lanes) lane.broker.reset();
  lanes.clear();
  pool.reset();
  read_pool.reset();
  store.reset();
  directory.reset();
}

Node::Node(std::unique_ptr<State> state) : state_(std::move(state)) {}
Node::~Node() = default;
const Ports& Node::ports() const { return state_->ports; }
Status Node::stop() { return state_->stop(); }

Result<std::unique_ptr<Node>> Node::start(const config::Config& config) {
  auto state = std::make_unique<State>();
  state->config = config;
  for (auto step : {&State::open_store, &State::build_brokers, &State::recover,
                    &State::open_listeners, &State::open_admin, &State::start_journals}) {
    if (Status done = (state.get()->*step)(); !done) return done.error();
  }
  state->run_cores();
  const Ports& ports = state->ports;
  log::info("listening on {}: AMQP 0-9-1 on {}, Redis on {}, Kafka on {}, the HTTP API on {}",
            config.bind, ports.amqp, ports.redis, ports.kafka, ports.management);
  return std::unique_ptr<Node>(new Node(std::move(state)));
}

}  // namespace trv::server
