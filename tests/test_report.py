"""The report: thresholds, calibration, confusion and mistakes by hand and against hotcoco; the page itself."""
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from paperlib.__main__ import main
from paperlib.commands import run_files
from paperlib.report import examples, mending, over_images, page, thresholds
from paperlib.report.charts import Plot
from paperlib.report.confusion import confusion, mix_ups
from paperlib.report.evidence import cleaned, gathered
from paperlib.report.facts import headline, report_facts
from paperlib.scoring import coco_curves
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.scoring.error_types import fix
from paperlib.scoring.result_files import is_results
from paperlib.scoring.simulated_detector import made_detections, made_truth
from paperlib.training import weights

hotcoco = pytest.importorskip("hotcoco")


def scene(difficult=False):
    """Two images of 100 x 100 px: on the first two cats and a dog, on the second a cat (perhaps a difficult one)."""
    boxes = [(1, 1, [0, 0, 20, 20]), (1, 1, [40, 0, 20, 20]), (1, 2, [70, 70, 20, 20]), (2, 1, [0, 0, 40, 40])]
    annotations = []
    for n, (image, category, box) in enumerate(boxes):
        annotations.append({"id": n, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0,
                            "area": box[2] * box[3], "difficult": int(difficult and n == 3)})
    return {"images": [{"id": i, "height": 100, "width": 100, "file_name": f"{i}.jpg"} for i in (1, 2)],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}], "annotations": annotations}


def answer(image, category, box, score):
    return {"image_id": image, "category_id": category, "bbox": box, "score": score}


ANSWERS = [answer(1, 1, [0, 0, 20, 20], 0.9), answer(1, 2, [40, 0, 20, 20], 0.8),   # a cat; a cat called dog
           answer(1, 1, [0, 1, 20, 20], 0.7), answer(1, 2, [70, 70, 20, 20], 0.6),  # the first cat again; the dog
           answer(2, 1, [60, 60, 20, 20], 0.5), answer(2, 1, [0, 0, 40, 40], 0.4)]  # nothing; the cat


def random_case(seed, crowd=0.15, categories=5):
    gt = made_truth(15, seed, categories=categories, crowd=crowd, size=(96, 128))
    return gt, made_detections(gt, seed, copies=1.5)


def test_confusion_by_hand():
    evidence = gathered(scene(), ANSWERS)
    assert confusion(evidence, 0.0).tolist() == [[2, 1, 0], [0, 1, 0], [2, 0, 0]]
    assert confusion(evidence, 0.55).tolist() == [[1, 1, 1], [0, 1, 0], [1, 0, 0]]
    assert confusion(evidence, 0.95).tolist() == [[0, 0, 3], [0, 0, 1], [0, 0, 0]]
    assert mix_ups(confusion(evidence, 0.0), ["cat", "dog"]) == [("cat", "dog", 1, pytest.approx(1 / 3))]


def test_difficult_objects_and_what_lies_on_them_count_neither_way():
    evidence = gathered(scene(difficult=True), ANSWERS)
    assert confusion(evidence, 0.0).tolist() == [[1, 1, 0], [0, 1, 0], [2, 0, 0]]
    assert evidence.objects_of_class().tolist() == [2, 1] and evidence.ignored.tolist() == [False] * 5 + [True]
    assert thresholds.overall(evidence).recall == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(4))
def test_confusion_adds_up_and_its_diagonal_is_that_of_hotcoco_where_names_cannot_differ(seed):
    gt, results = random_case(seed)
    evidence = gathered(gt, results)
    matrix = confusion(evidence, 0.3)
    assert matrix[:-1].sum(1).tolist() == evidence.objects_of_class().tolist()
    taken = evidence.counted & (evidence.dt.scores >= 0.3)
    assert matrix[:, :-1].sum() == taken.sum() and np.trace(matrix) == (evidence.hit & taken).sum()
    alone, dt = random_case(seed, crowd=0, categories=1)
    theirs = coco_curves.hotcoco_evaluator(*cleaned(gathered(alone, dt))).confusion_matrix(min_score=0.3)["matrix"]
    assert confusion(gathered(alone, dt), 0.3).tolist() == theirs.tolist()


