"""`paperlib bench`, and the README's section on speed: its table and its picture, from the records."""
import re
from base64 import b64decode
from pathlib import Path
from statistics import median

import numpy as np

from paperlib.bench import timing
from paperlib.bench.scaling import BESIDE_PEERS
from paperlib.device import keep_memory
from paperlib.tables import costs, dials, records
from paperlib.teach.draw import color, style
from paperlib.teach.png import render

SECTION = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
NAMES = {"retinanet_resnet50": "RetinaNet, ResNet-50",
         "faster_rcnn_resnet50": "Faster R-CNN, ResNet-50, pyramid",
         "retinanet_tiny": "RetinaNet, tiny", "scorer": "COCO's twelve numbers",
         "scorer full": "COCO's twelve numbers, 5,000 images"}
HEAVY = ("scorer full",)  # timed when it is asked for
BEFORE = "fd6801f4de"  # the last commit before training was made faster; its time was measured once and kept
WORK = {"step": "training step", "inference": "inference"}
GROWS = {"images": "o", "anchors": "s", "classes": "D", "proposals": "^"}  # with their marks in the picture
HEAD = """\
| on one thread | torchvision, pycocotools | paperlib | times as fast | of |
|---|---|---|---|---|
"""
ALL_RUNS = "All tables at the {plan} budget: {runs} runs."
ALL_RUNS_AND_COST = (
    "All tables at the {plan} budget: {runs} runs, "
    "about {all:.0f} core-minutes on a CPU with units for bfloat16."
)
ALL_RUNS_AND_COST_BEFORE = (
    "All tables at the {plan} budget: {runs} runs, "
    "about {all:.0f} core-minutes on a CPU with units for bfloat16 "
    "({times:.1f} times as long before training was made faster, at commit {before}, "
    "as measured on RetinaNet)."
)
RECORDED_NONE = "Recorded: 0 runs."
RECORDED = "Recorded: {done} runs in {minutes:.0f} core-minutes."
RECORDED_WITH_OLDER = (
    "Recorded: {done} runs in {minutes:.0f} core-minutes, "
    "of which {older} runs took {older_minutes:.0f} core-minutes on a CPU without such units."
)
OLDER_CPU = (
    "A CPU without them makes float32 products: the {number} runs of `dials/precision` that were "
    "measured on one took {times:.1f} times as long (median) as the tables' own."
)


def bench(
    ids: list[str] | None,
    repeats: int,
    device: str | None,
    full: bool,
    shrink: int | None,
    drawing: str | None,
) -> None:
    """Time the rows, print all as the README shows it; `drawing`: the picture's file."""
    keep_memory()
    if ids is None:
        ids = [row for row in BESIDE_PEERS if full or row not in HEAVY]
    for record in timing.bench(BESIDE_PEERS, timing.PEERS, ids, repeats, device, shrink):
        peaks = record.get("megabytes", {})
        memory = ", ".join(f"{name}: {mb:g} MiB" for name, mb in peaks.items() if mb)
        print(f"{record['row']}: {record['metrics']['value']:.3g}. {record['note']} {memory}".strip())
    print(section())
    if drawing:
        picture(Path(drawing))


def measured() -> dict[str, dict]:
    """{row: its newest record}, on this project's reference device, a CPU core."""
    newest = timing.measured(timing.PEERS)
    return {row: by_device["cpu"] for row, by_device in newest.items() if "cpu" in by_device}


def label(row: str) -> str:
    """What a row is about, in words."""
    name, _, work = row.partition(" ")
    if work in WORK:
        return f"{NAMES[name]}: {WORK[work]}"
    return NAMES[row]


def _beside() -> dict[str, dict]:
    """The records of `measured` in which a peer was timed too."""
    return {row: record for row, record in measured().items() if "theirs" in record.get("parts", ())}


def section() -> str:
    """The numbers as Markdown: the peers' seconds beside ours, drawing, and the cost of the tables."""
    lines = [HEAD]
    for row, record in _beside().items():
        quotient, seconds = timing.interval(record), record["parts"]
        times = f"{quotient.mean:.2f}"
        if quotient.low > 0:  # few repeats bound nothing
            times += f" [{quotient.low:.2f}, {quotient.high:.2f}]"
        lines.append(f"| {label(row)} | {seconds['theirs']:.3g} s | {seconds['paperlib']:.3g} s | {times} "
                     f"| {record['note']} |\n")
    all_rows = measured()
    if "world" in all_rows:
        rate = all_rows["world"]["metrics"]["value"]
        lines.append(f"\nMiniCOCO is drawn at {rate:.0f} images a core-second.\n")
    lines.append(_bill(all_rows.get("before")))
    return "".join(lines)


