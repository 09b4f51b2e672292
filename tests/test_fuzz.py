"""Files that nobody would write on purpose: no traceback, nothing lost without a word, no hang, and equal scores.

PAPERLIB_FUZZ=5000 tries that many inputs, or a few more, over all tests together, new ones every time;
without it a few, always the same.
"""
import contextlib
import copy
import functools
import json
import os
import re
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_coco import good
from test_evaluate import KEYS, oracle
from test_voc import thing

from paperlib.__main__ import main
from paperlib.commands.arguments import parser
from paperlib.data import named_sets
from paperlib.scoring.result_files import score_files

TRIES = int(os.environ.get("PAPERLIB_FUZZ", "0"))                       # of all tests together
TESTS = 6                                                                # that share them
SETTINGS = {"max_examples": -(-TRIES // TESTS) or 40, "deadline": None, "derandomize": not TRIES, "database": None,
            "suppress_health_check": list(HealthCheck)}
SECONDS = 10                                                             # of one core, for one input
DEEP = "nested so deep"                                                  # stands for a list in a list in a list ...
INF, NAN = float("inf"), float("nan")
ODD = [None, True, False, 0, 1, -1, 0.5, 3.0, 1e9, 1e300, NAN, INF, -INF, 10**400, -10**400, 2**63, "", "0", "1", "yes",
       "7", "07", "nan", "..", "/etc/passwd", "a\\b.png", "\ud800", "x" * 3000, "\0", "7.png", [], {}, [[]], [0], DEEP,
       [1, 2, 3, 4, 5, 6], [[1, 2, 3, 4]], [[NAN] * 6], [[1e300] * 6], [[2, 1, 1e9, 1, 6, 7]], [DEEP], {"a": DEEP},
       {"size": [10, 20], "counts": "zzz"}, {"size": [10, 20], "counts": [0, 5, 195]}, {"size": [10, 20], "counts": ""},
       {"size": [10, 20], "counts": [0, -5, 205]}, {"size": [1e9, 1e9], "counts": [1]}, {"size": None, "counts": None},
       [2, 1, 4, 6], [2, 1, -4, 6], [2, 1, 0, 6], [19, 9, 50, 50], ["2", 1, 4, 6], [1e300, 1, 1, 1], [NAN, 1, 4, 6]]
odd = st.one_of(st.sampled_from(ODD), st.integers(-10, 30), st.floats(), st.text(max_size=5),
                st.lists(st.one_of(st.integers(-5, 30), st.floats()), max_size=6))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PAPERLIB_PROGRESS", "0")
    monkeypatch.setattr("paperlib.__main__.parser", functools.cache(parser))  # made anew it takes half the time


def places(node, path=()):
    """The path of every value in a tree of dicts and lists."""
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield (*path, key)
        yield from places(node[key], (*path, key))


@st.composite
def spoilt(draw, record):
    """A copy of a record with up to three changes: a value of any kind, one taken away, one that is there twice."""
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(0, 3))):
        *path, key = draw(st.sampled_from(list(places(record)) or [("images",)]))
        parent = record
        for step in path:
            parent = parent[step]
        how = draw(st.sampled_from(["replace", "replace", "replace", "delete", "repeat"]))
        if how == "delete" and key in (parent if isinstance(parent, dict) else range(len(parent))):
            del parent[key]
        elif how == "repeat" and isinstance(parent, list):
            parent.append(json.loads(json.dumps(parent[key])))
        else:
            parent[key] = copy.deepcopy(draw(odd))  # a later change inside it must not reach the next input
    return record


@st.composite
def texts(draw, record):
    """The bytes of a spoilt record: whole, cut short, with a byte changed, or in another encoding."""
    depth = draw(st.sampled_from([50, 900, 5000, 100_000]))
    text = json.dumps(draw(spoilt(record))).replace(json.dumps(DEEP), "[" * depth + "]" * depth)
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32", "gbk", "cp1252"]))
    return damaged(draw, text.encode(encoding, "replace"))


def damaged(draw, data):
    how = draw(st.sampled_from(["whole"] * 8 + ["cut", "byte"]))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    if how == "cut":
        return data[:at]
    if how == "byte":
        return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1:]
    return data


