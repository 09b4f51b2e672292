"""`paperlib detect`: which pictures are meant, what is drawn and written, and one line for what cannot be done."""
import html
import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from paperlib.__main__ import main
from paperlib.report import detecting, torchvision_detectors
from paperlib.report.detected_files import places
from paperlib.report.drawing import DrawnBox, contact_sheet, draw_boxes
from paperlib.report.palette import PALETTE, class_colour, ink_on
from paperlib.report.picture_set import picture_files, picture_set
from paperlib.scoring.result_files import score_files
from paperlib.teach import widgets as live
from paperlib.teach.detections import detection_picture, report_page, try_detector
from paperlib.training import weights
from paperlib.training.trained import Trained

CPU = torch.device("cpu")


class RedFinder(nn.Module):
    """A detector that knows one answer: the box around all red pixels, score .9, and a weak one at the corner."""

    scored_by = "coco"
    trained = Trained(classes=("block", "dot"), size=(32,))
    cfg = SimpleNamespace(num_classes=2, needs_proposals=lambda training=False: False)

    def detect(self, images, sizes, proposals=None):
        detections = []
        for image in images:
            rows, columns = torch.where(image[0].int() - image[1].int() > 100)
            box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
            detections.append({"boxes": torch.stack([box, torch.tensor([0.0, 0, 4, 4])]),
                               "scores": torch.tensor([0.9, 0.2]), "labels": torch.tensor([1, 2])})
        return detections


@pytest.fixture
def finder(monkeypatch):
    monkeypatch.setattr(detecting, "load_detector", lambda name: RedFinder())
    monkeypatch.setattr(weights, "read_header", lambda path: {"size": "null"})


def test_a_detector_of_drawings_says_so_before_photographs(scenes, monkeypatch, capsys):
    class DrawingFinder(RedFinder):
        trained = Trained(classes=("block", "dot"), data="minicoco")

    monkeypatch.setattr(detecting, "load_detector", lambda name: DrawingFinder())
    monkeypatch.setattr(weights, "read_header", lambda path: {"size": "null"})
    words = ["detect", "w", str(scenes / "images"), "--out", "seen"]
    assert main(words) == 0
    err = capsys.readouterr().err
    assert "learnt from the drawings of minicoco: expect nonsense on photographs (--size 128 " in err
    assert main([*words, "--size", "32"]) == 0
    assert "on photographs;" in capsys.readouterr().err
    monkeypatch.setattr("paperlib.paths.data_folder", lambda: scenes)
    assert main(words) == 0
    assert "drawings" not in capsys.readouterr().err


def test_boxes_lie_on_the_picture_as_it_is_stored(scenes):
    detected = detecting.detect_files(RedFinder(), picture_files([scenes / "images"]), CPU)
    best = detected.results[::2]
    assert detected.classes == ["block", "dot"] and len(detected.results) == 8
    for i, record in enumerate(best, 1):  # the object of image i is at x = 5 i; it was found at half the size
        assert record["image_id"] == i and record["category_id"] == 1
        assert record["bbox"] == pytest.approx([5 * i, 10, 24, 30], abs=2.5)


