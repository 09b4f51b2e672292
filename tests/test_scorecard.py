"""The scorecard page: whole, self-contained, filterable; stale rows are called stale, edited records refused."""
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from paperlib.__main__ import main
from paperlib.claims import verdicts as module
from paperlib.claims.page import scorecard
from paperlib.claims.tally import VERDICTS
from paperlib.claims.verdicts import judged
from paperlib.papers.printed import published
from paperlib.papers.register import claims
from paperlib.tables import records, row_jobs, runner
from paperlib.training.recipes import budget

VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """Every element with its attributes; elements must be closed in the order in which they were opened."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.text = [], [], Counter()
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str, **having) -> list[dict]:
        return [a for t, a in self.elements if t == tag and having.items() <= a.items()]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(module, "COMPUTED", {})
    return tmp_path


def record(row: str, seed: int, ap: float, key: str | None = None) -> None:
    job = next(j for j in row_jobs.jobs_of("focal_loss/1b", budget("mini"), [row], 9) if j.seed == seed)
    records.append({"table": "focal_loss/1b", "row": row, "seed": seed, "budget": "mini", "status": "ok",
                    "hash": key or runner.identity(job), "metrics": {"AP": ap}, "seconds": 60.0, "provenance": {}})


@pytest.fixture
def html(results) -> str:
    for seed in range(3):
        record("gamma 2", seed, 0.321 + 0.01 * seed)
        record("gamma 0", seed, 0.211 + 0.01 * seed)
        record("gamma 5", seed, 0.2, key="other code")
    return scorecard.write(results / "page" / "scorecard.html").read_text(encoding="utf-8")


def claim_rows(html: str) -> dict[str, str]:
    """{claim: the text of its row}, up to the next claim's."""
    return {text.partition('"')[0]: text for text in html.split('<tr id="c-')[1:]}


def test_every_claim_and_table_once_with_links_that_resolve(html):
    page = Page(html)
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert max(ids.values()) == 1
    assert [a["id"] for a in page.all("tr") if "id" in a] == [f"c-{claim['id']}" for claim in claims()]
    assert sum(a.get("class") == "table-of" for a in page.all("details")) == len(published()) == 53
    inside = [a["href"] for a in page.all("a") if a["href"].startswith("#")]
    assert len(inside) > len(claims()) and all(link[1:] in ids for link in inside)


def test_nothing_comes_from_elsewhere(html):
    assert not re.search(r"https?:|//\w|url\(|@import|<link|<img|fetch\(|XMLHttp", html)
    assert len(html.encode()) < 1_500_000


def test_filters_and_labels(html):
    page = Page(html)
    choices = {a["name"] for a in page.all("select")}
    assert choices == {"paper", "kind", "verdict", "tier"} and page.all("input", name="text")
    rows = [a for a in page.all("tr") if "data-verdict" in a]
    assert len(rows) == len(claims())
    assert all({"data-paper", "data-kind", "data-tier"} <= a.keys() and a["data-verdict"] in VERDICTS for a in rows)
    assert html.count("<label>") == 5 and html.count("<caption>") == len(page.all("table")) > 60
    assert all(a.get("scope") in ("row", "col") for a in page.all("th"))
    buttons = [a for a in page.all("button") if "data-paper" in a]
    tally = Counter((a["data-paper"], a["data-kind"], a["data-verdict"]) for a in rows)
    counted = {}
    for a in buttons:
        counted[a["data-paper"], a["data-kind"], a["data-verdict"]] = int(a["aria-label"].split(":")[0])
    assert counted == dict(tally)
    assert html.count("All, after Benjamini and Hochberg") == 1


def test_parts_sizes_and_what_stands_after_many_claims(html):
    rows = claim_rows(html)
    assert "Parts of focal-fl-gain" in rows["focal-fl-gain"] and "printed +9.3%, here +49.8%" in html
    assert "<dt>p, q</dt>" in rows["focal-fl-gain"] and "<dt>n counts</dt><dd>seeds</dd>" in rows["focal-fl-gain"]


def test_verdicts_are_written_out_and_stale_is_said(html):
    rows = claim_rows(html)
    assert 'data-verdict="holds, larger"' in rows["focal-fl-gain"]
    assert "+11.00 [+11.00, +11.00]" in rows["focal-fl-gain"]
    assert 'data-verdict="stale"' in rows["focal-gamma-curve"] and "</span>stale</span>" in rows["focal-gamma-curve"]
    assert "nothing" in rows["focal-gamma-curve"]


def test_our_precision_is_never_called_cocos(html):
    table = re.search(r'id="t-focal_loss-1b">.*?</details>', html, re.DOTALL)[0]
    assert "our AP, drawn images" in table and "33.1" in table and "+11.0" in table
    assert "never comparable" in html
    cells = dict(re.findall(r'<tr id="c-([\w-]+)".*?data-name="here">(.*?)</td>', html, re.DOTALL))
    assert "33.1" not in cells["focal-fl-gain"]                          # a claim shows differences only


def test_what_is_typed_is_escaped(results):
    lines = judged()
    lines[0] = replace(lines[0], say="<script>alert(1)</script> & more", formula="a < b", measured="<b>")
    html = scorecard.page(lines, "mini", results)
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html and "a &lt; b" in html
    Page(html)


def test_a_hand_edited_record_is_refused(results, capsys):
    record("gamma 2", 0, 0.3)
    path = records.path_of("focal_loss/1b", "mini")
    path.write_text(path.read_text().replace("0.3", "0.4"))
    assert main(["scorecard", "--out", str(results / "page.html")]) == 2
    assert "does not match its checksum" in capsys.readouterr().err
    assert not (results / "page.html").exists()


def test_the_command_line_writes_it(results, capsys):
    out = results / "deep" / "er" / "card.html"
    assert main(["scorecard", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out) and out.stat().st_size > 100_000
