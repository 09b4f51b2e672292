"""The trained claims on rows worked out again from the raw lines, with NumPy and SciPy only: no part of paperlib.

`claim_verdict(claim, lines)` gives (verdict, parts) of a claim of data/claims by data/claims/RULES.md; `lines(table)`
are the records that count. Written from the rules, not from the package.
"""
import re
import tomllib
from pathlib import Path

import numpy as np
from scipy import stats

DATA = Path(__file__).parents[1] / "data"
OWN = {"by", "parts", "rows", "n_of", "looks"}  # keys of a judge that are not a part's


def read_toml(kind: str) -> list[dict]:
    """Every record of data/<kind>/*.toml, each with its "paper"."""
    key, records = {"claims": "claim", "published": "table"}[kind], []
    for file in sorted((DATA / kind).glob("*.toml")):
        body = tomllib.loads(file.read_text(encoding="utf-8"))
        records += [record | {"paper": file.stem} for record in body[key]]
    return records


TABLES = {table["id"]: table for table in read_toml("published")}


def printed(table: str, row: str, metric: str) -> float | None:
    """The number of a published table; None if it prints none."""
    body = TABLES.get(table)
    if body is None:
        return None
    names = [column["name"] for column in body["columns"]]
    for line in body["row"]:
        if body.get("variants") == "columns":
            if line["label"] == metric and row in names:
                value = line["values"][names.index(row)]
                return value if isinstance(value, int | float) else None
        elif line["label"] == row and metric in names:
            value = line["values"][names.index(metric)]
            return value if isinstance(value, int | float) else None
    return None


def direction(table: str, metric: str) -> int:
    body = TABLES.get(table, {"columns": [], "row": []})
    asked = body["row"] if body.get("variants") == "columns" else body["columns"]
    name = "label" if body.get("variants") == "columns" else "name"
    return -1 if any(c[name] == metric and c["better"] == "lower" for c in asked) else 1


def scores(lines: list[dict], table: str, row: str, metric: str) -> dict[int, float]:
    """{seed: points}; a run that diverged scores zero where it has no score."""
    if " - " in metric:
        first, second = (scores(lines, table, row, name) for name in metric.split(" - "))
        return {seed: first[seed] - second[seed] for seed in first if seed in second}
    name = TABLES.get(table, {}).get("measures", {}).get(metric, metric)
    by_seed = {}
    known = any(name in line["metrics"] for line in lines)
    for line in lines:
        if line["row"] == row:
            value = line["metrics"].get(name)
            if value is None and line["status"] != "ok" and known and re.match(r"m?AP|AR|AUC|recall_|loss_fall", name):
                value = 0.0
            if value is not None:
                by_seed[line["seed"]] = 100 * value
    return by_seed


def place(row: str, table: str) -> tuple[str, str]:
    other = re.fullmatch(r"(\w+/\w+):(.+)", row)
    return (other[1], other[2]) if other else (table, row)


def scores_of(part: dict, side: str, lines) -> dict[int, float]:
    """{seed: points} of a part's "better" or "worse" row."""
    table, row = place(part[side], part["table"])
    return scores(lines(table), table, row, part["metric"])


def whole_parts(judge: dict) -> list[dict]:
    common = {key: value for key, value in judge.items() if key not in OWN}
    parts = []
    for part in judge.get("parts", [{}]):
        merged = common | part
        if "bound" in part and "margin" not in merged:
            merged = {key: value for key, value in merged.items() if key not in ("better", "worse") or key in part}
        parts.append(merged)
    return parts


def lead(part: dict, lines, factor: float = 1) -> tuple[dict, dict]:
    """({seed: difference}, {seed: worse}) of a pair of rows."""
    better, worse = scores_of(part, "better", lines), scores_of(part, "worse", lines)
    gap = {seed: factor * better[seed] - worse[seed] for seed in better if seed in worse}
    if part.get("relative"):
        gap = {seed: 100 * value / worse[seed] for seed, value in gap.items() if worse[seed]}
    return gap, worse


def printed_lead(part: dict) -> tuple[float, float] | None:
    """(printed difference over the printed worse row in percent, the difference) of a pair."""
    pair = part.get("printed")
    if pair is None:
        pair = []
        for side in ("better", "worse"):
            values = [printed(*place(part[side], part["table"]), name) for name in part["metric"].split(" - ")]
            if None in values:
                return None
            pair.append(values[0] - sum(values[1:]))
    if pair[1] == 0:
        return None
    return pair[0] * part.get("factor", 1) - pair[1], abs(pair[1])


def printed_share(part: dict) -> float | None:
    first = printed_lead(part)
    if first is None:
        return None
    gap, base = first
    if "more" not in part:
        return 100 * gap / base
    second = printed_lead({k: part[k] for k in ("table", "metric", "better", "worse")} | part["more"])
    if second is None:
        return None
    if part.get("relative"):
        return 100 * gap / base - 100 * second[0] / second[1]
    return 100 * (gap - second[0]) / base