def run(capsys, *words):
    """Status and lines of a command, which neither fails in a way nobody wrote nor takes long."""
    capsys.readouterr()
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        status = main(list(map(str, words)))
    out, err = capsys.readouterr()
    assert status in (0, 1, 2), err
    assert err.count("\n") == (status == 2), err
    assert time.process_time() - begun < SECONDS
    return status, out, err


def folder_of(write):
    """A new folder, filled; removed by the caller."""
    top = Path(tempfile.mkdtemp()) / "set"
    top.mkdir()
    write(top)
    return top


def pictures(top):
    for i in (7, 8):
        Image.fromarray(np.full((10, 20, 3), i, np.uint8)).save(top / f"{i}.png")


def look_at(capsys, top, records):
    """`data check` on a set, its copy without faults, and that its objects are all there or counted.

    `records` is the number of annotation records that the files hold; None where that cannot be told.
    """
    try:
        status, out, err = run(capsys, "data", "check", top)
        if status == 2:
            assert str(top) in err
            return
        lines = out.splitlines()
        assert lines[-1].startswith(f"{top}: {len(lines) - 1} fault(s), ") and ("[error]" in out) == (status == 1)
        if status == 0 and records is not None:
            kept = dropped = 0
            for split in named_sets.splits(top):
                data = named_sets.load(top, split)
                kept += sum(map(len, data.annotations.values()))
                dropped += sum("bbox" in fault.found for fault in data.skipped)
            assert kept + dropped == records
        mended, out, err = run(capsys, "data", "check", top, "--fix", top.parent / "new")
        assert mended == 0 or "nothing of it can be used" in err or "that VOC's XML files can hold" in err or (
            "two classes of one name" in err), out + err
        if mended == 0:
            assert out.splitlines()[-1].endswith(" 0 of them fatal") and ("changed: " in out or status == 0)
    finally:
        shutil.rmtree(top.parent)


@settings(**SETTINGS)
@given(texts(good()))
def test_coco(capsys, data):
    def write(top):
        pictures(top)
        (top / "instances.json").write_bytes(data)

    records = None
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        records = len(json.loads(data)["annotations"])
    look_at(capsys, folder_of(write), records)


@settings(**SETTINGS)
@given(spoilt(good()["annotations"][0]), st.data())
@example(good()["annotations"][0] | {"area": "24"}, None)
@example(good()["annotations"][0] | {"area": NAN}, None)
@example(good()["annotations"][0] | {"area": -1}, None)
@example(good()["annotations"][0] | {"iscrowd": "0"}, None)
@example(good()["annotations"][0] | {"iscrowd": 0.5}, None)
def test_no_optional_field_is_misread(ann, data):
    """What is read of a record is what stands there: a crowd is one, a flag none but 0 or 1, an area a number."""
    record = good()
    if data and data.draw(st.booleans()):
        ann["difficult"] = data.draw(odd)
    record["annotations"] = [ann]

    def write(top):
        pictures(top)
        text = json.dumps(record).replace(json.dumps(DEEP), "[]")
        (top / "instances.json").write_text(text, encoding="utf-8", errors="surrogatepass")

    top = folder_of(write)
    try:
        anns = list(named_sets.load(top).every_annotation())
    except ValueError as error:
        assert str(top / "instances.json") in str(error)
        return
    finally:
        shutil.rmtree(top.parent)
    for read in anns:
        for key in ("iscrowd", "difficult"):
            assert ann.get(key) in (None, 0, 1) and bool(ann.get(key)) == bool(read.get(key))
        if ann.get("area") is not None:
            assert type(ann["area"]) in (int, float) and read["area"] == ann["area"] >= 0
        assert all(type(value) in (int, float) for value in ann["bbox"])


WORD = "<>&\"'0123456789.-eE nan inf \x00é漢 /"


