"""Boxes moved by hand: what is said of them is what the library computes, and the pictures say the same."""
import matplotlib.pyplot as plt
import numpy as np
import pytest

from paperlib.teach.boxes import scoring
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


def test_the_labeller_and_the_board_share_their_boxes():
    for widget in (Labeller, Board):
        assert "function boxesOn(options)" in str(widget._esm) and ".boxes rect.box" in str(widget._css)
