"""Weights for other classes: all that fits, and of class layers the classes of the same name."""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from paperlib.systems.retinanet import RetinaNet


@torch.no_grad()
def take_over(system: nn.Module, names: Sequence[str], state: dict[str, Tensor],
              classes: Sequence[str]) -> list[str]:
    """Fill a system from weights of its kind; the classes that both name.

    Label k is `names[k-1]` in the system and `classes[k-1]` in the weights.
    What has no counterpart keeps its fresh values.
    Errors: ValueError if not one tensor fits.
    """
    names, classes, fits = list(names), list(classes), 0
    shared = [name for name in names if name in classes]
    to, of = torch.tensor([names.index(n) for n in shared]), torch.tensor([classes.index(n) for n in shared])
    layers = _class_layers(system)
    for key, value in system.state_dict().items():
        layer = key.rpartition(".")[0]
        if key not in state:
            continue
        stored = state[key].to(value)
        if layer in layers and shared:
            groups, before = layers[layer]
            new = value.unflatten(0, (groups, len(names) + before, -1))  # a view
            old = stored.unflatten(0, (groups, len(classes) + before, -1))
            new[:, to + before] = old[:, of + before]
            new[:, :before] = old[:, :before]
        elif layer not in layers and value.shape == stored.shape:
            value.copy_(stored)
            fits += 1
    if not fits:
        raise ValueError("the weights to start from fit nothing here; "
                         "expected those of the same configuration")
    return shared


def _class_layers(system: nn.Module) -> dict[str, tuple[int, int]]:
    """Layers with rows for each class: (groups of rows with all classes, rows before the first one).

    A dense head holds all classes for each anchor; a box head has background before them.
    """
    if system.scored_by in ("recall", "segments"):
        return {}
    if isinstance(system, RetinaNet):
        groups, head = system.head.num_anchors, system.head
        layers = {f"head.cls.{len(head.cls) - 1}": (groups, 0)}
        if len(head.box_shape) > 1:
            layers[f"head.box.{len(head.box) - 1}"] = groups, 0
        return layers
    layers = {"head.cls": (1, 1)}
    if len(system.head.box.bias) > 4 or system.cfg.num_classes == 1:
        layers["head.box"] = 1, 0
    return layers
