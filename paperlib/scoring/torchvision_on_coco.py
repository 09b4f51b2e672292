"""torchvision's RetinaNet, trained on COCO, in our model: its AP on a user's COCO, beside the stated one."""

import torch
from torch import Tensor
from torchvision.models.detection import RetinaNet_ResNet50_FPN_Weights

from paperlib.data.named_sets import load
from paperlib.scoring.coco_metrics import evaluate
from paperlib.systems.presets.retinanet import load_torchvision, torchvision_resnet50
from paperlib.systems.retinanet import RetinaNet

WEIGHTS = RetinaNet_ResNet50_FPN_Weights.COCO_V1
SIDES = {"short": 800, "long": 1333}  # px, as its authors tested it


def coco_detector(classes: list[int], state: dict[str, Tensor] | None = None) -> RetinaNet:
    """torchvision's published detector as ours, for the COCO category ids `classes`.

    `state` stands in for its weights.
    Errors: ValueError for an id that is not COCO's; FileNotFoundError if the weights can be neither found
            nor fetched.
    """
    names = WEIGHTS.meta["categories"]
    for category in classes:
        if not 0 < category < len(names) or names[category] == "N/A":
            raise ValueError(f"category id {category} is not one of COCO's 80, "
                             "which the published weights know")
    try:
        state = state or WEIGHTS.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise FileNotFoundError(
            f"torchvision's RetinaNet is not in torch's cache, nor could it be fetched ({error})") from None
    system = RetinaNet(torchvision_resnet50(len(classes), norm_eps=0.0))
    return load_torchvision(system, state, classes).eval()


def score_on_coco(folder, split: str | None = "val", limit: int | None = None,
                  device: torch.device | str = "cpu", state: dict[str, Tensor] | None = None, batch: int = 4,
                  **sides) -> tuple[dict, float]:
    """COCO's numbers of the published detector on a COCO folder, and the AP that torchvision states.

    Units: both AP as fractions in 0..1; the stated one is that of all of val2017.
    """
    dataset = load(folder, split, limit=limit)
    system = coco_detector([c["id"] for c in dataset.categories], state)
    stated = WEIGHTS.meta["_metrics"]["COCO-val2017"]["box_map"] / 100
    return evaluate(system, dataset, torch.device(device), batch, **(sides or SIDES)), stated