def test_facts_by_hand_and_a_threshold_of_two_digits_takes_what_the_exact_one_takes():
    lower = [{**record, "score": 0.8475 * record["score"]} for record in ANSWERS]  # the last: .339
    for results, cut in ((ANSWERS, 0.4), (lower, 0.33)):
        facts = report_facts(scene(), results, "t", "s", draws=3)
        assert [(line.name, line.objects) for line in facts.sizes] == [("small", 3), ("medium", 1), ("large", 0)]
        assert [(line.name, line.objects) for line in facts.classes] == [("cat", 3), ("dog", 1)]
        assert facts.cut == cut and sum(one.hits for one in (*facts.worst, *facts.best)) == 3
        assert headline(facts)[0].startswith(f"Of the detections of score {cut:.2f} or more 5 of 10 are right; "
                                             "they find 8 of 10 objects")


def test_best_threshold_by_hand():
    evidence = gathered(scene(), ANSWERS)
    cat, dog = thresholds.by_class(evidence)
    assert (cat.threshold, cat.f1) == (0.4, pytest.approx(4 / 7))  # at .9: 1/2
    assert (cat.precision, cat.recall) == (0.5, pytest.approx(2 / 3))
    assert (dog.threshold, dog.precision, dog.recall) == (0.6, 0.5, 1)
    assert thresholds.best_threshold(np.array([0.5, 0.5]), np.array([True, False]), 1).precision == 0.5  # both or none
    assert np.isnan(thresholds.best_threshold(np.zeros(0), np.zeros(0, bool), 0).f1)
    assert thresholds.best_threshold(np.array([0.5]), np.array([False]), 2).recall == 0


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_by_trying_all_and_curves_by_counting(seed):
    evidence = gathered(*random_case(seed))
    scores, hit = evidence.dt.scores[evidence.counted], evidence.hit[evidence.counted]
    objects = int(evidence.real.sum())

    def f1(threshold):
        taken = scores >= threshold
        return 2 * hit[taken].sum() / (taken.sum() + objects)

    best = thresholds.overall(evidence)
    assert best.f1 == pytest.approx(max(map(f1, scores))) == pytest.approx(f1(best.threshold))
    curve = thresholds.working_curve(evidence)
    assert curve["f1"].tolist() == pytest.approx([f1(step) for step in thresholds.STEPS])
    taken = scores >= thresholds.STEPS[20]
    assert curve["precision"][20] == pytest.approx(hit[taken].mean())
    assert curve["recall"][20] == pytest.approx(hit[taken].sum() / objects)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_and_mistakes_equal_hotcoco_on_what_counts(seed):
    gt, results = random_case(seed, crowd=0)
    evidence = gathered(gt, results)
    evaluator = coco_curves.hotcoco_evaluator(evidence.gt, evidence.dt)
    evaluator.evaluate()
    theirs, ours = evaluator.calibration(), thresholds.reliability(evidence)
    assert ours.error == pytest.approx(theirs["ece"], abs=1e-9)
    assert ours.count.tolist() == [b["count"] for b in theirs["bins"]]
    kinds = {kind.name: kind for kind in mending.mistakes(evidence)}
    said = evaluator.tide_errors()
    assert kinds["Background"].count == said["counts"]["Bkg"] and kinds["Missed"].gain == said["delta_ap"]["Miss"]
    assert said["ap_base"] == pytest.approx(coco_metrics(gt, results)["AP50"])


def test_a_score_of_exactly_1_is_in_the_highest_bin():
    sure = thresholds.reliability(gathered(scene(), [answer(1, 1, [0, 0, 20, 20], 1.0)]))
    assert sure.count.tolist() == [0] * 9 + [1] and sure.error == 0


def test_mending_by_hand():
    """Each kind alone: what is left when it is mended is what our own `fix` and COCO's AP50 say."""
    gt = scene()
    kinds = {kind.name: kind for kind in mending.mistakes(gathered(gt, ANSWERS))}
    assert {name: kind.count for name, kind in kinds.items()} == {
        "Background": 1, "Wrong name": 1, "Double": 1, "Missed": 0, "Loose box": 0, "Name and box": 0}
    before = coco_metrics(gt, ANSWERS)["AP50"]
    for name, ours in (("Background", "BG"), ("Wrong name", "Oth"), ("Double", "Loc")):
        after = coco_metrics(gt, fix(gt, ANSWERS, ours))["AP50"]
        assert kinds[name].gain == pytest.approx(after - before, abs=0.011)  # COCO reads the curve at 101 places
    assert kinds["Wrong name"].gain > kinds["Double"].gain > 0 == kinds["Missed"].gain


