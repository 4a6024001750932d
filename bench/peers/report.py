"""docs/performance: the tables as markdown, from what a run found."""

from peers import table
from peers.table import cpu_per_million, median_of, medians, microseconds, number, rate, ratio, verdict

GROUNDS = (("redis", "Redis ground"), ("amqp", "AMQP ground"), ("kafka", "Kafka ground"))
CPU_AIM = 0.5
IDLE_AIMS = {"Redis": 2.0, "RabbitMQ": 0.1, "Kafka": 0.1}

NOTES = """\
## How it is measured

- **Interleaved.** Each round runs the peer, then Trivium, with the same program and options. The ratio is the median of the ratios of the
  rounds; rates are medians, with lowest and highest behind. Before each side the servers settle, `sync` runs, and a GiB of free
  memory is touched, so neither pays for what the other left behind or for pages that the machine's host has taken back.
- **Same durability.** Redis without persistence or with appendfsync no, everysec and always stand against Trivium's `os`, `interval` and `fsync`; Kafka's default
  flush against `os`, `flush.messages=1` against `fsync`; RabbitMQ always against `fsync`, persistent or transient as the message says.
- **Clients** are the peers' own tools or C programs over hiredis, librabbitmq and librdkafka (`bench/clients/*_flow.c`), which fail when a
  message is not acknowledged, missing, doubled or of another size. They run on the same cores as the server. *Client cores* says how busy
  the client was: a side whose client is busier than its server is held back by the client, not by the server.
- **Settings.** Redis: append-only file never rewritten during a run (in Redis's favour). RabbitMQ: Debian's defaults. Kafka: one KRaft
  node, heap 1 GiB, its own start script's collector settings, warmed up before the first cell. Trivium: defaults but for `--durability`.
  The side that is not measured stays up and idle; what an idle server costs is in a table above.
- **Quorum.** Trivium has no quorum queues and refuses `x-queue-type=quorum`; rows *against quorum* compare RabbitMQ's quorum queue with
  Trivium's ordinary durable queue. One node each: nothing is replicated on either side.
- **CPU** is user and system time of the server's process, all threads, over the messages of the measure; the kernel's own threads are not
  in it. **Bytes written** are those that the process sent to the disk. Processes are read before and after each measure.
- **Latency** at a rate counts from the time a message was due, so a stall is charged for all that it held up. Latency in tables of
  throughput is that of a full pipeline or window.
"""


ROUGH = "**Rough figures**: fewer than five rounds, or a machine busy with other work. They show what is far off; do not quote them."


def head(found):
    machine = found["machine"]
    rough = [ROUGH, ""] if found["rounds"] < 5 or machine["load_before"] > 0.5 else []
    return [
        "# Side by side with Redis, RabbitMQ and Kafka", "",
        f"`{found['command']}` wrote this page, `results.json` and the plots. Trivium's commit: `{machine['commit']}`, {machine['time']}.", "",
        f"- Machine: {machine['machine']}; load average before: {machine['load_before']:.1f}.",
        f"- Servers: {', '.join(machine['servers'])}.", f"- Clients: {', '.join(machine['clients'])}.",
        f"- Rounds: {found['rounds']}, of {found['scale']:g} times each cell's seconds.", "", *rough]


# -- aims

def _aim_rows(results):
    for result in results:
        for measure, aim in result.cell.aims.items():
            value = ratio(medians(result, measure), rate)
            yield f"| {result.cell.what}: {measure} | rate | {number(value, 2)} | {verdict(value, aim)} |"
        for measure, aim in result.cell.p99_aims.items():
            value = ratio(medians(result, measure), table.p99_of)
            yield f"| {result.cell.what}: {measure} | p99 | {number(value, 2)} | {verdict(value, aim, highest=True)} |"