def test_the_command_draws_and_writes_what_can_be_scored(scenes, finder, capsys):
    assert main(["detect", "w", str(scenes / "images"), "--out", "seen"]) == 0
    out = capsys.readouterr().out
    assert "4 pictures, 4 detections of score 0.5 or more: 4 block" in out
    made = {path.name for path in (scenes.parent / "seen").iterdir()}
    assert made == {"1.jpg", "2.jpg", "3.jpg", "4.jpg", "contact_sheet.jpg", "results.json", "images.json"}
    truth = json.loads((scenes.parent / "seen" / "images.json").read_text())
    assert [image["id"] for image in truth["images"]] == [1, 2, 3, 4] and truth["annotations"] == []
    assert [category["name"] for category in truth["categories"]] == ["block", "dot"]
    truth["annotations"] = [{"id": i, "image_id": i, "category_id": 1, "bbox": [5 * i, 10, 24, 30], "area": 720,
                             "iscrowd": 0} for i in range(1, 5)]
    (scenes.parent / "gt.json").write_text(json.dumps(truth))
    assert main(["score", "gt.json", "seen/results.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["AP50"] == 1


def test_what_was_found_is_scored_against_other_ids_by_names(scenes, finder, capsys):
    assert main(["detect", "w", str(scenes / "images"), "--out", "seen"]) == 0
    truth = {"images": [{"id": 70 - i, "file_name": f"train/{i}.png", "width": 64, "height": 48} for i in range(1, 5)],
             "categories": [{"id": 1, "name": "dot"}, {"id": 2, "name": "block"}], "annotations": []}
    for i in range(1, 5):
        truth["annotations"].append({"id": i, "image_id": 70 - i, "category_id": 2, "bbox": [5 * i, 10, 24, 30],
                                     "area": 720, "iscrowd": 0})
    files = "gt.json", "seen/results.json"
    (scenes.parent / "gt.json").write_text(json.dumps(truth))
    capsys.readouterr()
    assert main(["score", *files, "--json", "--report", "r.html", "--draws", "0", "--compare", files[1]]) == 0
    assert json.loads(capsys.readouterr().out)["AP50"] == 1
    named = [{"id": name, "name": name} for name in ("7", "block")]       # text ids; and no class "dot"
    blocks = [{**each, "category_id": "block"} for each in truth["annotations"]]
    (scenes.parent / "gt.json").write_text(json.dumps({**truth, "categories": named, "annotations": blocks}))
    with pytest.warns(UserWarning, match=r"4 of 8 results .*category_id 1\)"):
        assert score_files("gt.json", "seen/results.json")["AP50"] == 1
    for wrong, found in ((truth["images"][1:], "does not list"), (truth["images"] * 2, "lists twice")):
        images = [{**image, "id": i} for i, image in enumerate(wrong)]
        (scenes.parent / "gt.json").write_text(json.dumps({**truth, "images": images, "annotations": []}))
        assert main(["score", *files]) == 2
        assert f"seen/results.json: picture '1.png', which the ground truth {found}" in capsys.readouterr().err
    (scenes.parent / "gt.json").write_text(json.dumps(truth))
    (scenes.parent / "seen" / "images.json").write_text(json.dumps(truth))  # any other list is none of detect's
    assert main(["score", *files]) == 2 and "image_id 1 is not in the ground truth" in capsys.readouterr().err
    (scenes.parent / "seen" / "results.json").write_text('[{"image_id": 9, "category_id": 1}]')
    (scenes.parent / "seen" / "images.json").write_text(json.dumps({**truth, "info": {"description": "pictures"}}))
    assert main(["score", *files]) == 2 and "that images.json beside it lists" in capsys.readouterr().err


def test_what_is_drawn_follows_the_threshold(scenes, finder):
    plain = np.asarray(Image.open(scenes / "images" / "1.png"), int)
    changed = []
    for threshold in ("0", "0.5", "0.95"):
        assert main(["detect", "w", str(scenes / "images" / "1.png"), "--out", "seen", "--threshold", threshold]) == 0
        drawn = np.asarray(Image.open(scenes.parent / "seen" / "1.jpg"), int)
        changed.append((abs(drawn - plain).max(2) > 110).sum())
    assert changed[0] > changed[1] > changed[2] == 0


def test_a_second_run_leaves_out_what_the_first_has_drawn(scenes, finder, capsys):
    for _ in range(2):
        assert main(["detect", "w", "set/images", "--out", "set/images/seen"]) == 0
        assert "4 pictures" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["1.jpg", "1.png"])
def test_drawings_never_come_among_the_pictures(scenes, finder, capsys, name):
    Image.open(scenes / "images" / "1.png").save(scenes / "images" / "1.jpg")
    before = {file: file.read_bytes() for file in (scenes / "images").iterdir()}
    assert main(["detect", "w", f"set/images/{name}", "--out", "set/images"]) == 2
    assert f"set/images: found the picture {name} in it" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in (scenes / "images").iterdir()} == before


