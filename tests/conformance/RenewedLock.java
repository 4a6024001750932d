// A share consumer that takes longer over a record than it may keep it, and renews its lock: what kafka_tools.py runs.
// While it has the record, a second consumer of the group must not get it. Prints one line of what came of it.
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;

public class RenewedLock {
  static KafkaShareConsumer<String, String> join(String bootstrap, String topic, String group) {
    KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(Map.of(
        "bootstrap.servers", bootstrap, "group.id", group, "share.acknowledgement.mode", "explicit",
        "key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer",
        "value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer"));
    consumer.subscribe(List.of(topic));
    return consumer;
  }

  // --bootstrap-server HOST:PORT TOPIC GROUP SECONDS
  public static void main(String[] arguments) throws InterruptedException {
    long end = System.currentTimeMillis() + 1000 * Long.parseLong(arguments[4]);
    AtomicInteger renewals = new AtomicInteger();
    AtomicInteger foreign = new AtomicInteger();
    AtomicInteger failures = new AtomicInteger();
    String first = null;
    boolean again = false;
    try (var holder = join(arguments[1], arguments[2], arguments[3]);
         var other = join(arguments[1], arguments[2], arguments[3])) {
      holder.setAcknowledgementCommitCallback((offsets, error) -> {
        if (error != null) failures.incrementAndGet();
      });
      while (System.currentTimeMillis() < end) {
        for (ConsumerRecord<String, String> record : holder.poll(Duration.ofSeconds(2))) {
          again = again || (first != null && record.deliveryCount().get() > 1);
          first = record.value();
          holder.acknowledge(record, AcknowledgeType.RENEW);
          renewals.incrementAndGet();
        }
        if (first == null) continue;
        foreign.addAndGet(other.poll(Duration.ofSeconds(2)).count());
      }
      // The last renewal may be under way still; the record is there again when it is done.
      for (int taken = 0, tries = 0; taken == 0 && tries < 20; ++tries) {
        for (ConsumerRecord<String, String> record : holder.poll(Duration.ofSeconds(1))) {
          holder.acknowledge(record);
          ++taken;
        }
        holder.commitSync();
      }
    }
    System.out.println("record " + first + (renewals.get() > 2 ? " renewed" : " kept") + ", delivered " + (again ? "again" : "once")
        + ", to others " + foreign + ", failures " + failures);
  }
}
