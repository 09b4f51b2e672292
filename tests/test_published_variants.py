"""Tables whose variants are the paper's columns: turned, they keep every number and name the better direction."""
import pytest

from paperlib.papers.printed import by_variant, published

TURNED = [name for name, table in published().items() if table.get("variants") == "columns"]


@pytest.mark.parametrize("name", TURNED)
def test_turning_keeps_every_number(name):
    table = published()[name]
    turned = by_variant(table)
    assert [c["name"] for c in turned["columns"]] == [r["label"] for r in table["rows"]]
    assert all(c["unit"] and c["better"] in ("higher", "lower") for c in turned["columns"])
    for row in turned["rows"]:
        assert isinstance(row["ours"], bool)
        assert row["values"] == {r["label"]: r["values"][row["label"]] for r in table["rows"]}


def test_a_table_of_rows_is_left_alone():
    table = published()["rcnn/2"]
    assert by_variant(table) is table


def test_the_baseline_of_every_table_is_a_variant():
    for name, table in published().items():
        if "baseline" in table:
            assert table["baseline"] in [r["label"] for r in by_variant(table)["rows"]], name
