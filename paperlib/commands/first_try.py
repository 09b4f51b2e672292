"""A first run on one's own pictures: minutes on a CPU, where no option and no budget asks for more.

The budgets are made for drawn pictures of 128 px: the steps of `mini` take hours of a core on photographs.
"""

import os
from dataclasses import replace

import numpy as np

from paperlib.commands.run_options import is_of_ones_own

SEEN = 4800                    # pictures, over all steps
BATCH = 8                      # pictures a step, at most
SIDE = 256                     # px of the shorter side, at most
OTHER_BATCHES = ("rcnn", "classifier")  # systems whose batches are not of pictures


def shortened(args, recipe, dataset, device):
    """(recipe, one line on it, or "") of a first run: --budget, --steps, --batch and --size are left alone.

    `dataset` tells how large the pictures are.
    """
    chosen = args.budget or os.environ.get("PAPERLIB_BUDGET")
    if chosen or device.type != "cpu" or not is_of_ones_own(recipe.data):
        return recipe, ""
    changes = {}
    if recipe.size is None and len(dataset) and np.median(np.min(dataset.sizes, 1)) > SIDE:
        changes["size"] = (SIDE,)
    if args.system not in OTHER_BATCHES and not args.steps:
        batch = min(recipe.batch, args.batch or BATCH)
        changes |= {"batch": batch, "steps": min(recipe.steps, SEEN // batch)}
    short = replace(recipe, **changes)
    return short, _difference(recipe, short)


def _difference(recipe, short) -> str:
    """What a first run does less of than its budget."""
    parts = []
    if (short.steps, short.batch) != (recipe.steps, recipe.batch):
        parts.append(f"{short.steps} steps of {short.batch} pictures (`--budget mini`: {recipe.steps} of "
                     f"{recipe.batch})")
    if short.size != recipe.size:
        parts.append(f"pictures of {short.size[0]} px on the shorter side (`--size` sets another)")
    if not parts:
        return ""
    return f"a first try, for minutes on a CPU: {', '.join(parts)}"