@st.composite
def voc_texts(draw):
    """A VOC file with texts and elements changed; sometimes no XML at all."""
    fill = st.one_of(st.sampled_from(["yes", "1", "0", "-3", "nan", "inf", "1e400", "9" * 400, "", "Unspecified",
                                      "dog"]), st.text(WORD, max_size=8))
    things = []
    for _ in range(draw(st.integers(0, 3))):
        box = [draw(st.one_of(st.integers(-3, 25), st.floats(0, 25), fill)) for _ in range(4)]
        things.append(thing(draw(st.one_of(st.just("dog"), fill)), box, draw(fill), draw(fill)))
    width, height = draw(st.one_of(st.just((20, 10)), st.tuples(fill, fill)))
    head = draw(st.sampled_from(["", '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0" encoding="gbk"?>',
                                 '<?xml version="1.0" encoding="nonsense"?>', '<!DOCTYPE a [<!ENTITY b "c">]>']))
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    text = f"{head}<annotation>{size}{''.join(things)}</annotation>"
    return damaged(draw, text.encode("utf-8", "replace")), len(things)


@settings(**SETTINGS)
@given(voc_texts(), st.sampled_from(["7\n8\n", "8", "", "7 1\n7 -1\n", "\ufeff7\n", "../7\n", "9\n", "7\0\n"]))
def test_voc(capsys, spoilt_file, listed):
    data, objects = spoilt_file

    def write(top):
        for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (top / part).mkdir(parents=True)
        pictures(top / "JPEGImages")
        (top / "Annotations/7.xml").write_bytes(data)
        (top / "Annotations/8.xml").write_text("<annotation><size><width>20</width><height>10</height></size>"
                                               f"{thing()}</annotation>")
        (top / "ImageSets/Main/train.txt").write_text(listed, encoding="utf-8")

    names = {line.split()[0].lstrip("\ufeff") for line in listed.splitlines() if line.split()}
    look_at(capsys, folder_of(write), ("7" in names) * objects + ("8" in names))


YAML = {"path": ".", "train": "images", "val": "images", "names": ["cat", "dog"], "nc": 2}
words = st.one_of(st.sampled_from(["0", "1", "0.5", "0.2", "1.5", "-1", "nan", "1e400", "x", "9" * 400]),
                  st.floats(0, 1).map(str))


@settings(**SETTINGS)
@given(st.lists(st.lists(words, min_size=1, max_size=9).map(" ".join), max_size=4), st.one_of(st.none(), spoilt(YAML)))
def test_yolo(capsys, lines, settings_file):
    def write(top):
        for part in ("images", "labels"):
            (top / part).mkdir()
        pictures(top / "images")
        (top / "labels/7.txt").write_text("\n".join(lines))
        (top / "labels/8.txt").write_text("0 0.5 0.5 0.5 0.5")
        if settings_file is None:
            (top / "classes.txt").write_text("cat\ndog\n")
        else:
            (top / "data.yaml").write_bytes(json.dumps(settings_file).encode("utf-8", "replace"))

    look_at(capsys, folder_of(write), len(lines) + 1 if settings_file is None else None)


FOLDERS = ["", "train", "valid", "images", "labels", "annotations", "Annotations", "JPEGImages", "images/train",
           "labels/train", "ImageSets/Main", "obj_train_data"]
FILES = ["7.png", "7.xml", "7.txt", "a.json", "instances.json", "_annotations.coco.json", "data.yaml", "classes.txt",
         "train.txt", "obj.data", "obj.names", "result.json", "a.csv"]
CONTENTS = ["picture", "", "{}", "[]", "0 0.5 0.5 0.2 0.2", "names: [a]\ntrain: images\n", "train = data/train.txt",
            "<annotation></annotation>", "data/obj_train_data/7.png", "a\nb\n", json.dumps(good())]


@settings(**SETTINGS)
@given(st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(FILES), st.sampled_from(CONTENTS)), max_size=8))
def test_folders_of_any_kind(capsys, files):
    def write(top):
        for folder, name, content in files:
            (top / folder).mkdir(parents=True, exist_ok=True)
            if content == "picture":
                Image.new("RGB", (20, 10)).save(top / folder / "7.png")
            else:
                (top / folder / name).write_text(content)

    look_at(capsys, folder_of(write), None)


