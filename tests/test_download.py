"""Downloads against a small server on this machine that breaks off, ignores ranges, or serves the wrong file."""
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from paperlib.data import download as d

os.environ.setdefault("no_proxy", "127.0.0.1")
BODY = bytes(range(256)) * 4000


@pytest.fixture
def server():
    """A server whose `files` maps a path to its bytes, and whose `rules` say how often it hangs up after so many."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body, asked = server.files.get(self.path), self.headers.get("Range")
            server.log.append((self.path, asked))
            if body is None:
                return self.send_error(404)
            start = int(asked[6:-1]) if asked and not self.path.startswith("/norange") else 0
            if start >= len(body) > 0:
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            cut = server.cuts.pop(0) if server.cuts else None
            self.wfile.write(body[start:start + cut] if cut is not None else body[start:])
            self.close_connection = True

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.cuts, server.log = {}, [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def md5(body):
    return hashlib.md5(body).hexdigest()


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    server.files["/a/f.zip"], server.cuts = BODY, [300_000, 0, 300_000]
    file = d.fetch([f"{server.url}/a/f.zip"], tmp_path, md5(BODY))
    assert file.read_bytes() == BODY and [p.name for p in tmp_path.iterdir()] == ["f.zip"]
    assert [asked for _, asked in server.log] == [None, "bytes=300000-", "bytes=300000-", "bytes=600000-"]


def test_a_second_call_uses_the_part_that_the_first_left(server, tmp_path):
    (tmp_path / "f.zip.part").write_bytes(BODY[:1000])
    server.files["/f.zip"] = BODY
    assert d.fetch([f"{server.url}/f.zip"], tmp_path, md5(BODY)).read_bytes() == BODY
    assert server.log == [("/f.zip", "bytes=1000-")]
    d.fetch([f"{server.url}/f.zip"], tmp_path, md5(BODY))                # complete: no request at all
    assert len(server.log) == 1


def test_a_server_without_ranges_sends_the_whole_again(server, tmp_path):
    (tmp_path / "f.zip.part").write_bytes(b"x" * 1000)
    server.files["/norange/f.zip"] = BODY
    assert d.fetch([f"{server.url}/norange/f.zip"], tmp_path, md5(BODY)).read_bytes() == BODY


def test_a_part_that_was_already_whole_is_taken(server, tmp_path):
    (tmp_path / "f.zip.part").write_bytes(BODY)
    server.files["/f.zip"] = BODY
    assert d.fetch([f"{server.url}/f.zip"], tmp_path, md5(BODY)).read_bytes() == BODY


def test_the_next_mirror_helps_when_one_is_gone_or_wrong(server, tmp_path, monkeypatch):
    monkeypatch.setattr(d.time, "sleep", lambda s: None)
    server.files |= {"/wrong/f.zip": BODY[::-1], "/right/f.zip": BODY}
    urls = ["http://127.0.0.1:9/f.zip", *(f"{server.url}/{place}/f.zip" for place in ("gone", "wrong", "right"))]
    assert d.fetch(urls, tmp_path, md5(BODY)).read_bytes() == BODY
    (tmp_path / "f.zip").unlink()
    with pytest.raises(FileNotFoundError, match=r"(?s)f.zip: no mirror.*refused.*HTTP 404.*md5 \w+, expected") as error:
        d.fetch(urls[:3], tmp_path, md5(BODY))
    assert str(tmp_path) in str(error.value) and not list(tmp_path.iterdir())


def packed(kind, files):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, text in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offer(server, monkeypatch, name, archives, strip=0):
    server.files |= {f"/{path}": body for path, body in archives.items()}
    monkeypatch.setitem(d.MIRRORS, name, (f"{server.url}/",))
    monkeypatch.setitem(d.ARCHIVES, name, tuple(d.Archive(p, md5(b), 1e-6, strip) for p, b in archives.items()))


def test_a_set_appears_whole_and_leaves_no_archives(server, tmp_path, monkeypatch):
    archives = {"zips/val2017.zip": packed("zip", {"val2017/1.jpg": "p"}),
                "annotations/a.zip": packed("zip", {"annotations/instances_val2017.json": "{}"})}
    offer(server, monkeypatch, "coco2017", archives)
    folder = d.download("coco2017", tmp_path)
    assert (folder / "val2017/1.jpg").read_text() == "p" and (folder / "annotations/instances_val2017.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".coco2017.lock", "coco2017"]
    assert d.download("coco2017", tmp_path) == folder and len(server.log) == 2


def test_voc_archives_merge_without_their_outer_folders(server, tmp_path, monkeypatch):
    archives = {"a.tar": packed("tar", {"VOCdevkit/VOC2007/Annotations/1.xml": "x"}),
                "b.tar": packed("tar", {"VOCdevkit/VOC2007/Annotations/2.xml": "y"})}
    offer(server, monkeypatch, "voc2007", archives, strip=2)
    folder = d.download("voc2007", tmp_path)
    assert sorted(p.name for p in (folder / "Annotations").iterdir()) == ["1.xml", "2.xml"]


def test_an_interrupted_unpacking_leaves_the_archives_and_no_folder(server, tmp_path, monkeypatch):
    offer(server, monkeypatch, "coco2017", {"a.zip": packed("zip", {"x": "y"})})

    def stop(*args):
        raise KeyboardInterrupt
    with monkeypatch.context() as broken:
        broken.setattr(d, "unpack", stop)
        with pytest.raises(KeyboardInterrupt):
            d.download("coco2017", tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".coco2017-download", ".coco2017.lock"]
    assert (d.download("coco2017", tmp_path) / "x").is_file() and len(server.log) == 1


def test_members_cannot_climb_out(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "t.tar").write_bytes(packed("tar", {"a/b/../../../evil": "x"}))
    with pytest.raises(tarfile.TarError):
        d.unpack(tmp_path / "t.tar", tmp_path / "in", strip=2)
    (tmp_path / "t.zip").write_bytes(packed("zip", {"../evil": "x"}))
    d.unpack(tmp_path / "t.zip", tmp_path / "in")
    assert not (tmp_path / "evil").exists()


def test_unknown_names_and_small_disks(tmp_path, monkeypatch):
    with pytest.raises(KeyError, match="no download 'coco2015'; there are coco2014, coco2017, voc2007, voc2012"):
        d.download("coco2015", tmp_path)
    monkeypatch.setattr(d.shutil, "disk_usage", lambda p: type("Usage", (), {"free": 5e9}))
    with pytest.raises(ValueError, match=r"found 5\.0 GB free; expected 40\.8 GB for coco2017"):
        d.download("coco2017", tmp_path)


def test_the_voc_checksums_are_those_of_torchvision():
    voc = pytest.importorskip("torchvision.datasets.voc").DATASET_YEAR_DICT
    ours = {a.path.rpartition("/")[2]: a.md5 for name in ("voc2007", "voc2012") for a in d.ARCHIVES[name]}
    assert ours == {voc[k]["filename"]: voc[k]["md5"] for k in ("2007", "2007-test", "2012")}