@pytest.mark.parametrize("seed", range(3))
def test_crowds_change_no_match_and_no_ap(seed):
    gt, results = random_case(seed)
    evidence = gathered(gt, results)
    objects, detected = cleaned(evidence)
    engines = coco_curves.curves(objects, detected, (100,))[0], coco_curves.curves(evidence.gt, evidence.dt, (100,))[0]
    assert engines[0][0].max() > 0
    np.testing.assert_allclose(engines[0][0, ..., 0, 0], engines[1][0, ..., 0, 0], atol=1e-9)


def test_without_hotcoco_and_without_detections(monkeypatch):
    kinds = mending.mistakes(gathered(scene(), []))
    assert [kind.name for kind in kinds if kind.gain] == ["Missed"] and kinds[0].count == 4
    html = page.page(report_facts(scene(), [], "t", "s", draws=3))
    assert "Not one detection has found an object." in html
    monkeypatch.setattr(coco_curves, "hotcoco", None)
    html = page.page(report_facts(scene(), ANSWERS, "t", "s", draws=3))
    assert "pip install hotcoco" in html


def test_worst_and_best():
    counts = examples.by_image(gathered(scene(), ANSWERS), 0.0)
    assert (counts.hits.tolist(), counts.missed.tolist(), counts.wrong.tolist()) == ([2, 1], [1, 0], [2, 1])
    assert examples.worst_and_best(counts) == ([0], [1])
    many = examples.ByImage(np.array([0, 5, 0, 9, 0]), np.array([3, 0, 7, 0, 0]), np.zeros(5, int))
    assert examples.worst_and_best(many, 2) == ([2, 0], [3, 1])  # the last has nothing on it and nothing found
    assert examples.worst_and_best(many, 9) == ([2, 0], [3, 1])


def test_intervals_hold_the_number_and_shrink_with_more_images():
    widths = []
    for num in (12, 150):
        gt = made_truth(num, 1, categories=2, size=(96, 128))
        results = made_detections(gt, 1, copies=1.5)
        one = over_images.scored(gathered(gt, results), 60).measured()["AP"]
        assert one.low < one.value < one.high and one.value == coco_metrics(gt, results)["AP"]
        widths.append(one.high - one.low)
    assert widths[1] < 0.6 * widths[0]


def test_a_class_of_too_few_images_has_no_interval():
    gt, results = random_case(1)
    rare = len(gt["categories"]) + 1
    gt["categories"].append({"id": rare, "name": "rare"})
    gt["annotations"].append({"id": 10**6, "image_id": gt["images"][0]["id"], "category_id": rare, "iscrowd": 0,
                              "bbox": [1, 1, 9, 9], "area": 81})
    by_class = over_images.scored(gathered(gt, results), 20).measured_classes()
    assert by_class[-1].value == 0 and np.isnan(by_class[-1].low) and not np.isnan(by_class[0].low)


def test_an_interval_is_the_middle_95_percent_of_the_draws_and_five_images_are_enough():
    draws = np.append(np.arange(1001) / 1000, [np.nan] * 9)              # nine draws with nothing to find
    one = over_images.interval(0.4, draws)
    assert (one.value, one.low, one.high) == pytest.approx((0.4, 0.025, 0.975))
    scores = over_images.Scores({}, np.zeros(2), {}, np.zeros((3, 2)), np.array([4, 5]))
    four, five = scores.measured_classes()
    assert np.isnan(four.low) and (five.low, five.high) == (0, 0)


