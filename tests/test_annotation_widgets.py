"""The annotation interfaces: each is used as a student would, through its widgets, and scores what was done."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from paperlib.data.named_sets import load
from paperlib.studies.annotation.simulated_workers import Presence
from paperlib.teach.annotation import pictures as sheets
from paperlib.teach.annotation import scores, tasks
from paperlib.world import build


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A hundred and sixty drawn scenes."""
    folder = tmp_path_factory.mktemp("drawn") / "minicoco"
    build.build("minicoco", folder, jobs=1, counts={"val": 160})
    return load(folder, "val")


@pytest.fixture(scope="module")
def busy(scenes):
    """An image with three or more single objects of a category: (image, label)."""
    for i in range(len(scenes)):
        target = scenes.target(i)
        counts = np.bincount(target["labels"][~target["crowd"]])
        if counts.max(initial=0) >= 3 and not target["crowd"].any():
            return i, int(counts.argmax())
    raise AssertionError("no image with three objects of a kind")


def press(button):
    button.click()


def test_a_task_is_shown_as_its_widget(scenes):
    task = tasks.label_categories(scenes, 0)
    assert "application/vnd.jupyter.widget-view+json" in task._repr_mimebundle_()


def test_naming_everything_that_is_there_scores_one(scenes, busy):
    task = tasks.label_categories(scenes, busy[0])
    there = {scenes.classes[k - 1] for k in scenes.target(busy[0])["labels"]}
    while not task.parts["next"].disabled:
        for toggle in task.parts["row"].children:
            toggle.value = toggle.description in there
        press(task.parts["next"])
    assert task.state["named"] == there
    assert "<td>you</td><td>1.00</td><td>1.00</td>" in task.parts["score"].value
    assert "missed: nothing" in task.parts["score"].value and "union of eight" in task.parts["score"].value


def test_naming_nothing_is_counted_as_missed(scenes, busy):
    task = tasks.label_categories(scenes, busy[0])
    while not task.parts["next"].disabled:
        press(task.parts["next"])
    assert "<td>you</td><td>0.00</td><td>0.00</td>" in task.parts["score"].value


def test_recall_comes_before_precision():
    some = Presence(np.array([[True, False]]), np.zeros((1, 2)), np.zeros(2, int))
    said = scores.labelling_score({"cat", "dog", "cow"}, {"cat", "hen"}, some)
    assert "<td>you</td><td>0.50</td><td>0.33</td>" in said  # one of two there, one of three named
    assert "right: cat; wrong: cow, dog; missed: hen" in said


def test_an_object_is_in_the_cells_that_hold_much_of_it():
    masks = torch.zeros(4, 16, 16, dtype=torch.bool)  # in 4 x 4 cells of 4 px each
    masks[0, 4, 5:9] = True  # three pixels of cell 5, one of cell 6
    masks[1, :4, :8] = True  # all of cells 0 and 1
    masks[2] = masks[3] = True
    target = {"masks": masks, "labels": torch.tensor([7, 7, 7, 8]),
              "crowd": torch.tensor([False, False, True, False])}
    dataset = SimpleNamespace(target=lambda i, masks: target)
    truth = scores.cell_truth(dataset, 0, 7, 4)
    assert [row.nonzero()[0].tolist() for row in truth] == [[0, 1], [5]]  # the larger first, no crowd


def test_spotting_counts_hits_doubles_and_misses(scenes, busy):
    i, label = busy
    task = tasks.spot_objects(scenes, i, label)
    truth = scores.cell_truth(scenes, i, label, 16)
    buttons, first = task.parts["buttons"], task.state["crosses"][0]
    assert truth[0, first] and buttons[first].description == "✕"
    empty = int(np.flatnonzero(~truth.any(0))[0])
    press(buttons[empty])
    assert buttons[empty].description == "✕" and empty in task.state["crosses"]
    press(task.parts["done"])
    assert f"<b>1 of {len(truth)}</b>; 0 twice, 1 crosses on something else" in task.parts["score"].value
    press(buttons[empty])
    assert buttons[empty].description == "" and task.state["crosses"] == [first]