def _cpu_rows(results):
    for ground, title in GROUNDS:
        ratios = []
        for result in results:
            if result.cell.name.startswith(ground + "/"):
                ratios += [ratio(medians(result, measure), cpu_per_million) for measure in table.measures(result)]
        ratios = sorted(value for value in ratios if value is not None)
        if ratios:
            middle = ratios[len(ratios) // 2]
            met = sum(value <= CPU_AIM for value in ratios)
            yield f"| {title}: CPU per message, median of {len(ratios)} measures ({met} meet it) | CPU | {middle:.2f} | " \
                  f"{verdict(middle, CPU_AIM, highest=True)} |"


def _idle_rows(cost):
    ours = cost["idle"].get("Trivium")
    for name, aim in IDLE_AIMS.items():
        peer = cost["idle"].get(name)
        for what, key in (("idle memory", "resident"), ("start time", "start_seconds")):
            value = ours[key] / peer[key] if ours and peer else None
            yield f"| {what}, against {name} | {what} | {number(value, 2)} | {verdict(value, aim, highest=True)} |"


def aims(found, results):
    lines = ["## Aims", "", "Ratios Trivium / peer.", "", "| cell | of | ratio | aim |", "|---|---|---|---|"]
    lines += [*_aim_rows(results), *_cpu_rows(results)]
    if found.get("cost"):
        lines += _idle_rows(found["cost"])
    return [*lines, ""]


# -- sections

def throughput(results):
    lines = []
    for ground, title in GROUNDS:
        mine = [result for result in results if result.cell.section == "throughput" and result.cell.name.startswith(ground + "/")]
        if mine:
            lines += [f"## {title}", "", table.throughput(mine), ""]
    return lines


def _latency_text(samples, kind):
    parts = [median_of([sample for sample in samples if kind in sample.latency], lambda sample: sample.latency[kind].get(key, 0.0))
             for key in ("p50_us", "p99_us", "p999_us")]
    return " / ".join(microseconds(part) for part in parts) if parts[0] is not None else ""


def latency(results):
    mine = [result for result in results if result.cell.section == "latency"]
    if not mine:
        return []
    lines = ["## Latency at a fixed rate", "", "p50 / p99 / p99.9, from the time a message was due.", "",
             "| cell | load | messages/s | confirmed: peer | confirmed: Trivium | delivered: peer | delivered: Trivium | p99 delivered, ratio |",
             "|---|---|---|---|---|---|---|---|"]
    for result in mine:
        for measure in table.measures(result):
            samples = medians(result, measure)
            wanted = next(sample.extra["wanted"] for side in samples.values() for sample in side)
            cells = [_latency_text(samples[side], kind) for kind in ("confirmed", "delivered") for side in ("peer", "trivium")]
            lines.append(f"| {result.cell.what} | {measure} | {wanted:,} | {' | '.join(cells)} | "
                         f"{number(ratio(samples, table.p99_of), 2)} |")
        lines += [f"| {result.cell.what} | FAILED: {table.one_line(error)} | | | | | | |" for error in result.errors]
    return [*lines, ""]


def written(results):
    """Bytes sent to the disk per byte of message, where a measure publishes."""
    lines = ["## Bytes written per byte published", "", "| cell | measure | peer | Trivium |", "|---|---|---|---|"]
    for result in results:
        for measure in table.measures(result):
            samples = medians(result, measure)
            sample = next(each for side in samples.values() for each in side)
            if result.cell.section != "throughput" or sample.size == 0 or measure in ("group", "consume", "get", "pubsub"):
                continue
            peer, ours = (median_of(samples[side], lambda s: s.written / (s.count * s.size)) for side in ("peer", "trivium"))
            lines.append(f"| {result.cell.what} | {measure} | {number(peer, 2)} | {number(ours, 2)} |")
    return [*lines, ""] if len(lines) > 4 else []


def scale(results):
    mine = [result for result in results if result.cell.section == "scale"]
    if not mine:
        return []
    lines = ["## Scale", "", "| cell | measure | peer/s | Trivium/s | ratio | peer CPU s/M | Trivium CPU s/M | peer RSS | Trivium RSS |",
             "|---|---|---|---|---|---|---|---|---|"]
    for result in mine:
        for measure in table.measures(result):
            samples = medians(result, measure)
            sides = [samples["peer"], samples["trivium"]]
            resident = [median_of([s for s in side if "resident" in s.extra], lambda s: s.extra["resident"]) for side in sides]
            columns = [table.spread(side, "") for side in sides] + [number(ratio(samples, rate), 2)] + \
                      [number(median_of(side, cpu_per_million)) for side in sides] + [mebibytes(value) for value in resident]
            lines.append(f"| {result.cell.what} | {measure} | {' | '.join(columns)} |")
        for word, texts in (("FAILED", result.errors), ("out of time", result.limits)):
            lines += [f"| {result.cell.what} | {word}: {table.one_line(text)} |" + " |" * 7 for text in texts]
    return [*lines, ""]


def mebibytes(value):
    return "" if value is None else f"{value / (1 << 20):,.1f} MiB"


def cost(found):
    if not found:
        return []
    lines = ["## Cost without load", "",
             "Installed: Trivium's stripped binary; Debian's packages of Redis, and of RabbitMQ with Erlang; Kafka's jars with the Java runtime.", "",
             "| server | start, empty directory | resident, idle | cores, idle | installed |", "|---|---|---|---|---|"]
    for name, each in found["idle"].items():
        lines.append(f"| {name} | {each['start_seconds'] * 1000:,.0f} ms | {mebibytes(each['resident'])} | {each['idle_cores']:.3f} | "
                     f"{mebibytes(found['installed'][name])} |")
    lines += ["", "Memory with messages of 100 bytes (as many as a side took in the time, where fewer):", "",
              "| what | peer | messages | resident | Trivium: messages | resident |", "|---|---|---|---|---|---|"]
    for ground, each in found["memory"].items():
        columns = [f"{each[side]['count']:,} | {mebibytes(each[side]['resident'])}" if side in each else "failed | "
                   for side in ("peer", "trivium")]
        lines.append(f"| {found['titles'][ground][0]} | {found['titles'][ground][1]} | {' | '.join(columns)} |")
    lines += [f"\nFAILED: {table.one_line(error)}" for error in found["errors"]]
    return [*lines, ""]


def plots(names):
    return [*(f"![{title}]({name}.svg)\n" for name, title in names)]


def page(found, results, plot_names=()):
    lines = [*head(found), *aims(found, results), *plots(plot_names), *throughput(results), *latency(results), *cost(found.get("cost")),
             *written(results), *scale(results), NOTES]
    return "\n".join(lines)