def results():
    """Records of detections on `good()`, near its objects."""
    found = [(7, 3, [2, 1, 4, 5], 0.9), (7, 5, [0, 0, 2, 5], 0.8), (7, 5, [10, 3, 5, 5], 0.7),
             (8, 3, [1, 1, 3, 3], 0.6), (7, 3, [12, 6, 8, 4], 0.5), (7, 3, [2, 2, 4, 6], 0.5)]
    return [{"image_id": i, "category_id": c, "bbox": b, "score": s} for i, c, b, s in found]


def reference(truth, found):
    """pycocotools' numbers, nan for its -1; what the files leave open is filled in as documented."""
    truth, ids = json.loads(json.dumps(truth)), {c["id"] for c in truth["categories"]}
    for number, ann in enumerate(truth["annotations"], 1):
        seg = ann.pop("segmentation", None)
        if ann.get("area") is None:
            ann["area"] = seg["area"] if isinstance(seg, dict) and "area" in seg else ann["bbox"][2] * ann["bbox"][3]
        ann |= {"iscrowd": int(bool(ann.get("iscrowd"))), "id": number}
    kept = [record for record in json.loads(json.dumps(found)) if record["category_id"] in ids]
    if not kept:
        return None
    for record in kept:
        record.pop("segmentation", None)
    numbers = oracle(truth, kept).stats
    return [NAN if value == -1 else value for value in numbers]


@settings(**SETTINGS)
@given(spoilt(good()), spoilt(results()), st.sampled_from([50, 5000]))
def test_scores(capsys, truth, found, depth):
    def write(top):
        for name, record in (("gt", truth), ("dt", found)):
            text = json.dumps(record).replace(json.dumps(DEEP), "[" * depth + "]" * depth)
            (top / f"{name}.json").write_text(text, encoding="utf-8", errors="surrogatepass")

    top = folder_of(write)
    try:
        for kind in ("segm", "bbox"):
            status, _, err = run(capsys, "score", top / "gt.json", top / "dt.json", "--json", "--type", kind)
            assert status == 0 or "gt.json: " in err or "dt.json: " in err
        if status == 0 and DEEP not in json.dumps([truth, found]) and not area_is_of_a_mask(truth):
            scores = score_files(top / "gt.json", top / "dt.json")
            expected = reference(truth, found)
            if expected is not None and not has_more(truth):
                np.testing.assert_allclose([scores[key] for key in KEYS], expected, rtol=0, atol=1e-9)
            assert expected is not None or not any(scores[key] > 0 for key in KEYS)
    finally:
        shutil.rmtree(top.parent)


def has_more(truth):
    """Whether a set states what pycocotools does not know: its bounds of sizes, difficult objects."""
    bounds = isinstance(truth.get("info"), dict) and truth["info"].get("area_bounds") is not None
    return bounds or any(ann.get("difficult") for ann in truth["annotations"])


def area_is_of_a_mask(truth):
    """Whether an area is left open beside a mask, which then gives it: pycocotools asks for the number."""
    return any(ann.get("area") is None and ann.get("segmentation") for ann in truth["annotations"])


def test_all_tests_together_try_what_is_asked_for():
    tests = [test for name, test in globals().items() if name.startswith("test_") and hasattr(test, "hypothesis")]
    assert len(tests) == TESTS and sum(SETTINGS["max_examples"] for _ in tests) >= (TRIES or 6 * 40)


def test_the_fuzz_finds_what_it_looks_for():
    """That the search reaches the kinds that were found before: every odd value gets into some record."""
    seen = []

    @settings(max_examples=400, deadline=None, derandomize=True, database=None)
    @given(spoilt(good()))
    def look(record):
        for ann in record.get("annotations") if isinstance(record.get("annotations"), list) else ():
            if isinstance(ann, dict):
                seen.extend(key for key in ("area", "iscrowd", "bbox") if ann.get(key) is None)
        seen.extend({"NaN", "Infinity", "nested", "true"} & set(re.findall(r"\w+", json.dumps(record))))

    look()
    assert {"area", "iscrowd", "bbox", "NaN", "Infinity", "nested", "true"} <= set(seen)
