"""Categories of one name: classes are joined by their names, so that two of them could not be told apart."""
from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.values import whole

NAMES_DIFFER = "names that differ"


def named_once(good: dict[str, list], file: str, faults: list[Fault]) -> list[dict]:
    """The categories, each name once: two that are both used would be two classes that no one can tell apart.

    One without any annotation does no harm: Roboflow writes the project's name as category 0.
    """
    kept: dict[str, dict] = {}
    names = {category["name"] for category in good["categories"]}
    used: set = set()
    if len(names) < len(good["categories"]):
        used = {whole(ann["category_id"]) for ann in good["annotations"]}
    for category in good["categories"]:
        first = kept.setdefault(category["name"], category)
        if first is category:
            continue
        found = f"two categories named {category['name']!r} (ids {first['id']} and {category['id']})"
        if first["id"] in used and category["id"] in used:
            faults.append(Fault(file, "categories", found, NAMES_DIFFER, True))
            continue
        faults.append(Fault(file, "categories", f"{found}, one of them without annotations", NAMES_DIFFER,
                            False, "dropped"))
        if category["id"] in used:
            kept[category["name"]] = category
    return list(kept.values())
