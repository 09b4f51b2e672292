import pytest
import torch
import torchvision

from paperlib.parts import boxes

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def random_boxes(*shape, seed=0, dtype=torch.float32):
    g = torch.Generator().manual_seed(seed)
    corner, wh = torch.rand(*shape, 2, generator=g) * 80, torch.rand(*shape, 2, generator=g) * 40 + 1
    return torch.cat([corner, corner + wh], -1).to(dtype)


def iou_slow(a, b):
    out = torch.zeros(len(a), len(b), dtype=a.dtype)
    for i, p in enumerate(a.tolist()):
        for j, q in enumerate(b.tolist()):
            w, h = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            both = max(0, w) * max(0, h)
            union = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both
            out[i, j] = both / union if both else 0
    return out


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_iou_equals_the_definition_and_torchvision(device, dtype):
    a, b = random_boxes(7, dtype=dtype), random_boxes(5, seed=1, dtype=dtype)
    got = boxes.iou(a.to(device), b.to(device)).cpu()
    assert got.dtype == dtype
    torch.testing.assert_close(got, iou_slow(a, b))
    torch.testing.assert_close(got, torchvision.ops.box_iou(a, b))


def test_iou_by_hand():
    a = torch.tensor([[0.0, 0, 10, 10]])
    b = torch.tensor([[0.0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [30, 30, 40, 40]])
    assert boxes.iou(a, b)[0].tolist() == pytest.approx([1, 1 / 3, 0, 0.04, 0])


def test_iou_of_boxes_without_area_is_zero():
    point = torch.tensor([[5.0, 5, 5, 5]])
    assert boxes.iou(point, point).item() == 0
    assert boxes.coverage(point, point).item() == 0


def test_leading_dimensions_and_empty_inputs():
    a, b = random_boxes(3, 4), random_boxes(3, 6, seed=1)
    torch.testing.assert_close(boxes.iou(a, b), torch.stack([boxes.iou(p, q) for p, q in zip(a, b)]))
    assert boxes.iou(a, b[:, :0]).shape == (3, 4, 0)
    assert boxes.encode(a[:0], a[:0]).shape == boxes.decode(a[:0], a[:0]).shape == (0, 4, 4)
    assert boxes.clip(a[:0], (10, 20)).shape == (0, 4, 4)
    none = torch.zeros(0, 4)
    assert boxes.area(none).shape == (0,)
    assert boxes.nms(none, none[:, 0], none[:, 0].long(), 0.5).shape == (0,)


def test_coverage_by_hand():
    a, crowd = torch.tensor([[0.0, 0, 10, 10], [0, 0, 2, 2]]), torch.tensor([[0.0, 0, 5, 20]])
    assert boxes.coverage(a, crowd)[:, 0].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("device", DEVICES)
def test_encode_and_decode_are_inverse_and_equal_torchvision(device):
    src, dst = random_boxes(50).to(device), random_boxes(50, seed=1).to(device)
    deltas = boxes.encode(src, dst)
    torch.testing.assert_close(boxes.decode(src, deltas), dst, rtol=1e-4, atol=1e-3)
    coder = torchvision.models.detection._utils.BoxCoder((1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(deltas, coder.encode_single(dst, src))
    wild = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).to(device) * 5
    torch.testing.assert_close(boxes.decode(src, wild), coder.decode_single(wild, src), rtol=1e-4, atol=1e-2)


def test_encode_by_hand():
    src, dst = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 0, 25, 10]])
    want = torch.tensor([[1.0, -0.25, 2.0, 0.5]])  # centre moves by (10, -5) of (10, 20); sides by 2 and 1/2
    want[:, 2:] = want[:, 2:].log()
    torch.testing.assert_close(boxes.encode(src, dst), want)


def test_encode_names_the_box_without_area():
    good, flat = torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[3.0, 4, 3, 9]])
    with pytest.raises(ValueError, match=r"box 1 has no area.*3\.0, 4\.0, 3\.0, 9\.0"):
        boxes.encode(torch.cat([good, good]), torch.cat([good, flat]))


def test_decode_cannot_overflow():
    assert boxes.decode(torch.tensor([[0.0, 0, 10, 10]]), torch.full((1, 4), 1e4)).isfinite().all()


def test_clip():
    b = torch.tensor([[-5.0, -5, 50, 50], [1, 2, 3, 4]])
    assert boxes.clip(b, (20, 30)).tolist() == [[0, 0, 30, 20], [1, 2, 3, 4]]
    many = boxes.clip(b.expand(2, 2, 4), torch.tensor([[[20, 30]], [[10, 10]]]))
    assert many[1, 0].tolist() == [0, 0, 10, 10]


def nms_slow(b, scores, labels, threshold):
    left, keep = scores.argsort(descending=True).tolist(), []
    overlaps = iou_slow(b, b)
    while left:
        best, *left = left
        keep.append(best)
        left = [i for i in left if labels[i] != labels[best] or overlaps[best, i] <= threshold]
    return keep


@pytest.mark.parametrize("num", [40, 1500])
def test_the_best_after_nms_are_found_among_the_first(num, monkeypatch):
    b, labels = random_boxes(num), torch.arange(num) % 4
    scores = (torch.rand(num) * 50).round() / 50  # many are equal
    for of in (None, labels):
        for threshold in (0.0, 0.3, 0.95):
            whole = boxes.nms(b, scores, of, threshold)
            for most in (0, 1, 10, 1000):
                assert torch.equal(boxes.nms(b, scores, of, threshold, most), whole[:most])
    looked, nms = [], torchvision.ops.nms
    monkeypatch.setattr(torchvision.ops, "nms", lambda b, *rest: looked.append(len(b)) or nms(b, *rest))
    boxes.nms(b, scores, None, 1.0, 20)
    assert looked == [25]  # nothing goes, so the other boxes were not looked at


@pytest.mark.parametrize("device", DEVICES)
def test_nms_equals_the_greedy_rule(device):
    b, scores = random_boxes(60), torch.rand(60, generator=torch.Generator().manual_seed(3))
    labels = torch.arange(60) % 3
    got = boxes.nms(b.to(device), scores.to(device), labels.to(device), 0.3)
    assert got.tolist() == nms_slow(b, scores, labels, 0.3)
    got = boxes.nms(b.to(device), scores.to(device), None, 0.3)
    assert got.tolist() == nms_slow(b, scores, labels * 0, 0.3)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16])
def test_overlaps_of_whole_numbers_and_halves_are_those_in_float32(dtype):
    a = torch.tensor([[0, 0, 512, 512], [0, 0, 10, 10]]).to(dtype)  # 512 x 512 is infinite in float16
    for overlap in (boxes.iou, boxes.coverage):
        torch.testing.assert_close(overlap(a, a), overlap(a.float(), a.float()))
    assert boxes.iou(a, a).tolist() == [[1, pytest.approx(100 / 512**2)], [pytest.approx(100 / 512**2), 1]]


def test_a_side_that_is_no_number_is_no_area():
    whole, broken = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, 0, float("nan"), 10]])
    for pair in ((whole, broken), (broken, whole)):
        with pytest.raises(ValueError, match="box 0 has no area"):
            boxes.encode(*pair)


@pytest.mark.parametrize(("scores", "labels"), [(2, None), (3, 2), (3, 4), (2, 3)])
def test_boxes_without_a_score_or_a_label_each_are_refused(scores, labels):
    labels = None if labels is None else torch.arange(labels)
    with pytest.raises(ValueError, match=f"3 boxes, {scores} scores and .* labels: expected one of each a box"):
        boxes.nms(random_boxes(3), torch.rand(scores), labels, 0.5)
