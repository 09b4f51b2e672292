"""The options of the command line that no command can use are refused here, before any work is done."""

import functools
import math
import os
from collections.abc import Callable

# what an option must at least be; one that a command lacks, or whose value is a word, is left alone
LEAST = {"steps": 1, "batch": 1, "accumulate": 1, "images": 1, "test_images": 1, "jobs": 1, "seeds": 1,
         "repeats": 1, "shrink": 1, "seed": 0, "checks": 0}
LARGEST_SEED = 2**63 - 1       # torch's generators take no larger one
DEVICES = ("cpu", "cuda", "mps")


def checked(command: Callable) -> Callable:
    """The command, run after `check` of its arguments, and with ~ as the home folder."""

    @functools.wraps(command)
    def run(args):
        check(args)
        for option, value in vars(args).items():
            setattr(args, option, _at_home(value))
        return command(args)

    return run


def check(args) -> None:
    """Errors: ValueError for options that no run can have, the first of them."""
    name = args.run.__name__
    for option, value in vars(args).items():
        if "" in (value if isinstance(value, list) else [value]):
            raise ValueError(f"the argument {option!r} is an empty text; expected a word, or to be left out "
                             "(is a variable of the shell not set?)")
    for option, least in LEAST.items():
        if name == "doctor" and option == "steps":
            least = 0  # no trial
        _check_count(option, getattr(args, option, None), least)
    if (getattr(args, "seed", None) or 0) > LARGEST_SEED:
        raise ValueError(f"--seed is {args.seed}; expected {LARGEST_SEED} or less")
    rate = getattr(args, "lr", None)
    if rate is not None and not 0 < rate < math.inf:
        raise ValueError(f"--lr is {rate:g}; expected a number above 0, such as 0.01")
    if getattr(args, "size", None):
        _check_size(args.size, in_order=name != "export")
    if getattr(args, "device", None) and args.device.split(":")[0] not in DEVICES:
        raise ValueError(f"device {args.device!r} is not usable here; expected 'cpu', 'cuda[:N]' or 'mps'")
    if name != "notebooks":
        _check_changes(getattr(args, "set", ()))


def _at_home(value):
    """A word, or a list of words, with the home folder for a leading ~: behind "--out=" no shell puts it."""
    if isinstance(value, list):
        return [_at_home(each) for each in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _check_count(option: str, value, least: int) -> None:
    if isinstance(value, int) and value < least:
        raise ValueError(f"--{option.replace('_', '-')} is {value}; expected {least} or more")


def _check_size(size: list[int], in_order: bool) -> None:
    """`in_order`: the shorter side first, then the longest; else height and width."""
    told = f"--size is {' '.join(map(str, size))}"
    if len(size) > 2 or min(size) < 1:
        raise ValueError(f"{told}; expected one or two numbers of px, each above 0")
    if in_order and size[-1] < size[0]:
        raise ValueError(f"{told}; expected the shorter side first, then the longest")


def _check_changes(changes: list[str]) -> None:
    for change in changes:
        if change.partition("=")[0].strip() == "num_classes":
            raise ValueError(f"--set {change}: the number of classes follows from the data; expected another "
                             "field")


def check_anchors(cfg) -> None:
    """Errors: ValueError for anchors of a system's configuration that are no boxes."""
    trained = cfg.trained_anchors()
    if trained is None:
        return
    anchors = trained.anchors
    lists = {"scales": anchors.scales, "ratios": anchors.ratios,
             "size_per_stride": (anchors.size_per_stride,)}
    for name, values in lists.items():
        if not values or not all(0 < value < math.inf for value in values):
            raise ValueError(f"anchors.{name} is {list(values)}; expected one number or more, each above 0")
    if not anchors.levels:
        raise ValueError("anchors.levels is []; expected one level of the pyramid or more")