@pytest.mark.parametrize("name", ["1.jpg", "contact_sheet.jpg", "results.json", "images.json"])
def test_a_file_that_no_earlier_run_wrote_is_left_alone_before_any_work(scenes, finder, monkeypatch, capsys, name):
    """Also a picture that came later into a folder that an earlier run wrote, and a folder in the place."""
    command = ["detect", "w", "set/images", "--out", "seen"]
    mine = scenes.parent / "seen" / name
    mine.mkdir(parents=True)
    assert main(command) == 2 and f"seen/{name}: " in capsys.readouterr().err
    mine.rmdir()
    assert main(["detect", "w", "set/images/2.png", "--out", "seen"]) == 0
    picture = scenes / "images" / "1.png"
    content = json.dumps({"info": {"description": "pictures"}, "images": [], "annotations": [{"id": 1}]}).encode()
    if name != "1.jpg":
        for each in ("images.json", "results.json"):
            (scenes.parent / "seen" / each).unlink()
    if name.endswith(".jpg"):
        Image.open(picture).save(mine, quality=50)
        content = mine.read_bytes()
    mine.write_bytes(content)
    capsys.readouterr()
    monkeypatch.setattr(RedFinder, "detect", lambda *_: pytest.fail("work has begun"))
    assert main(command) == 2
    err = capsys.readouterr().err
    assert err == (f"paperlib: seen/{name}: found a file that no earlier `paperlib detect` wrote, and would be "
                   "replaced; choose another folder with --out\n")
    assert mine.read_bytes() == content


def test_what_earlier_runs_wrote_is_written_again(scenes, finder, capsys):
    (scenes.parent / "seen").mkdir()
    (scenes.parent / "seen" / "notes.txt").write_text("mine")            # in nobody's way
    for number in (1, 2, 1):                                             # the list of the second names another picture
        assert main(["detect", "w", f"set/images/{number}.png", "--out", "seen"]) == 0
        made = json.loads((scenes.parent / "seen" / "images.json").read_text())["images"]
        assert [image["file_name"] for image in made] == [f"set/images/{number}.png"]
    Image.open(scenes / "images" / "1.png").save(scenes.parent / "seen" / "1.jpg")  # without a mark, as versions before
    assert main(["detect", "w", "set/images/1.png", "--out", "seen"]) == 0
    assert (scenes.parent / "seen" / "2.jpg").is_file() and (scenes.parent / "seen" / "notes.txt").read_text() == "mine"


def stops_at(monkeypatch, number, batch):
    """Let the detector meet an interrupt at its batch of that number, from 1, of `batch` pictures each."""
    detect, each, calls = RedFinder.detect, detecting.detect_each, []

    def stopping(*given):
        calls.append(given)
        if len(calls) == number:
            raise KeyboardInterrupt
        return detect(*given)

    monkeypatch.setattr(RedFinder, "detect", stopping)
    monkeypatch.setattr(detecting, "detect_each", lambda system, pictures, device, _, **sides: each(
        system, pictures, device, batch, **sides))


def test_an_interrupt_keeps_the_pictures_that_were_done(scenes, finder, monkeypatch, capsys):
    assert main(["detect", "w", "set/images/4.png", "--out", "seen"]) == 0   # what an earlier run wrote gives way
    capsys.readouterr()
    stops_at(monkeypatch, 3, 1)
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 130
    assert capsys.readouterr().err == "interrupted; 2 of 4 pictures are in seen\n"
    seen = scenes.parent / "seen"
    made = {path.name for path in seen.iterdir()}
    assert made == {"1.jpg", "2.jpg", "4.jpg", "contact_sheet.jpg", "results.json", "images.json"}
    assert [image["id"] for image in json.loads((seen / "images.json").read_text())["images"]] == [1, 2]
    assert [record["image_id"] for record in json.loads((seen / "results.json").read_text())] == [1, 1, 2, 2]
    assert Image.open(seen / "contact_sheet.jpg").width == 2 * 128 + 3 * 8
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 0       # and the same command does them all
    assert len(json.loads((seen / "images.json").read_text())["images"]) == 4


