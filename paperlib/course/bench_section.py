"""`paperlib bench`, and the README's section on speed: its table and its picture, both from the bench's records."""
import re
from base64 import b64decode
from pathlib import Path
from statistics import median

from paperlib.bench import timing
from paperlib.bench.scaling import BESIDE_PEERS
from paperlib.device import keep_memory
from paperlib.tables import compare, dials, records
from paperlib.teach.draw import color, style
from paperlib.teach.png import render

SECTION = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
NAMES = {"retinanet_resnet50": "RetinaNet, ResNet-50", "faster_rcnn_resnet50": "Faster R-CNN, ResNet-50, pyramid",
         "retinanet_tiny": "RetinaNet, tiny", "scorer": "COCO's twelve numbers",
         "scorer full": "COCO's twelve numbers, 5,000 images"}
HEAVY = ("scorer full",)  # timed when it is asked for
BEFORE = "fd6801f4de"  # the last commit before training was made faster; its time then was measured once and kept
WHAT = {"step": "training step", "inference": "inference"}


def bench(ids: list[str] | None, repeats: int, device: str | None, full: bool, shrink: int | None,
          drawing: str | None) -> None:
    """Time the rows, print all as the README shows it; `drawing`: the picture's file."""
    keep_memory()
    rows = [row for row in BESIDE_PEERS if full or row not in HEAVY] if ids is None else ids
    for record in timing.bench(BESIDE_PEERS, timing.PEERS, rows, repeats, device, shrink):
        grown = ", ".join(f"{name}: {mb:g} MiB" for name, mb in record.get("megabytes", {}).items() if mb)
        print(f"{record['row']}: {record['metrics']['value']:.3g}. {record['note']} {grown}".strip())
    print(section())
    if drawing:
        picture(Path(drawing))


def measured() -> dict[str, dict]:
    """{row: its newest record}, on this project's reference device, a CPU core."""
    return {row: found["cpu"] for row, found in timing.measured(timing.PEERS).items() if "cpu" in found}


def label(row: str) -> str:
    """What a row is about, in words."""
    name, _, what = row.partition(" ")
    return f"{NAMES[name]}: {WHAT[what]}" if what in WHAT else NAMES[row]


def _beside() -> dict[str, dict]:
    return {row: record for row, record in measured().items() if "theirs" in record.get("parts", ())}


def section() -> str:
    """The numbers as Markdown: the peers' seconds beside ours, drawing, and the cost of the tables."""
    lines = ["| on one thread | torchvision, pycocotools | paperlib | times as fast | of |\n|---|---|---|---|---|\n"]
    for row, record in _beside().items():
        found = timing.interval(record)
        theirs, ours = (f"{record['parts'][side]:.3g} s" for side in ("theirs", "paperlib"))
        bounds = f" [{found.low:.2f}, {found.high:.2f}]" if found.low > 0 else ""
        lines.append(f"| {label(row)} | {theirs} | {ours} | {found.mean:.2f}{bounds} | {record['note']} |\n")
    all_rows = measured()
    if "world" in all_rows:
        lines.append(f"\nMiniCOCO is drawn at {all_rows['world']['metrics']['value']:.0f} images a core-second.\n")
    lines.append(_bill(all_rows.get("before")))
    return "".join(lines)


def _bill(before: dict | None, plan: str = "mini") -> str:
    """What the tables cost on a CPU with units for bfloat16, what is recorded of them, and on which CPUs."""
    bill = compare.outlook(plan).values()
    done, left, minutes, older, older_minutes, whole = (
        sum(line[key] or 0 for line in bill) for key in ("done", "left", "minutes", "older", "older_minutes", "all"))
    said = f"\nAll tables at the {plan} budget: {done + left} runs"
    if done:
        said += f", about {whole:.0f} core-minutes on a CPU with units for bfloat16"
    if done and before:
        said += (f" ({timing.interval(before).mean:.1f} times as long before training was made faster, at commit "
                 f"{BEFORE}, as measured on RetinaNet)")
    if left:
        said += f". Recorded: {done} runs"
        if done:
            said += f" in {minutes:.0f} core-minutes"
        if older:
            said += f", of which {older} runs took {older_minutes:.0f} core-minutes on a CPU without such units"
    said += ".\n"
    if times := _older(plan):
        said += (f"\nA CPU without them makes float32 products: the {len(times)} runs of `dials/precision` that were "
                 f"measured on one took {median(times):.1f} times as long (median) as the tables' own.\n")
    return said


def _older(plan: str) -> list[float]:
    """How many times as long the runs of dials/precision took in float32, pair by pair."""
    done, dial = records.latest(records.read("dials/precision", plan)), dials.dials()["dials/precision"]
    rows = {dials.row_of(dial, True, side): dials.row_of(dial, False, side) for side in ("better", "worse")}
    return [done[rows[row], seed]["seconds"] / record["seconds"] for (row, seed), record in done.items()
            if (rows.get(row), seed) in done and record["provenance"].get("products") != "float32"]


def filled(text: str) -> str:
    """A text with the section between its markers made anew."""
    return SECTION.sub(lambda mark: mark[1] + section() + mark[2], text)


def picture(path: Path) -> None:
    """Draw how many times as fast as the peers we are, and how a step's time and memory grow."""
    import matplotlib.pyplot as plt  # imported here: only this command draws

    style()
    rows, all_rows = list(_beside().items())[::-1], measured()
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.0), width_ratios=(1.3, 1, 1), layout="constrained")
    for i, (_, record) in enumerate(rows):
        found = timing.interval(record)
        if found.low > 0:  # few repeats bound nothing
            axes[0].plot([found.low, found.high], [i, i], color=color(0), linestyle="-")
        axes[0].plot(found.mean, i, "o", color=color(0))
    axes[0].set(xscale="log", yticks=range(len(rows)), yticklabels=[label(row) for row, _ in rows],
                title="times as fast as the peers")
    axes[0].axvline(1, color="black", linewidth=1)
    axes[0].set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes[0].minorticks_off()
    for i, what in enumerate(("images", "anchors", "classes", "proposals")):
        if record := all_rows.get(f"growth {what}"):
            for ax, values in ((axes[1], record["parts"]), (axes[2], record["megabytes"])):
                first = next(iter(values))
                if values[first]:
                    ax.plot([int(n) / int(first) for n in values], [v / values[first] for v in values.values()],
                            marker="osD^"[i], label=what)
    for ax, title in zip(axes[1:], ("times the seconds", "times the memory")):
        ax.set(xscale="log", yscale="log", xlabel="times as many", title=title)
        ax.set_xticks([1, 2, 4, 8, 16, 64], ["1", "2", "4", "8", "16", "64"])
        ax.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        ax.minorticks_off()
    if axes[1].lines:
        axes[1].legend(fontsize=8)
    path.write_bytes(b64decode(render(fig, "Speed beside the peers, and growth of time and memory").base64))
