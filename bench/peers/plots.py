"""The plots of docs/performance, in SVG and PNG."""

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "trivium"  # the same figures give the same file
from matplotlib import pyplot  # noqa: E402

from peers import table  # noqa: E402
from peers.report import GROUNDS  # noqa: E402
from peers.table import cpu_per_million, median_of, medians, rate, ratio  # noqa: E402

PEER, OURS = "#9a9a9a", "#1f6feb"


def save(figure, out, name):
    figure.tight_layout()
    for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        figure.savefig(out / f"{name}.{suffix}", dpi=110, metadata=metadata)
    pyplot.close(figure)


def rows_of(results, ground):
    """(label, ratio of rates, ratio of CPU, aim) of every measure that both sides gave."""
    for result in results:
        if result.cell.section != "throughput" or not result.cell.name.startswith(ground + "/"):
            continue
        for measure in table.measures(result):
            samples = medians(result, measure)
            value = ratio(samples, rate)
            if value is not None:
                yield f"{result.cell.name[len(ground) + 1:]}: {measure}", value, ratio(samples, cpu_per_million), \
                    result.cell.aims.get(measure)


def ratio_plot(results, ground, title, out):
    rows = list(rows_of(results, ground))[::-1]
    if not rows:
        return None
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 1.2 + 0.24 * len(rows)), sharey=True)
    left.barh([row[0] for row in rows], [row[1] for row in rows], color=OURS)
    for place, row in enumerate(rows):
        if row[3]:
            left.plot([row[3]] * 2, [place - 0.4, place + 0.4], color="black", linewidth=2)
    left.set_title(f"{title}: rate, Trivium / peer (black: aim)", fontsize=10)
    right.barh([row[0] for row in rows], [row[2] or 0 for row in rows], color=OURS)
    right.axvline(0.5, color="black", linewidth=1)
    right.set_title("CPU per message, Trivium / peer (line: aim)", fontsize=10)
    for axis in (left, right):
        axis.set_xscale("log")
        axis.axvline(1, color=PEER, linewidth=1)
        axis.tick_params(labelsize=7)
    save(figure, out, f"ratio-{ground}")
    return f"ratio-{ground}", f"{title}: ratios"


def latency_plot(results, out):
    rows = []
    for result in results:
        if result.cell.section == "latency":
            for measure in table.measures(result):
                samples = medians(result, measure)
                rows.append((f"{result.cell.name[len('latency/'):]} {measure}", table.p99(samples["peer"]), table.p99(samples["trivium"])))
    rows = [row for row in rows if row[1] and row[2]][::-1]
    if not rows:
        return None
    figure, axis = pyplot.subplots(figsize=(10, 1.2 + 0.34 * len(rows)))
    places = range(len(rows))
    axis.barh([place + 0.2 for place in places], [row[1] / 1000 for row in rows], 0.38, color=PEER, label="peer")
    axis.barh([place - 0.2 for place in places], [row[2] / 1000 for row in rows], 0.38, color=OURS, label="Trivium")
    axis.set_yticks(list(places), [row[0] for row in rows], fontsize=7)
    axis.set_xscale("log")
    axis.set_xlabel("ms")
    axis.set_title("p99 of delivery at a part of the slower side's peak", fontsize=10)
    axis.legend()
    save(figure, out, "latency")
    return "latency", "p99 of delivery"


def scale_plot(results, out):
    """Rate against the number of names, one panel a kind."""
    kinds = {}
    for result in results:
        parts = result.cell.name.split("/")
        if parts[0] == "scale" and parts[1] != "backlog":
            for measure in table.measures(result):
                samples = medians(result, measure)
                kinds.setdefault(parts[1], []).append(
                    (int(parts[2]), *(median_of(samples[side], rate) for side in ("peer", "trivium"))))
    if not kinds:
        return None
    figure, axes = pyplot.subplots(1, len(kinds), figsize=(4 * len(kinds), 3.4), squeeze=False)
    for axis, (kind, points) in zip(axes[0], kinds.items()):
        for column, color, label in ((1, PEER, "peer"), (2, OURS, "Trivium")):
            known = [(point[0], point[column]) for point in sorted(points) if point[column]]
            axis.plot([x for x, _ in known], [y for _, y in known], "o-", color=color, label=label)
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_title(f"messages/s by number of {kind}", fontsize=9)
        axis.tick_params(labelsize=7)
    axes[0][0].legend()
    save(figure, out, "scale")
    return "scale", "Rate by number of streams, queues and partitions"


def draw(results, out):
    """Draws what there are results for; returns [(file name without ending, title)]."""
    drawn = [ratio_plot(results, ground, title, out) for ground, title in GROUNDS]
    drawn += [latency_plot(results, out), scale_plot(results, out)]
    return [each for each in drawn if each]