def test_an_interrupt_keeps_pictures_that_were_done_out_of_order(scenes, finder, monkeypatch, capsys):
    Image.new("RGB", (512, 64), "#ff0000").save(scenes / "images" / "0.png")  # comes last: the only one of its canvas
    stops_at(monkeypatch, 3, 2)
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 130
    assert capsys.readouterr().err == "interrupted; 4 of 5 pictures are in seen\n"
    results = json.loads((scenes.parent / "seen" / "results.json").read_text())
    assert [record["image_id"] for record in results] == [2, 2, 3, 3, 4, 4, 5, 5]
    pictures = json.loads((scenes.parent / "seen" / "images.json").read_text())["images"]
    assert [image["id"] for image in pictures] == [2, 3, 4, 5]
    assert [image["file_name"] for image in pictures] == [f"set/images/{i}.png" for i in range(1, 5)]
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 0
    results = json.loads((scenes.parent / "seen" / "results.json").read_text())
    assert [record["image_id"] for record in results[::2]] == [1, 2, 3, 4, 5]


def test_an_interrupt_before_the_first_picture_leaves_what_was_there(scenes, finder, monkeypatch, capsys):
    assert main(["detect", "w", "set/images/4.png", "--out", "seen"]) == 0
    before = {path.name: path.read_bytes() for path in (scenes.parent / "seen").iterdir()}
    capsys.readouterr()
    stops_at(monkeypatch, 1, 1)
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing new was kept\n"
    assert {path.name: path.read_bytes() for path in (scenes.parent / "seen").iterdir()} == before


def test_an_interrupt_leaves_no_half_of_a_drawing(scenes, finder, monkeypatch, capsys):
    save = Image.Image.save

    def stopping(self, path, **more):
        save(self, path, **more)
        if path.name == "2.jpg":
            raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", stopping)
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 130
    assert capsys.readouterr().err == "interrupted; 1 of 4 pictures are in seen\n"
    made = {path.name for path in (scenes.parent / "seen").iterdir()}
    assert made == {"1.jpg", "contact_sheet.jpg", "results.json", "images.json"}


def test_each_drawing_has_a_name_of_its_own(tmp_path):
    files = [tmp_path / name for name in ("a.png", "b/a.gif", "a_2.png", "A.bmp", "contact_sheet.png")]
    names = [path.name for path in places(tmp_path / "out", files)]
    assert names == ["a.jpg", "a_2.jpg", "a_2_2.jpg", "A_3.jpg", "contact_sheet_2.jpg"]


def test_one_bad_picture_is_named_and_the_others_are_done(scenes, finder, capsys):
    (scenes / "images" / "0.png").write_bytes(b"no picture")
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 1
    out, err = capsys.readouterr()
    assert "4 pictures" in out and "0.png" in err and err.count("\n") == 1


def test_files_folders_and_patterns_name_pictures_once(scenes, monkeypatch):
    (scenes / "images" / "notes.txt").write_text("no picture")
    names = [file.name for file in picture_files([scenes, scenes / "images" / "2.png", str(scenes / "*" / "[34].png")])]
    assert names == ["1.png", "2.png", "3.png", "4.png"]
    assert [file.name for file in picture_files([str(scenes / "images" / "[43].png")])] == ["3.png", "4.png"]


def test_a_turned_photograph_is_looked_at_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "turned.jpg", exif=exif)
    pictures, _ = picture_set([tmp_path / "turned.jpg"], ["a"])
    assert pictures.sizes == [(40, 20)] and pictures.image(0).shape == (3, 40, 20)


