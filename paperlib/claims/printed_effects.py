"""What a comparison of rows is in words, and what the paper prints for it: its direction, its size."""
from paperlib.papers.judges import Contrast, Pair, address
from paperlib.papers.printed import by_variant, published


def pair_words(part: Contrast, more: Pair | None) -> str:
    """What is subtracted from what."""
    words = f"{part.metric} of \"{part.better}\" minus \"{part.worse}\""
    if part.factor is not None:
        words = f"{part.factor:g} times {words}"
    if part.relative:
        words += ", in percent of the latter"
    if more is not None:
        words += f", less that of \"{more.better}\" over \"{more.worse}\""
        if more.metric != part.metric:
            words += f" in {more.metric}"
    if part.margin == "two-sided":
        words += ", either way within the margin"
    elif part.margin == "one-sided":
        words += ", not behind by the margin"
    return words


def bound_words(part: Contrast) -> str:
    """Which row's metric lies above or below which bound."""
    if part.better is None:
        return f"{part.metric} of \"{part.worse}\", below {part.bound:g}"
    return f"{part.metric} of \"{part.better}\", above {part.bound:g}"


def failure_words(part: Contrast) -> str:
    """Which rows' failed runs are counted."""
    return f"failed runs of \"{part.worse}\" minus those of \"{part.better}\", in percent"


def sign_of(part: Contrast) -> int:
    """-1 where less of the metric is better."""
    for column in _columns(part.table):
        if column["name"] == part.metric and column["better"] == "lower":
            return -1
    return 1


def _columns(table: str) -> list[dict]:
    if table not in published():
        return []
    return by_variant(published()[table])["columns"]


def _printed_pair(pair: Pair) -> tuple[float, float] | None:
    """What the paper prints for both rows; None if it does not print both."""
    if pair.printed is not None:
        return pair.printed
    numbers = []
    for row in (pair.better, pair.worse):
        number = _printed_value(*address(row, pair.table), pair.metric)
        if number is None:
            return None
        numbers.append(number)
    return numbers[0], numbers[1]


def _printed_value(table: str, row: str, metric: str) -> float | None:
    if table not in published():
        return None
    for printed in by_variant(published()[table])["rows"]:
        if printed["label"] == row:
            numbers = [printed["values"].get(name) for name in metric.split(" - ")]
            if None in numbers:
                return None
            return numbers[0] - sum(numbers[1:])
    return None


def printed_effect(part: Contrast, more: Pair | None) -> tuple[float, float] | None:
    """The printed difference in points and as a share of `worse` in percent; None where it is not printed."""
    pairs = [_printed_pair(pair) for pair in (part, more) if pair is not None]
    if None in pairs or any(worse == 0 for _, worse in pairs):
        return None
    points, percent = [], []
    for better, worse in pairs:
        better *= part.factor or 1
        points.append(better - worse)
        percent.append(100 * (better - worse) / abs(worse))
    delta = points[0] - sum(points[1:])
    if part.relative:
        return delta, percent[0] - sum(percent[1:])
    return delta, 100 * delta / abs(pairs[0][1])
