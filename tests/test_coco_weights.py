"""torchvision's published RetinaNet in our model, with random weights in place of the published ones."""
import pytest
import torch
from torchvision.models.detection import retinanet_resnet50_fpn

from paperlib.scoring.torchvision_on_coco import WEIGHTS, coco_detector, score_on_coco


@pytest.fixture(scope="module")
def theirs():
    """The state dict of torchvision's model as it is published: 91 columns of classes, random numbers."""
    torch.manual_seed(0)
    net = retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91).eval()
    torch.nn.init.normal_(net.head.classification_head.cls_logits.weight, std=0.02)
    return net


def test_the_columns_are_those_of_the_category_ids(theirs):
    ids = [1, 3, 90]
    ours = coco_detector(ids, theirs.state_dict())
    image = torch.randint(0, 256, (1, 3, 96, 128), dtype=torch.uint8)
    with torch.no_grad():
        logits, deltas, _ = ours.predict(image)
        prepared = theirs.transform.normalize(image[0] / 255)[None]
        features = list(theirs.backbone(prepared).values())
        want = theirs.head(features)
    scale = want["cls_logits"].std()
    assert (logits - want["cls_logits"][..., ids]).abs().max() < 0.05 * scale
    torch.testing.assert_close(deltas, want["bbox_regression"], rtol=1e-2, atol=1e-3)


def test_an_id_that_is_not_cocos_is_refused(theirs):
    with pytest.raises(ValueError, match="category id 12 is not one of COCO's 80"):
        coco_detector([1, 12], theirs.state_dict())


def test_the_published_weights_are_scored_on_real_photographs(shared, theirs):
    scores, stated = score_on_coco(shared / "data" / "coco128", None, 2, state=theirs.state_dict(), short=96, long=128)
    assert 0 <= scores["AP"] < 0.05 and stated == WEIGHTS.meta["_metrics"]["COCO-val2017"]["box_map"] / 100
