"""`paperlib bench`, and the README's section on speed, from the records."""
import re
from statistics import median

from paperlib.bench import timing
from paperlib.bench.scaling import BESIDE_PEERS
from paperlib.device import keep_memory
from paperlib.tables import costs, dials, records

SECTION = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
NAMES = {"retinanet_resnet50": "RetinaNet, ResNet-50",
         "faster_rcnn_resnet50": "Faster R-CNN, ResNet-50, pyramid",
         "retinanet_tiny": "RetinaNet, tiny", "scorer": "COCO's twelve numbers",
         "scorer full": "COCO's twelve numbers, 5,000 images"}
HEAVY = ("scorer full",)  # timed when it is asked for
BEFORE = "fd6801f4de"  # the last commit before training was made faster; its time was measured once and kept
WORK = {"step": "training step", "inference": "inference"}
HEAD = """\
| on one thread | vector units | torchvision, pycocotools | paperlib | times as fast | of the float peak |
|---|---|---|---|---|---|
"""
ROW = "| {what} | {units} | {theirs:.3g} s | {ours:.3g} s | {times} | {share} |\n"
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
) -> None:
    """Time the rows, print all as the README shows it."""
    keep_memory()
    if ids is None:
        ids = [row for row in BESIDE_PEERS if full or row not in HEAVY]
    for record in timing.bench(BESIDE_PEERS, timing.PEERS, ids, repeats, device, shrink):
        peaks = record.get("megabytes", {})
        memory = ", ".join(f"{name}: {mb:g} MiB" for name, mb in peaks.items() if mb)
        print(f"{record['row']}: {record['metrics']['value']:.3g}. {record['note']} {memory}".strip())
    print(section())


def measured() -> dict[str, dict[str, dict]]:
    """{row: {a CPU's vector units: its newest record}}, the widest units first."""
    ordered = {}
    for row, by_kind in timing.by_units(timing.PEERS).items():
        kinds = sorted(by_kind, key=lambda units: (not units.startswith("AVX512"), units))
        ordered[row] = {units: by_kind[units] for units in kinds}
    return ordered


def label(row: str) -> str:
    """What a row is about, in words."""
    name, _, work = row.partition(" ")
    if work in WORK:
        return f"{NAMES[name]}: {WORK[work]}"
    return NAMES[row]


def beside_peers() -> dict[str, dict[str, dict]]:
    """The rows of `measured` in which a peer was timed too."""
    beside = {}
    for row, by_kind in measured().items():
        if all("theirs" in record["parts"] for record in by_kind.values()):
            beside[row] = by_kind
    return beside


def section() -> str:
    """The numbers as Markdown: the peers' seconds beside ours, two rates, and the cost of the tables."""
    lines = [HEAD]
    for row, by_kind in beside_peers().items():
        for units, record in by_kind.items():
            lines.append(_line(row, units, record))
    all_rows = measured()
    lines += _rates(all_rows.get("training", {}), "RetinaNet of the tables trains on {} images a core-second")
    lines += _rates(all_rows.get("world", {}), "MiniCOCO is drawn at {} images a core-second")
    lines.append(_bill(timing.measured(timing.PEERS).get("before", {}).get("cpu")))
    return "".join(lines)


def _line(row: str, units: str, record: dict) -> str:
    """A row of the table: one race on one kind of processor."""
    quotient, seconds = timing.interval(record), record["parts"]
    times = f"{quotient.mean:.2f}"
    if quotient.low > 0:  # few repeats bound nothing
        times += f" [{quotient.low:.2f}, {quotient.high:.2f}]"
    share = timing.share_of_peak(record, "paperlib")
    return ROW.format(what=f"{label(row)}: {record['note']}", units=units, theirs=seconds["theirs"],
                      ours=seconds["paperlib"], times=times, share="" if share is None else f"{share:.0%}")


def _rates(by_kind: dict[str, dict], sentence: str) -> list[str]:
    """A sentence with the images a second on each kind of processor; none if nothing was measured."""
    rates = []
    for units, record in by_kind.items():
        rate, share = f"{record['metrics']['value']:.0f}", timing.share_of_peak(record, "images")
        of_peak = "" if share is None else f", {share:.0%} of the float peak"
        rates.append(f"{rate} ({units}{of_peak})")
    return [f"\n{sentence.format(' and '.join(rates))}.\n"] if rates else []


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
