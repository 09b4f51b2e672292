"""The parser of set names: what stands for a set, its dials, its split and its mix, and what is a path."""
import time
from pathlib import Path

import pytest

from paperlib.world import drawn_sets
from paperlib.world.set_names import SetName

NAMES = {  # name: base, dials, mix, split, path
    "minicoco": ("minicoco", (), "", None, "minicoco"),
    "minicoco/val": ("minicoco", (), "", "val", "minicoco/val"),
    "minicoco?stuff=0&clutter=0": ("minicoco", ("stuff=0", "clutter=0"), "", None, "minicoco?stuff=0&clutter=0"),
    "minicoco?stuff=0/val": ("minicoco", ("stuff=0",), "", "val", "minicoco?stuff=0/val"),
    "minicoco@minivoc": ("minicoco", (), "minivoc", None, "minicoco"),
    "minicoco?stuff=0@minivoc/test": ("minicoco", ("stuff=0",), "minivoc/test", None, "minicoco?stuff=0"),
    "photos?/val": ("photos?", (), "", "val", "photos?/val"),
    "photos/all/instances.json": ("photos/all/instances.json", (), "", None, "photos/all/instances.json"),
    "/photos": ("/photos", (), "", None, "/photos"),
    "photos/": ("photos/", (), "", None, "photos"),
    "": ("", (), "", None, "."),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_apart(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = SetName.parse(name)
    *expected, path = NAMES[name]
    assert [parts.base, parts.dials, parts.mix, parts.split] == expected and parts.path == Path(path)
    assert SetName.parse(parts) is parts


def test_a_chain_of_sets_and_which_names_are_of_drawn_sets():
    assert [part.top for part in SetName.parse("minicoco?stuff=0@mininet@minivoc/test").chain] == [
        "minicoco?stuff=0", "mininet", "minivoc"]
    drawn = ["minicoco", "minicoco?stuff=0", "minicoco@minivoc?stuff=0"]
    others = ["", "minicoco/val", "minicoco@minivoc/val", "minicoco@photos", "photos@minicoco", "maxicoco",
              "./minicoco", "minicoco@", "@minicoco"]
    assert all(SetName.parse(name).is_drawn for name in drawn)
    assert not any(SetName.parse(name).is_drawn for name in others)


def test_a_path_that_exists_is_itself(tmp_path):
    (tmp_path / "me@home").mkdir()
    (tmp_path / "me@home@work").mkdir()
    whole, mixed = (SetName.parse(tmp_path / name) for name in ("me@home@work", "me@home@minivoc"))
    assert (whole.path, whole.mix) == (tmp_path / "me@home@work", "")
    assert (mixed.path, mixed.mix) == (tmp_path / "me@home", "minivoc")


def test_no_text_out_of_a_file_is_too_much_for_the_parser():
    start = time.process_time()
    for text in ("x" * 5000, "@" * 300, "minicoco@" * 100, "a\0b@c"):
        assert not SetName.parse(text).is_drawn
    assert time.process_time() - start < 5


def test_a_question_without_a_dial_is_refused():
    """Its folder would be that of the set itself."""
    assert drawn_sets.folder_of("minicoco?") == drawn_sets.folder_of("minicoco")
    with pytest.raises(KeyError, match="no dial ''"):
        drawn_sets.world_of("minicoco?")


def test_home_is_found(tmp_path, monkeypatch):
    """In `DATA = "~/photos"` no shell puts it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert SetName.parse("~/photos").path == tmp_path / "photos"
    assert SetName.parse("a~b").path == Path("a~b")