@pytest.mark.parametrize(("words", "message"), [
    (["none.safetensors", "set/images"], "no weights at none.safetensors"),
    (["w", "nowhere.png"], "nowhere.png: no such picture or folder"),
    (["w", "set/*.gif"], "no picture is called set/*.gif"),
    (["w", "empty"], "empty holds no picture"),
    (["w", "set/images", "--threshold", "50"], "--threshold is 50; expected a score from 0 to 1"),
    (["torchvision:nothing", "set/images"], "no detector 'nothing'; expected one of fasterrcnn"),
    (["w", "set/instances.json"], "instances.json: no picture that can be read"),
])
def test_bad_input_is_one_line(scenes, capsys, monkeypatch, words, message):
    (scenes.parent / "empty").mkdir()
    if words[0] == "w":
        monkeypatch.setattr(detecting, "load_detector", lambda name: RedFinder())
        monkeypatch.setattr(weights, "read_header", lambda path: {"size": "null"})
    assert main(["detect", *words, "--out", "seen"]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1 and message in err[0]


def test_nothing_above_the_threshold_says_what_the_best_is(scenes, finder, capsys):
    assert main(["detect", "w", "set/images", "--out", "seen", "--threshold", "0.95"]) == 0
    assert "nothing of score 0.95 or more; the best of 8 detections is block 0.90" in capsys.readouterr().out


class Answers(nn.Module):
    """A model of torchvision's that answers with the first labels, at the size of the image."""

    def forward(self, images):
        labels = torch.tensor([1, 11, 12, 13])  # person, fire hydrant, a number that COCO leaves out, stop sign
        height, width = images[0].shape[1:]
        assert images[0].max() <= 1
        return [{"boxes": torch.tensor([[0.0, 0, width, height]]).repeat(4, 1), "labels": labels,
                 "scores": torch.tensor([0.9, 0.8, 0.7, 0.6])}]


def test_torchvisions_labels_become_names_and_padding_is_cut_off():
    names = models.get_model_weights("fasterrcnn_resnet50_fpn").DEFAULT.meta["categories"]
    system = torchvision_detectors.TorchvisionDetector(Answers(), names)
    detected = system.detect(torch.full((1, 3, 64, 96), 255, dtype=torch.uint8), torch.tensor([[60, 90]]))[0]
    assert len(system.trained.classes) == 80
    assert [system.trained.classes[k - 1] for k in detected["labels"]] == ["person", "fire hydrant", "stop sign"]
    assert detected["boxes"].tolist() == [[0, 0, 90, 60]] * 3
    assert detected["scores"].tolist() == pytest.approx([0.9, 0.8, 0.6])


def test_torchvisions_weights_are_taken_from_where_torch_keeps_them(scenes, monkeypatch, capsys):
    name = "ssdlite320_mobilenet_v3_large"
    stored = models.get_model(name, weights=None, weights_backbone=None).state_dict()
    enum = models.get_model_weights(name)
    monkeypatch.setattr(enum, "get_state_dict", lambda self, *args, **more: stored)
    assert main(["detect", f"torchvision:{name}", "set/images/1.png", "--out", "seen", "--threshold", "0"]) == 0
    classes = json.loads((scenes.parent / "seen" / "images.json").read_text())["categories"]
    assert len(classes) == 80 and "1 picture" in capsys.readouterr().out


def test_weights_that_cannot_be_had_are_one_line(monkeypatch, tmp_path):
    enum = models.get_model_weights("retinanet_resnet50_fpn")

    def offline(self, *args, **more):
        raise OSError("no network")

    monkeypatch.setattr(enum, "get_state_dict", offline)
    with pytest.raises(FileNotFoundError, match=r"retinanet_resnet50_fpn_coco.*could not be fetched \(no network\)"):
        torchvision_detectors.published("retinanet_resnet50_fpn")


def test_captions_stay_on_the_picture_and_can_be_read():
    picture = Image.new("RGB", (60, 40), "#808080")
    draw_boxes(picture, [DrawnBox((50, 0, 59, 39), 1, "a long name 0.90"), DrawnBox((9, 9, 5, 5), 2, "")])
    assert picture.getcolors() == [(2400, (128, 128, 128))]                 # the original stays as it is
    for colour in PALETTE.values():
        light, dark = sorted([luminance(colour), luminance(ink_on(colour))], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert class_colour(1) == class_colour(9) == PALETTE["blue"]


def luminance(colour):
    channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_sheet_holds_every_picture():
    colours = ["#ff0000", "#00ff00", "#0000ff"]
    sheet = contact_sheet([Image.new("RGB", (640, 320), colour) for colour in colours], ["a", "b" * 99, "c"])
    present = {colour for _, colour in sheet.getcolors(1 << 20)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= present
    assert sheet.width == 2 * 320 + 3 * 8
    small = contact_sheet([Image.new("RGB", (128, 96), colour) for colour in colours], ["a", "b" * 99, "c"])
    assert small.width == 2 * 128 + 3 * 8, "columns are as wide as the widest picture"
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], [])


def test_the_widget_takes_uploads_and_follows_its_slider(scenes):
    view = try_detector(RedFinder(), [scenes / "images"])
    (upload, chosen), threshold, said, shown = view.children[0].children, *view.children[1:]
    assert chosen.options == ("1.png", "2.png", "3.png", "4.png") and chosen.value == "1.png"
    assert "1 detection of score 0.5 or more: 1 block" in shown.value and 'alt="1.png: ' in shown.value
    before = shown.value
    threshold.value = 0.1
    assert "2 detections of score 0.1 or more" in shown.value and shown.value != before
    content = (scenes / "images" / "3.png").read_bytes()
    upload.value = ({"name": "mine.png", "content": memoryview(content), "type": "image/png", "size": len(content),
                     "last_modified": datetime.now(UTC)},)
    assert chosen.value == "mine.png" and "mine.png" in shown.value and said.value == ""
    upload.value = ({"name": "<x>.png", "content": memoryview(b"no picture"), "type": "image/png", "size": 10,
                     "last_modified": datetime.now(UTC)},)
    assert "&lt;x&gt;.png: no picture that can be read" in said.value and chosen.value == "mine.png"


def test_a_report_page_is_whole_in_its_cell(tmp_path):
    file = tmp_path / "a&b.html"
    file.write_text('<p class="x">1 &lt; 2 &amp; "so"</p>', encoding="utf-8")
    frame = re.fullmatch(r'<div><iframe title="a&amp;b.html: the report" (.*) srcdoc="([^"]*)"></iframe></div>',
                         report_page(file).data)
    assert html.unescape(frame[2]) == file.read_text(encoding="utf-8") and "height: 640px" in frame[1]


def test_the_static_twin_draws_the_same(scenes):
    draw = detection_picture(RedFinder(), [scenes / "images"])
    fig = live.frames(draw, [{"picture": 0, "threshold": 0.5}, {"picture": 0, "threshold": 0.95}])
    with_box, without = (ax.images[0].get_array() for ax in fig.axes)
    stored = np.asarray(Image.open(scenes / "images" / "1.png"))
    assert (without == stored).all() and (with_box != stored).any()
    live.plt.close(fig)


def test_weights_without_a_size_say_so(scenes, finder, monkeypatch, capsys):
    monkeypatch.setattr(weights, "read_header", lambda path: {})
    assert main(["detect", "w", "set/images", "--out", "seen"]) == 0
    assert "note: w does not say at what size it was trained" in capsys.readouterr().err
    assert main(["detect", "w", "set/images", "--out", "seen", "--size", "32"]) == 0
    assert not capsys.readouterr().err
