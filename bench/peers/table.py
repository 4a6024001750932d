"""What the rounds of a cell come to: medians, spread, ratios; and markdown."""

import statistics


def medians(result, measure):
    """{"peer": ..., "trivium": ...} -> list of samples, one a round; empty where a side failed."""
    return {side: [each[side][measure] for each in result.rounds if measure in each.get(side, {})]
            for side in ("peer", "trivium")}


def measures(result):
    names = []
    for each in result.rounds:
        for samples in each.values():
            names += [name for name in samples if name not in names]
    return names


def median_of(samples, value):
    return statistics.median(map(value, samples)) if samples else None


def ratio(samples, value):
    """The median of the ratios round by round: noise that lasts hits both sides of a round alike."""
    pairs = [value(b) / value(a) for a, b in zip(samples["peer"], samples["trivium"]) if value(a) > 0]
    return statistics.median(pairs) if pairs else None


def rate(sample):
    return sample.rate


def cpu_per_million(sample):
    return sample.server_cpu * 1e6 / sample.count


def number(value, digits=None):
    if value is None:
        return ""
    if digits is None:
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def microseconds(value):
    if value is None:
        return ""
    if value >= 1e6:
        return f"{value / 1e6:.1f} s"
    return f"{value / 1000:.1f} ms" if value >= 10000 else f"{value / 1000:.2f} ms" if value >= 1000 else f"{value:.0f} us"


def spread(samples, missing="failed"):
    rates = [sample.rate for sample in samples]
    return f"{number(statistics.median(rates))} ({number(min(rates))}..{number(max(rates))})" if len(rates) > 1 \
        else number(rates[0]) if rates else missing


def verdict(value, aim, highest=False):
    """Aims are at least a ratio of rates, or at most a ratio of what is better small."""
    if aim is None:
        return ""
    text = f"{'<=' if highest else '>='} {aim:g}: "
    if value is None:
        return text + "failed"
    return text + ("met" if (value <= aim if highest else value >= aim) else "**short**")


def p99_of(sample):
    """Of the delivery, or of the confirm where nothing is delivered; 0 where nothing is known."""
    return (sample.latency.get("delivered") or sample.latency.get("confirmed") or {}).get("p99_us", 0.0)


def p99(samples):
    values = [p99_of(sample) for sample in samples if p99_of(sample) > 0]
    return statistics.median(values) if values else None


def busy(samples, value):
    """Cores that were in use, of the server or the client."""
    return median_of(samples, lambda sample: value(sample) / sample.seconds)


THROUGHPUT_HEAD = """\
| cell | measure | peer/s | Trivium/s | ratio | aim | peer CPU s/M | Trivium CPU s/M | CPU ratio | <= 0.5 | p99 peer | p99 Trivium | \
client cores | peer, Trivium cores |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def throughput_rows(result):
    for measure in measures(result):
        samples = medians(result, measure)
        value, cpu = ratio(samples, rate), ratio(samples, cpu_per_million)
        peer, ours = samples["peer"], samples["trivium"]
        yield " | ".join([
            f"| {result.cell.what}", measure, spread(peer), spread(ours), number(value, 2),
            verdict(value, result.cell.aims.get(measure)),
            number(median_of(peer, cpu_per_million)), number(median_of(ours, cpu_per_million)), number(cpu, 2),
            "" if cpu is None else "met" if cpu <= 0.5 else "**short**",
            microseconds(p99(peer)), microseconds(p99(ours)),
            f"{number(busy(peer, lambda s: s.client_cpu), 1)}, {number(busy(ours, lambda s: s.client_cpu), 1)}",
            f"{number(busy(peer, lambda s: s.server_cpu), 1)}, {number(busy(ours, lambda s: s.server_cpu), 1)} |"])


def throughput(results):
    lines = [THROUGHPUT_HEAD]
    for result in results:
        lines += throughput_rows(result)
        lines += [f"| {result.cell.what} | FAILED: {one_line(error)} |" + " |" * 12 for error in result.errors]
    return "\n".join(lines)


def one_line(text):
    return " ".join(text.split())[:300].replace("|", "/")
