"""What an examination says: a line of the doctor's report."""
from dataclasses import dataclass

ENOUGH = 0.9                   # share of objects that regions should reach; AP50 of a batch learnt by heart


@dataclass(frozen=True)
class Finding:
    """One line of the report."""
    # boxes | images | classes | duplicates | anchors | proposals | masks | windows | scale | model | try
    topic: str
    level: str                 # "ok" | "look" (may be meant) | "bad" (training will suffer or fail)
    text: str
    advice: str = ""

    @property
    def serious(self) -> bool:
        return self.level == "bad"

    def __str__(self) -> str:
        advice = f"\n       -> {self.advice}" if self.advice else ""
        return f"[{self.level:>4}] {self.topic}: {self.text}{advice}"


def graded(good: bool, usable: bool) -> str:
    """The level of a finding: "ok" if all is good, else "look" if it is usable, else "bad"."""
    if good:
        return "ok"
    if usable:
        return "look"
    return "bad"
