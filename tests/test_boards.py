"""Boxes moved by hand: what is said of them is what the library computes, and the pictures say the same."""
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from paperlib.parts import roi_pooling
from paperlib.parts.crops.warp import CropConfig, crops
from paperlib.teach.boxes import regions, scoring
from paperlib.teach.boxes.board import Board, sides
from paperlib.teach.labeller.widget import Labeller
from paperlib.teach.scoring_pictures import FOUND, OBJECTS, iou_picture


def slow_iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def words_of(ax):
    return " ".join(text.get_text() for text in ax.texts)


@pytest.mark.parametrize("box, reached", [
    ([20, 20, 60, 60], "0.5, 0.75, 0.95"), ([70, 70, 90, 90], "none"), ([28, 28, 68, 68], "reaches 0.1.")])
def test_the_words_of_a_pair_are_its_overlap(box, reached):
    pair = np.array([[20, 20, 60, 60], box], float)
    answer = scoring.iou_answer(pair)
    assert f"IoU {slow_iou(*pair):.2f} = " in answer.said and reached in answer.said
    assert answer.texts[1].endswith(f"{slow_iou(*pair):.2f}")


def test_the_areas_of_a_pair_are_what_its_overlap_is_made_of():
    said = scoring.iou_answer(scoring.PAIR).said  # 28 x 32 px of 40 x 40 each
    assert said.startswith("IoU 0.39 = 896 / (1600 + 1600 - 896) px²; it reaches 0.1.")


def test_a_move_is_answered_and_the_twin_says_the_same():
    board = scoring.iou_board()
    before = board.said
    board.boxes = [board.boxes[0], [28.0, 28.0, 40.0, 40.0]]
    board.moves += 1
    assert board.answered == 1 and board.said != before and "IoU 0.47" in board.said
    _, ax = plt.subplots()
    iou_picture(ax, right=8.0, down=8.0)
    assert "IoU 0.47" in words_of(ax)
    plt.close("all")


def test_a_detection_that_is_moved_away_loses_its_object():
    everything = np.concatenate([OBJECTS, FOUND])
    said = scoring.matching_answer(everything).said
    assert said.startswith("Hits: A, C, E. Precision 3 of 5, recall 3 of 3.")
    assert f"A {slow_iou(FOUND[0], OBJECTS[0]):.2f}" in said
    everything[len(OBJECTS), [0, 2]] += 60                                # A goes, D takes its place
    assert scoring.matching_answer(everything).said.startswith("Hits: C, D, E.")
    _, ax = plt.subplots()
    scoring.matching_picture(ax, "A", right=60.0)
    assert "Hits: C, D, E" in words_of(ax)
    plt.close("all")


def test_a_board_keeps_what_may_not_move_and_names_wrong_arguments():
    board = scoring.matching_board()
    assert board.movable == [False] * 3 + [True] * 5 and board.size == [128, 108]
    assert np.array_equal(board.corners(), np.concatenate([OBJECTS, FOUND]))
    assert sides(np.array([[1, 2, 5, 9.0]])) == [[1, 2, 4, 7]]
    with pytest.raises(ValueError, match="2 boxes and 1 values of movable"):
        Board(scoring.PAIR, [True], scoring.iou_answer, "two", size=(9, 9))
    with pytest.raises(ValueError, match="neither an image nor a size"):
        Board(scoring.PAIR, [True, True], scoring.iou_answer, "two")
    picture = Board(scoring.PAIR, [True, True], scoring.iou_answer, "two", image=np.zeros((3, 80, 90), np.uint8))
    assert picture.size == [90, 80] and picture.picture.startswith("data:image/png;base64,")


@pytest.fixture
def image():
    return torch.rand(3, 64, 80, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("box", [[8, 8, 40, 32], [11, 5, 52, 41], [3, 3, 6, 7], [20, 20, 21, 60]])
def test_the_cells_of_a_region_are_those_that_pooling_reads(box):
    stride, side = 8, 3
    grid = torch.rand(1, 1, 8, 10, generator=torch.Generator().manual_seed(1))
    pooled = roi_pooling.pool({3: grid}, torch.tensor([[0, *box]]).float(), roi_pooling.RoIConfig(side=side))[0, 0]
    cells = (regions.bins(np.array(box, float), stride, side) / stride).astype(int)
    slow = [float(grid[0, 0, y1:y2, x1:x2].max()) for x1, y1, x2, y2 in cells]
    assert pooled.flatten().tolist() == pytest.approx(slow)


def test_a_box_that_is_moved_by_less_than_half_a_place_may_read_the_same(image):
    scene = regions.RoIScene(image, torch.tensor([8.0, 8, 33, 25]))
    board = scene.board()
    assert board.size == [80, 64] and len(board.follow) == 1 + 9 and len(board.texts) == 2 + 9
    assert board.follow[0] == [8, 8, 32, 24] and "IoU 0.55 with the box" in board.said
    board.boxes = [[11.0, 8.0, 25.0, 17.0]]
    board.moves += 1
    assert board.follow[0] == [8, 8, 32, 24] and "left -3, top +0, right +4, bottom +7" in board.said
    board.boxes = [[12.0, 8.0, 25.0, 17.0]]                              # an edge is nearer to the next place
    board.moves += 1
    assert board.follow[0][0] == 16 and "Columns 2 to 5 and rows 1 to 3" in board.said
    _, ax = plt.subplots()
    scene.picture(ax, right=3.0)
    assert f"IoU {slow_iou([11, 8, 36, 25], [8, 8, 40, 32]):.2f}" in words_of(ax)
    plt.close("all")


def test_the_crops_beside_a_region_are_the_networks(image):
    scene = regions.CropScene(image, torch.tensor([10.0, 10, 50, 30]), torch.full((3,), 0.5))
    board = scene.board()
    assert "A region of 40 by 20 px" in board.said and "its height 2.0 times as much" in board.said
    assert board.beside.startswith("data:image/png;base64,") and "square with context" in board.caption
    grow = 227 / (227 - 32)
    assert board.follow[0][2:] == pytest.approx([40 * grow, 20 * grow], abs=1e-4)
    box = np.array([[0.0, 10, 40, 30]])
    assert "0% of it" not in scene.answer(box).said                      # its context lies beyond the picture
    for right in range(20):                       # a share that rounding makes negative is none, not "-0%"
        assert "-" not in scene.answer(np.array([[20.3 + right / 9, 21.1, 33.7 + right / 7, 31.9]])).said
    narrow, warped, square = scene.cut(box)
    torch.testing.assert_close(narrow, crops(image, torch.tensor(box).float(), CropConfig(96, 0.0), scene.fill)[0])
    assert torch.allclose(warped[:, 48, :3], torch.full((3, 3), 0.5), atol=1e-5) and not torch.allclose(warped, square)
    fig, ax = plt.subplots()
    scene.picture(ax, right=-10.0)
    assert len(ax.child_axes) == 1 + len(regions.CUTS)
    plt.close(fig)


def test_the_labeller_and_the_board_share_their_boxes():
    for widget in (Labeller, Board):
        assert "function boxesOn(options)" in str(widget._esm) and ".boxes rect.box" in str(widget._css)