def _bill(before: dict | None, plan: str = "mini") -> str:
    """What the tables cost on a CPU with units for bfloat16, what is recorded of them, and on which CPUs."""
    sums = dict.fromkeys(("done", "left", "minutes", "older", "older_minutes", "all"), 0)
    for table in costs.outlook(plan).values():
        for key in sums:
            sums[key] += table[key] or 0
    sums |= {"plan": plan, "runs": sums["done"] + sums["left"], "before": BEFORE}
    if not sums["done"]:
        sentences = [ALL_RUNS]
    elif before:
        sums["times"] = timing.interval(before).mean
        sentences = [ALL_RUNS_AND_COST_BEFORE]
    else:
        sentences = [ALL_RUNS_AND_COST]
    if sums["left"]:
        sentences.append(_recorded(sums["done"], sums["older"]))
    text = "\n" + " ".join(sentences).format(**sums) + "\n"
    if times := _older(plan):
        text += "\n" + OLDER_CPU.format(number=len(times), times=median(times)) + "\n"
    return text


def _recorded(done: int, older: int) -> str:
    """The sentence on what is recorded: runs, and those on older CPUs."""
    if not done:
        return RECORDED_NONE
    return RECORDED_WITH_OLDER if older else RECORDED


def _older(plan: str) -> list[float]:
    """How many times as long the runs of dials/precision took in float32, pair by pair."""
    done, dial = records.latest(records.read("dials/precision", plan)), dials.dials()["dials/precision"]
    half_of = {}
    for side in ("better", "worse"):
        half_of[dials.row_of(dial, True, side)] = dials.row_of(dial, False, side)
    times = []
    for (row, seed), record in done.items():
        half = done.get((half_of.get(row), seed))
        if half and record["provenance"].get("products") != "float32":
            times.append(half["seconds"] / record["seconds"])
    return times


def filled(text: str) -> str:
    """A text with the section between its markers made anew."""
    return SECTION.sub(lambda mark: mark[1] + section() + mark[2], text)


def picture(path: Path) -> None:
    """Draw how many times as fast as the peers we are, and how a step's time and memory grow."""
    import matplotlib.pyplot as plt  # imported here: only this command draws

    style()
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.0), width_ratios=(1.3, 1, 1), layout="constrained")
    _draw_quotients(axes[0])
    _draw_growth(axes[1:])
    path.write_bytes(b64decode(render(fig, "Speed beside the peers, and growth of time and memory").base64))


def _draw_quotients(ax) -> None:
    """How many times as fast as the peers we are, a row each, with its interval."""
    rows = _beside()
    names = [label(row) for row in rows]
    for i, record in zip(range(len(rows))[::-1], rows.values()):  # the first row on top
        quotient = timing.interval(record)
        if quotient.low > 0:  # few repeats bound nothing
            ax.plot([quotient.low, quotient.high], [i, i], color=color(0), linestyle="-")
        ax.plot(quotient.mean, i, "o", color=color(0))
    ax.set(xscale="log", yticks=range(len(rows)), yticklabels=names[::-1], title="times as fast as the peers")
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    ax.minorticks_off()


def _draw_growth(axes) -> None:
    """How seconds (left) and memory (right) grow with images, anchors, classes and proposals."""
    rows = measured()
    for name, marker in GROWS.items():
        record = rows.get(f"growth {name}")
        if record is None:
            continue
        for ax, values in zip(axes, (record["parts"], record["megabytes"])):
            first = next(iter(values))
            if values[first]:
                numbers = np.array([int(number) for number in values])
                ax.plot(numbers / int(first), np.array(list(values.values())) / values[first],
                        marker=marker, label=name)
    for ax, title in zip(axes, ("times the seconds", "times the memory")):
        ax.set(xscale="log", yscale="log", xlabel="times as many", title=title)
        ax.set_xticks([1, 2, 4, 8, 16, 64], ["1", "2", "4", "8", "16", "64"])
        ax.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        ax.minorticks_off()
    if axes[0].lines:
        axes[0].legend(fontsize=8)
