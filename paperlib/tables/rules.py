"""By which rules of judging a record was made: those of data/claims/RULES.md, if it was made after them."""
import hashlib
from functools import cache

from paperlib.paths import DATA


@cache
def rules_digest() -> str:
    """Digest of the rules; layout does not count."""
    text = (DATA / "claims" / "RULES.md").read_text(encoding="utf-8")
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def before_rules(record: dict) -> bool:
    """Whether a record was made before today's rules were written. One that does not say by which, was."""
    return record["provenance"].get("rules") != rules_digest()