def test_a_paired_difference_is_surer_than_two_intervals():
    gt = made_truth(60, 3, categories=2, size=(96, 128))
    results = made_detections(gt, 3, copies=1.5)
    worse = [record for n, record in enumerate(results) if n % 6]
    ours, others = (over_images.scored(gathered(gt, each), 80) for each in (results, worse))
    of_metrics, of_classes = over_images.differences(ours, others)
    one, alone = of_metrics["AP"], ours.measured()["AP"]
    assert one.value == pytest.approx(ours.metrics["AP"] - others.metrics["AP"]) and 0 < one.low < one.value < one.high
    assert one.high - one.low < alone.high - alone.low
    assert page.decided(one) == "better" and page.decided(over_images.differences(others, ours)[0]["AP"]) == "worse"
    same = over_images.differences(ours, ours)[0]["AP"]
    assert (same.low, same.value, same.high) == (0, 0, 0) and page.decided(same) == "open" and len(of_classes) == 2


class Seen(HTMLParser):
    """Ids, links, and whatever a page would fetch."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links, self.fetched, self.pictures = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        for key in ("src", "href", "data", "poster"):
            value = attrs.get(key) or ""
            if value.startswith("#"):
                self.links.append(value[1:])
            elif tag == "image" and value:
                self.pictures.append(value)
            elif value and not value.startswith("data:"):
                self.fetched.append(value)
        if tag == "svg" and attrs.get("aria-hidden") != "true":
            assert attrs.get("role") == "img" and attrs.get("aria-label"), attrs


def test_the_page_stands_alone_and_its_links_lead_somewhere(scenes, capsys):
    gt = json.loads((scenes / "instances.json").read_text())
    gt["categories"][0]["name"] = "<b>&\"block\""  # a name that must be escaped
    (scenes / "instances.json").write_text(json.dumps(gt))
    results = [answer(i, 1, [5 * i, 10, 24, 30 - 6 * (i == 2)], 0.9 - i / 10) for i in range(1, 4)]
    (scenes / "r.json").write_text(json.dumps(results))
    (scenes / "other.json").write_text(json.dumps(results[1:]))
    words = ["score", "set/instances.json", "set/r.json", "--report", "out/page.html", "--compare", "set/other.json"]
    assert main([*words, "--draws", "5", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["AP50"] == pytest.approx(0.75, abs=0.01) and "out/page.html" in err
    html = (scenes.parent / "out" / "page.html").read_text()
    parsed = Seen(html)
    assert parsed.fetched == [] and set(parsed.links) <= set(parsed.ids) and len(set(parsed.ids)) == len(parsed.ids)
    assert len(parsed.pictures) == 4 and all(each.startswith("data:image/jpeg;base64,") for each in parsed.pictures)
    assert "&lt;b&gt;&amp;&#34;block&#34;" in html and "<b>&\"block" not in html
    assert "Compared with other.json" in html and not re.search(r">\s*nan\b", html)
    for name in ("precision", "share that is right"):                    # above its plot, where no curve passes
        (low,) = re.findall(rf'<text class=name x="4" y="([\d.]+)">{name}<', html)
        assert 11 <= float(low) <= Plot(560, 320).y(1) - 10


def test_pictures_that_are_not_there_leave_boxes(scenes, capsys):
    (scenes / "images").rename(scenes / "elsewhere")
    (scenes / "r.json").write_text(json.dumps([answer(1, 1, [5, 10, 24, 30], 0.9)]))
    words = ["score", "set/instances.json", "set/r.json", "--report", "page.html", "--draws", "0"]
    assert main(words) == 0
    assert "picture files were not found" in (scenes.parent / "page.html").read_text()
    assert main([*words, "--images", "set/elsewhere"]) == 0
    assert len(Seen((scenes.parent / "page.html").read_text()).pictures) == 4
    capsys.readouterr()


@pytest.mark.parametrize(("words", "message"), [
    (["--compare", "set/r.json"], "--compare is for the page: expected --report"),
    (["--report", "p.html", "--type", "segm"], "--report: found --type segm; expected bbox"),
    (["--report", "p.html", "--draws", "-1"], "--draws is -1"),
    (["--report", "p.html", "--compare", "none.json"], "none.json"),
    (["--report", "p.html", "--images", "none"], "none: no such folder"),
    (["--report", "set"], "cannot write"),
    (["--report", "r.json"], "r.json: found a file that is no page that --report wrote, and would be replaced"),
])
def test_bad_input_is_one_line(scenes, capsys, words, message):
    for place in (scenes / "r.json", scenes.parent / "r.json"):
        place.write_text(json.dumps([answer(1, 1, [5, 10, 24, 30], 0.9)]))
    assert main(["score", "set/instances.json", "set/r.json", *words]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1 and message in err[0]
    assert len(json.loads((scenes.parent / "r.json").read_text())) == 1


@pytest.mark.parametrize(("option", "content"), [
    ("--results", '{"images": []}'), ("--results", '[{"label": 1}]'), ("--results", "[1]"), ("--results", "my notes"),
    ("--report", "<title>My page</title>"), ("--report", "[]")])
def test_a_file_of_another_kind_is_left_alone_before_any_work(scenes, monkeypatch, capsys, option, content):
    monkeypatch.setattr(weights, "load_weights", lambda *_: pytest.fail("work has begun"))
    (scenes / "mine").write_text(content)
    assert main(["eval", "retinanet", "--weights", "w", option, "set/mine"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("paperlib: set/mine: found a file that is no ") and err.count("\n") == 1
    assert (scenes / "mine").read_text() == content


@pytest.mark.parametrize("option", ["--results", "--report"])
def test_a_place_that_cannot_be_written_is_told_before_any_work(scenes, monkeypatch, capsys, option):
    monkeypatch.setattr(weights, "load_weights", lambda *_: pytest.fail("work has begun"))
    (scenes / "mine").write_text("")
    command = ["eval", "retinanet", "--weights", "w", option]
    for place, said in (("set", "there is a folder of this name"), ("set/mine/in", "expected a folder")):
        assert main([*command, place]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(run_files.os, "access", lambda *_: False)
    assert main([*command, "set/mine"]) == 2
    assert "cannot write set/mine: it may only be read" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "[]", '[{"image_id": 1, "score": 0.5}]'])
def test_results_may_be_replaced(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    run_files.replaceable(tmp_path / "r.json", is_results, "list of COCO results")


def test_a_truth_without_objects_is_one_line(scenes, capsys):
    gt = json.loads((scenes / "instances.json").read_text()) | {"annotations": []}
    (scenes / "instances.json").write_text(json.dumps(gt))
    (scenes / "r.json").write_text("[]")
    assert main(["score", "set/instances.json", "set/r.json", "--report", "p.html"]) == 2
    assert "no object to be found in 4 images" in capsys.readouterr().err


def test_eval_writes_page_and_results_that_score_alike(scenes, capsys):
    train = ["train", "retinanet", "--budget", "smoke", "--steps", "2", "--batch", "2", "--data", "set", "--out", "out"]
    assert main(train) == 0
    capsys.readouterr()
    eval_ = ["eval", "retinanet", "--weights", "out/retinanet.safetensors", "--json"]
    assert main([*eval_, "--report", "p.html", "--draws", "2", "--results", "r.json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["score", "set/instances.json", "r.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(first, nan_ok=True)
    html = (scenes.parent / "p.html").read_text()
    assert "retinanet.safetensors" in html and Seen(html).fetched == []
    assert main([*eval_, "--report", "p.html", "--draws", "2", "--results", "r.json"]) == 0  # both may be replaced
    assert main([*eval_, "--compare", "r.json"]) == 2


def test_charts_put_numbers_in_their_places():
    plot = Plot(100, 60, left=10, right=10, top=10, bottom=10)
    assert plot.line([0, 0.5, 1], [0, 1, 0.5]) == "M10 50L50 10L90 30"
    assert plot.line([0, 0.5, 1], [0, np.nan, 0.5]) == "M10 50M90 30"
    assert plot.area([0, 1], [1, 1]) == "M10 10L90 10L90 50L10 50Z" and plot.area([0], [np.nan]) == ""


def test_numbers_in_words():
    assert (page.points(0.5046), page.signed(-0.02)) == ("50.5", "−2.0")
    assert (page.share(0.5), page.score(0.339)) == ("50%", "0.33")
    assert {page.points(np.nan), page.signed(np.nan), page.share(np.nan), page.score(np.nan)} == {"–"}
    assert page.shade(0, 9) == 0 < page.shade(1, 1000) < page.shade(1000, 1000) <= 80
