"""What the exact claims are compared with: the papers' statements and tables, and how close is equal."""
from importlib import import_module

from paperlib.experiments.published import by_variant, claims, published

MODULES = ("rcnn", "fast_rcnn", "faster_rcnn", "coco", "sharpmask", "fpn", "focal_loss", "retinanet")


def stated(claim: str):
    """The value that the paper prints for a claim."""
    return next(c["published"] for c in claims() if c["id"] == claim)


def printed(table: str) -> dict[str, dict]:
    """A published table as {variant: {metric: number}}."""
    return {row["label"]: row["values"] for row in by_variant(published()[table])["rows"]}


def agrees(value: float, stated_value: float, digits: int = 0) -> bool:
    """Whether a computed value rounds to the printed one."""
    return abs(value - stated_value) <= 0.5 * 10**-digits + 1e-9


def all_facts() -> dict:
    """Every computed claim by id; a call gives (computed value, whether it agrees, formula)."""
    return {name: fact for m in MODULES for name, fact in import_module(f"{__package__}.facts_{m}").FACTS.items()}
