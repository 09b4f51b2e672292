"""What training on one's own pictures starts from: published weights where they are on disk, else MiniNet's.

A start is chosen for a recipe before any work, and said in one line. The recipes of embedded sets stay as the
budgets have them.
"""
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from paperlib.paths import weights_folder
from paperlib.systems.class_columns import take_over
from paperlib.systems.presets import faster_rcnn, retinanet
from paperlib.systems.registry import PRESETS
from paperlib.training.recipes import Recipe, budget
from paperlib.training.recipes import preset as preset_of
from paperlib.training.trained import trained
from paperlib.training.weights import flat_config, load_weights

STARTS = ("coco", "imagenet", "mininet", "random")  # or a file that `paperlib train` wrote
DETECTORS = {"retinanet": "retinanet_resnet50_fpn", "faster_rcnn": "fasterrcnn_resnet50_fpn"}
WHOLE = "torchvision_resnet50"  # the preset of torchvision's detectors


@dataclass(frozen=True)
class Start:
    """A recipe whose configuration suits a start, what fills the system that is built, and one line on it."""

    recipe: Recipe
    said: str = ""
    fill: Callable[[nn.Module], None] = lambda system: None


def choose(system: str, recipe: Recipe, start: str | None = None, preset: str | None = None,
           on_gpu: bool = False) -> Start:
    """The start that is asked for; without one, the best that is on disk for the preset, or for the device.

    Without a preset a GPU gets torchvision's COCO detector or a ResNet-50, a CPU a ResNet-18, each only where
    its weights lie in torch's cache; the budget's own small network and MiniNet's weights otherwise.
    Errors:  KeyError for a preset that the system lacks; ValueError for a start that the system or the preset
             cannot have; FileNotFoundError.
    """
    preset_of(system, preset or recipe.preset)
    if start is not None and start not in STARTS:
        return _from_file(system, recipe, Path(start))
    for kind in [start] if start else STARTS:
        for name in [preset] if preset else _presets(kind, recipe, on_gpu, bool(start)):
            if can_be(system, name, kind) and (start or _on_disk(system, name, kind)):
                return _begun(system, recipe, name, kind)
    raise ValueError(f"{system}, preset {preset or recipe.preset!r}: cannot start from {start!r}; "
                     f"expected one of {', '.join(STARTS)} that fits, or a file of weights")


def _presets(kind: str, recipe: Recipe, on_gpu: bool, asked: bool) -> list[str]:
    """The presets that a kind of start is tried with where none is asked for, best first."""
    if kind == "coco":
        return [WHOLE] * (asked or on_gpu)
    if kind == "imagenet":
        return ["resnet50"] * on_gpu + ["resnet18"]
    return [recipe.preset]


def can_be(system: str, preset: str, kind: str) -> bool:
    """Whether there are weights of a kind for a preset at all."""
    if preset not in PRESETS[system]:
        return False
    if kind == "coco":
        return preset == WHOLE and system in DETECTORS
    if kind == "imagenet":
        return preset != WHOLE and _trunk(system, preset).startswith(("res", "vgg"))
    return kind == "random" or (weights_folder() / f"{_trunk(system, preset)}.safetensors").is_file()


def _trunk(system: str, preset: str) -> str:
    return PRESETS[system][preset]().trunk.name


def _on_disk(system: str, preset: str, kind: str) -> bool:
    """Whether a kind of start needs no download."""
    if kind not in ("coco", "imagenet"):
        return True
    file = _published(system, preset, kind).url.rpartition("/")[2]
    return (Path(torch.hub.get_dir()) / "checkpoints" / file).is_file()


def _published(system: str, preset: str, kind: str):
    """torchvision's entry for the weights of a kind."""
    if kind == "coco":
        return torchvision.models.get_model_weights(DETECTORS[system])["COCO_V1"]
    return torchvision.models.get_model_weights(_trunk(system, preset))["IMAGENET1K_V1"]


def _begun(system: str, recipe: Recipe, preset: str, kind: str) -> Start:
    """The start of a kind that the preset can have."""
    changes, name = dict(recipe.set), _trunk(system, preset)
    if preset != recipe.preset:  # the budget chose its overrides and its rate for its own preset
        changes, recipe = {}, _as_large(system, recipe, preset)
    fill, said = Start.fill, f"starts from {kind} weights of {name}"
    if kind == "coco":
        changes["trunk.norm_eps"] = 0.0  # as torchvision's published detectors
        state, classes = _coco(system)
        said = f"starts from torchvision's {DETECTORS[system]}, trained on COCO"

        def fill(module: nn.Module) -> None:
            take_over(module, trained(module).classes, state, classes)
    elif kind == "imagenet":
        changes |= {"trunk.weights": kind, "trunk.frozen_norm": True, "trunk.frozen_stages": 2}
        said = f"starts from torchvision's ImageNet weights of {name}"
    elif kind == "mininet":
        changes["trunk.weights"] = kind
        said = f"starts from the course's MiniNet weights of {name}"
    else:
        changes["trunk.weights"] = None
        said = "starts from random weights" + _hint(system, preset)
    return Start(replace(recipe, preset=preset, set=changes), said, fill)


def _hint(system: str, preset: str) -> str:
    """What else there would be, if it were on disk."""
    for kind in ("coco", "imagenet"):
        if can_be(system, preset, kind):
            return f"; torchvision's are not in torch's cache: `--start {kind}` fetches them"
    return ""


def _as_large(system: str, recipe: Recipe, preset: str) -> Recipe:
    """A recipe with the optimiser of the budget for large networks, its rate for this batch."""
    known = budget("gpu").recipes.get(system)
    if known is None or known.preset != "resnet50" or preset in ("tiny", "small", "scale"):
        return recipe
    return replace(recipe, optimiser=known.optimiser, weight_decay=known.weight_decay, decay=known.decay,
                   lr=known.lr * recipe.batch / known.batch)


def _coco(system: str) -> tuple[dict[str, Tensor], Sequence[str]]:
    """torchvision's COCO detector under our names, and the name of each of its labels from 1 on."""
    weights = _published(system, WHOLE, "coco")
    try:
        state = weights.get_state_dict(progress=False)
    except OSError as error:
        file = weights.url.rpartition("/")[2]
        raise FileNotFoundError(f"--start coco: {file} is not in torch's cache and the download failed "
                                f"({error})") from None
    convert = {"retinanet": retinanet.from_torchvision, "faster_rcnn": faster_rcnn.from_torchvision}[system]
    return convert(state), weights.meta["categories"][1:]


def _from_file(system: str, recipe: Recipe, path: Path) -> Start:
    """To go on learning from weights of one's own: their configuration, size and, by name, classes."""
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}; a start is one of {', '.join(STARTS)}, or a file")
    stored = load_weights(path, system)
    changes = flat_config(stored.cfg)
    del changes["num_classes"]
    size = recipe.size or stored.trained.size

    def fill(module: nn.Module) -> None:
        take_over(module, trained(module).classes, stored.state_dict(), stored.trained.classes)

    begun = replace(recipe, set=changes | {"trunk.weights": None}, size=size)
    return Start(begun, f"starts from {path}", fill)
