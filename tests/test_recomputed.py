"""Every trained claim on rows, worked out a second time from the raw lines by `recompute`, without paperlib."""
import json
from functools import cache
from pathlib import Path

import pytest
import recompute

from paperlib.claims.verdicts import judged
from paperlib.tables import identities, records, row_jobs
from paperlib.training.recipes import budget


@cache
def keys(table: str) -> dict[str, str]:
    """{row: the identity of today's run}: which records count is not worked out again."""
    return {job.row: identities.identity(job) for job in row_jobs.jobs_of(table, budget("mini"), seeds=1)}


@cache
def lines(table: str) -> list[dict]:
    """The newest record of each row and seed that is not stale, as the file has it."""
    path = records.path_of(table, "mini")
    if not path.exists():
        return []
    newest = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        newest[record["row"], record["seed"]] = record
    renamed = identities.renamed()
    return [record for record in newest.values()
            if renamed.get(record["hash"], record["hash"]) == keys(table).get(record["row"])]


@pytest.fixture(scope="module")
def verdicts() -> dict:
    return {line.id: line for line in judged("mini") if line.kind == "trend"}


CLAIMS = [claim for claim in recompute.read_toml("claims") if claim["judge"]["by"] == "rows"]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim["id"])
def test_a_row_claim_comes_out_the_same(claim, verdicts):
    says, parts = recompute.claim_verdict(claim, lines)
    line = verdicts[claim["id"]]
    assert len(parts) == len(line.parts)
    assert says == line.verdict.replace("stale", "not run")
    for ours, part in zip(parts, line.parts):
        assert ours["verdict"] == part.verdict.replace("stale", "not run") and ours["n"] == part.n
        if part.n:
            assert part.measured == pytest.approx(ours["measured"], abs=1e-4), part.compared
            assert (part.interval is None) == (ours["interval"] is None or ours["n"] < 2)
        if part.interval:
            assert part.interval == pytest.approx(ours["interval"], abs=1e-4), part.compared
        if part.margin is not None and part.n:
            assert part.margin == pytest.approx(ours["margin"], abs=1e-4), part.compared


def test_the_second_reckoning_imports_no_paperlib():
    text = Path(recompute.__file__).read_text(encoding="utf-8")
    assert "import paperlib" not in text and "from paperlib" not in text


def test_there_are_row_claims_to_compare():
    assert len(CLAIMS) > 100