def student(values: list[float], low: float, high: float) -> tuple[float, float]:
    """Doubled one-sided p that the mean lies between two bounds, and that it lies outside."""
    n, mean = len(values), np.mean(values)
    if n < 2:
        return 1.0, 1.0
    error = np.std(values, ddof=1) / n**0.5
    if error == 0:
        return float(not low < mean < high), float(low <= mean <= high)

    def beyond(bound: float, sign: int) -> float:
        if np.isinf(bound):
            return 0.0 if sign * bound < 0 else 1.0
        return min(1.0, 2 * stats.t.sf(sign * (mean - bound) / error, n - 1))

    return max(beyond(low, 1), beyond(high, -1)), min(beyond(low, -1), beyond(high, 1))


def interval(values: list[float], alpha: float) -> tuple[float, float] | None:
    n = len(values)
    if n < 2:
        return None
    half = stats.t.ppf(1 - alpha / 2, n - 1) * np.std(values, ddof=1) / n**0.5
    return np.mean(values) - half, np.mean(values) + half


def part_verdict(part: dict, lines, alpha: float, best: float) -> dict:
    """One part: {"verdict", "measured", "interval", "n", "margin", "for", "against"}."""
    if part.get("fails"):
        return failures(part, lines, alpha, best)
    if "better" not in part or "worse" not in part:
        values = list(scores_of(part, "better" if "better" in part else "worse", lines).values())
        bounds = (part["bound"], np.inf) if "better" in part else (-np.inf, part["bound"])
        return verdict_of(values, *bounds, alpha)
    gap, worse = lead(part, lines, part.get("factor", 1))
    if "more" in part:
        kept = {key: part[key] for key in ("table", "metric", "better", "worse", "relative") if key in part}
        second, _ = lead(kept | part["more"], lines)
        gap = {seed: gap[seed] - second[seed] for seed in gap if seed in second}
    if not gap:
        return {"verdict": "not run", "n": 0, "for": 1.0, "against": 1.0}
    share, sign = printed_share(part), direction(part["table"], part["metric"])
    base = 100.0 if part.get("relative") else abs(np.mean([worse[seed] for seed in gap]))
    low, high = (0, np.inf) if sign > 0 else (-np.inf, 0)
    margin = None
    if "margin" in part:
        margin = base * part.get("bound", max(0.015, abs(share or 0) / 100))
        if part["margin"] == "two-sided":
            low, high = -margin, margin
        else:
            low, high = (-margin, np.inf) if sign > 0 else (-np.inf, margin)
    outcome = verdict_of(list(gap.values()), low, high, alpha)
    if outcome["verdict"] == "holds" and margin is None and "factor" not in part and share and sign * share > 0:
        size, bounds = sign * share * base / 100, sorted(sign * bound for bound in outcome["interval"])
        outcome["verdict"] += ", larger" * int(bounds[0] > size) + ", smaller" * int(bounds[1] < size)
    return outcome | {"margin": margin}


def verdict_of(values: list[float], low: float, high: float, alpha: float) -> dict:
    if not values:
        return {"verdict": "not run", "n": 0, "for": 1.0, "against": 1.0}
    shown, opposite = student(values, low, high)
    says = "holds" if shown <= alpha else "contradicted" if opposite <= alpha else "unresolved"
    return {"verdict": says, "measured": np.mean(values), "interval": interval(values, alpha), "n": len(values),
            "for": shown, "against": opposite}


def failures(part: dict, lines, alpha: float, best: float) -> dict:
    counts = []
    for side in ("better", "worse"):
        points = scores_of(part, side, lines)
        if not points:
            return {"verdict": "not run", "n": 0, "for": 1.0, "against": 1.0}
        counts.append((sum(value < best / 2 for value in points.values()), len(points)))
    (a, m), (b, n) = counts
    shown, opposite = (min(1.0, 2 * stats.fisher_exact([[a, m - a], [b, n - b]], alternative=side).pvalue)
                       for side in ("less", "greater"))
    says = "holds" if shown <= alpha else "contradicted" if opposite <= alpha else "unresolved"
    return {"verdict": says, "measured": 100 * (b / n - a / m), "interval": None, "n": min(m, n), "for": shown,
            "against": opposite}


def claim_verdict(claim: dict, lines) -> tuple[str, list[dict]]:
    """The verdict on a claim, and its parts. `lines(table)` gives the records that count."""
    judge = claim["judge"]
    alpha = 0.025 if "seeds extended after a look" in judge.get("looks", []) else 0.05
    wholes, means = whole_parts(judge), [0.0]
    for part in wholes:
        for side in {"better", "worse"} & part.keys():
            points = scores_of(part, side, lines)
            means += [np.mean(list(points.values()))] if points else []
    parts = [part_verdict(part, lines, alpha, max(means)) for part in wholes]
    if min(1.0, len(parts) * min(part["against"] for part in parts)) <= alpha:
        return "contradicted", parts
    if any(part["n"] == 0 for part in parts):
        return "not run", parts
    if all(part["for"] <= alpha for part in parts):
        return next((part["verdict"] for part in parts if part["verdict"] != "holds"), "holds"), parts
    return "unresolved", parts
