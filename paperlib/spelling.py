"""What an error adds for a name that is almost one of those that there are."""
import difflib
from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable) -> str:
    """The end of an error on a name: "; did you mean 'rpn'?" for "RPN" or "rpm", "" where none is near."""
    spelt = {str(each).lower(): str(each) for each in known}
    for near in difflib.get_close_matches(str(name).lower(), spelt, n=1):
        return f"; did you mean {spelt[near]!r}?"
    return ""
