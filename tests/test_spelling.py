"""A name that is almost right: every error on an unknown one says which was meant."""
import pytest

from paperlib.commands.run_options import planned
from paperlib.config import override
from paperlib.data.download import download
from paperlib.data.named_sets import ensure, load
from paperlib.report.torchvision_detectors import published
from paperlib.spelling import did_you_mean
from paperlib.tables.row_jobs import jobs_of, runnable
from paperlib.training.recipes import Recipe, budget, preset
from paperlib.world.drawn_sets import world_of


@pytest.mark.parametrize(("name", "hint"), [
    ("retinanett", "; did you mean 'retinanet'?"), ("RPN", "; did you mean 'rpn'?"), ("yolo", ""), ("", "")])
def test_the_nearest_name_is_meant_and_nothing_where_none_is_near(name, hint):
    assert did_you_mean(name, ["rcnn", "rpn", "retinanet"]) == hint
    assert did_you_mean(name, []) == ""


@pytest.mark.parametrize(("ask", "meant"), [
    (lambda: runnable("focal_loss/1bb"), "focal_loss/1b"),
    (lambda: jobs_of("focal_loss/1b", budget("smoke"), ["gamma2"]), "gamma 2"),
    (lambda: planned("smoke", "RetinaNt"), "retinanet"),
    (lambda: budget("smoke").recipe("faster-rcnn"), "faster_rcnn"),
    (lambda: preset("retina_net", "tiny"), "retinanet"),
    (lambda: preset("retinanet", "resnet5"), "resnet50"),
    (lambda: budget("smok"), "smoke"),
    (lambda: load("minicocoo"), "minicoco"),
    (lambda: load("minivocc/val"), "minivoc"),
    (lambda: ensure("mini_voc"), "minivoc"),
    (lambda: download("coco_2017"), "coco2017"),
    (lambda: world_of("minicoco?stuf=0"), "stuff"),
    (lambda: override(Recipe(), ["stepz=3"]), "steps"),
    (lambda: published("fasterrcnn_resnet50"), "fasterrcnn_resnet50_fpn"),
], ids=["table", "row", "system of train", "system of a budget", "system", "preset", "budget", "set", "split of a set",
        "drawn set", "download", "dial", "key of --set", "detector"])
def test_an_unknown_name_is_met_with_the_one_that_was_meant(ask, meant):
    with pytest.raises((KeyError, ValueError)) as refused:
        ask()
    assert refused.value.args[0].endswith(f"; did you mean {meant!r}?")
