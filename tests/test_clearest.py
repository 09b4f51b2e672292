"""Which scene shows best what a detector does (teach.shown_detector)."""
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from paperlib.teach.shown_detector import clearest

APART, STACKED = [[0, 0, 10, 10], [20, 20, 30, 30]], [[0, 0, 10, 10], [0, 0, 10, 9]]
OBJECTS = {0: APART, 1: APART, 2: STACKED}


class Told(nn.Module):
    """Says of image i (whose pixels are i) what it was told."""

    def __init__(self, said):
        super().__init__()
        self.said, self.weight = said, nn.Parameter(torch.zeros(()))

    def detect(self, images):
        boxes, scores = zip(*self.said[int(images[0, 0, 0, 0])])
        return [{"boxes": torch.tensor(boxes).float(), "scores": torch.tensor(scores),
                 "labels": torch.ones(len(boxes), dtype=torch.int64)}]


SCENES = SimpleNamespace(
    image=lambda i: torch.full((3, 40, 40), i, dtype=torch.uint8),
    target=lambda i: {"boxes": torch.tensor(OBJECTS[i]).float(), "labels": torch.ones(2, dtype=torch.int64)})


@pytest.mark.parametrize(("said", "expected"), [
    ({0: [([0, 0, 10, 10], 0.9)], 1: [([0, 0, 10, 10], 0.9), ([20, 20, 30, 30], 0.9)], 2: [([0, 0, 10, 10], 0.9)]}, 1),
    # a second box that is wrong, or not sure, or on the same object, is no second object
    ({0: [([0, 0, 10, 10], 0.9), ([30, 0, 40, 10], 0.9)], 1: [([0, 0, 10, 10], 0.9), ([20, 20, 30, 30], 0.3)],
      2: [([0, 0, 10, 10], 0.9)]}, 1),
    # an object that is found makes up for one wrong box
    ({0: [([0, 0, 10, 10], 0.9)],
      1: [([0, 0, 10, 10], 0.9), ([20, 20, 30, 30], 0.9), ([30, 0, 40, 10], 0.9)],
      2: [([0, 0, 10, 10], 0.9)]}, 1),
    # objects on each other are seen badly, though both are found
    ({0: [([0, 0, 10, 10], 0.9)], 1: [([30, 0, 40, 10], 0.9)], 2: [([0, 0, 10, 10], 0.9)]}, 0)])
def test_the_clearest_scene(said, expected):
    assert clearest(Told(said), SCENES, range(3)) == expected


def test_a_box_with_the_name_of_another_class_is_wrong():
    net = Told({0: [([0, 0, 10, 10], 0.9), ([20, 20, 30, 30], 0.9)], 1: [([0, 0, 10, 10], 0.9)]})
    scenes = SimpleNamespace(image=SCENES.image, target=lambda i: {
        "boxes": torch.tensor(APART).float(), "labels": torch.tensor([1, 2 - i])})
    assert clearest(net, scenes, [0, 1]) == 1  # one of the first picture's objects is of class 2


@pytest.mark.parametrize(("said", "expected"), [
    ({0: [([0, 0, 10, 10], 0.4)], 1: [([0, 0, 10, 10], 0.5)]}, 1),  # just sure
    ({0: [([0, 0, 10, 4], 0.9)], 1: [([0, 0, 10, 10], 0.4)]}, 1),  # covered by less than half
    ({0: [([0, 0, 10, 10], 0.4)], 1: [([0, 0, 10, 5], 0.9)]}, 1)])  # by half
def test_a_box_counts_from_a_score_and_a_half_on(said, expected):
    assert clearest(Told(said), SCENES, [0, 1], sure=0.5) == expected


def test_no_scene():
    with pytest.raises(ValueError, match="no images to choose from"):
        clearest(Told({}), SCENES, [])
