"""The table of edges is xraydb's; run as a program this makes it anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import xraydb

from exafsnn import edges
from exafsnn.errors import ScanError

LIGHTEST, HEAVIEST = 3, 98


def table_of_xraydb() -> dict[str, dict[str, tuple[float, float | None]]]:
    """K and L edges of all elements, the highest energy first: energy and width of the core hole [eV]."""
    table = {}
    for number in range(LIGHTEST, HEAVIEST + 1):
        symbol = xraydb.atomic_symbol(number)
        widths = xraydb.core_width(symbol)
        found = {name: float(edge.energy) for name, edge in xraydb.xray_edges(symbol).items() if name[0] in "KL"}
        order = sorted(found, key=lambda name: -found[name])
        table[symbol] = {name: (found[name], float(widths[name]) if name in widths else None) for name in order}
    return table


def plain(table: Any) -> Any:
    return json.loads(json.dumps(table))


def test_every_number_is_xraydbs() -> None:
    assert plain(edges._table()) == plain(table_of_xraydb())
    assert len(edges._table()) == HEAVIEST - LIGHTEST + 1


def test_what_everybody_knows() -> None:
    """Iron K, copper K, platinum L3 [eV], and the core hole of iron."""
    assert [edges.tabulated(*edge) for edge in (("Fe", "K"), ("Cu", "K"), ("Pt", "L3"))] == [7112.0, 8979.0, 11564.0]
    assert 1.0 < edges.core_hole_width("Fe", "K") < 1.4
    assert [edge.name for edge in edges.edges_of("Pt")] == ["K", "L1", "L2", "L3"]
    assert edges.edges_of("Xx") == ()


def test_an_unknown_core_hole_is_told() -> None:
    with pytest.raises(ScanError, match="core hole of the M5 edge of Pt is not known"):
        edges.core_hole_width("Pt", "M5")


if __name__ == "__main__":
    source = f"xraydb {xraydb.__version__}"
    text = json.dumps({"source": source, "unit": "eV", "edges": table_of_xraydb()}, indent=None, separators=(",", ":"))
    (Path(__file__).parents[1] / "exafsnn" / "edges.json").write_text(text.replace("},", "},\n") + "\n")