def test_spotting_needs_something_to_spot(scenes, busy):
    missing = next(k for k in range(1, 37) if k not in scenes.target(busy[0])["labels"])
    with pytest.raises(ValueError, match="has no object of"):
        tasks.spot_objects(scenes, busy[0], missing)


def test_spotting_gives_each_cross_one_object():
    truth = np.array([[1, 1, 1, 0], [0, 1, 0, 0]], bool)         # the second lies in front of the first
    assert scores.spotting_score(truth, [1, 0]) == (2, 0, 0)
    assert scores.spotting_score(truth, [0, 2]) == (1, 1, 0)
    assert scores.spotting_score(truth, [3]) == (0, 0, 1)
    assert scores.spotting_score(truth[:0], [3]) == (0, 0, 1)


def test_outline_follows_sliders_text_and_undo(scenes):
    i, k = largest(scenes)
    task = tasks.draw_outline(scenes, i, k)
    x1, y1, x2, y2 = scenes.target(i)["boxes"][k].tolist()
    for px, py in ((x1, y1), (x2, y1), (x2, y2), (x1, y2)):
        task.parts["x"].value, task.parts["y"].value = px, py
        press(task.parts["add"])
    mask = scenes.target(i, masks=True)["masks"][k].numpy()
    assert len(task.state["points"]) == 4
    assert task.state["iou"] == pytest.approx(mask.sum() / ((x2 - x1) * (y2 - y1)), abs=0.03)
    assert f"IoU {task.state['iou']:.2f}" in task.parts["score"].value
    press(task.parts["undo"])
    assert len(task.state["points"]) == 3
    task.parts["typed"].value = f"{x1},{y1} {x2},{y1}"
    assert task.state["iou"] == 0.0 and "with 2 corners" in task.parts["score"].value
    task.parts["typed"].value = "3,4 5;6"
    assert "corner 2 is &#x27;5;6&#x27;" in task.parts["score"].value


def largest(scenes):
    """(image, object) of the largest object among the first images."""
    places = [(int(a), i, k) for i in range(20) for k, a in enumerate(scenes.target(i)["area"])
              if not scenes.target(i)["crowd"][k]]
    return max(places)[1:]


def test_verification_sheet_hides_four_that_a_careful_eye_can_tell(scenes):
    sheet = sheets.verification_sheet(scenes, 1)
    assert sheet.picture.shape == (512, 512, 3) and len(sheet.iou) == 64 and len(sheet.bad) == 4
    good = np.delete(sheet.iou, sheet.bad)
    assert sheet.iou[list(sheet.bad)].max() < 0.5 < 0.7 < np.quantile(good, 0.05)
    assert sheets.verification_sheet(scenes, 1).bad == sheet.bad != sheets.verification_sheet(scenes, 2).bad


def test_a_judge_who_finds_three_of_four_may_go_on_and_another_not(scenes):
    task = tasks.verify_segments(scenes, 1)
    bad = task.parts["sheet"].bad
    for n in bad[:3]:
        press(task.parts["buttons"][n])
    press(task.parts["submit"])
    assert "<b>3 of 4</b>" in task.parts["score"].value and "you may judge" in task.parts["score"].value
    assert task.parts["buttons"][bad[3]].description == "bad"
    task = tasks.verify_segments(scenes, 1)
    for _ in range(2):
        press(task.parts["buttons"][bad[3]])  # a second click takes the mark back
    assert task.state["marked"] == set() and task.parts["buttons"][bad[3]].description == ""
    other = next(n for n in range(64) if n not in bad)
    for n in (*bad[:2], other):
        press(task.parts["buttons"][n])
    press(task.parts["submit"])
    assert "<b>2 of 4</b>" in task.parts["score"].value and "marked 1 others: begin again" in task.parts["score"].value


def test_a_sheet_needs_enough_objects(scenes):
    with pytest.raises(ValueError, match="needed 64"):
        sheets.verification_sheet(scenes.subset(10))


def test_icons_show_something_for_drawn_categories_only():
    assert sheets.icon("person").std() > 20 and sheets.icon("no such thing").std() == 0
