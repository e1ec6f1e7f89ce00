"""A metal's ranges with its oxides: shells that keep apart have ranges of their own, and no others."""

from __future__ import annotations

import pytest

from exafsnn.metals import METALS
from exafsnn.oxides import OXIDES, ranges_beside
from exafsnn.simulate.solids import cell_of, compound_of


def ranges_of(symbol):
    metal = METALS[symbol]
    oxides = [compound_of("oxide", [cell_of(text)[1]], symbol, metal.edge) for text in OXIDES[symbol]]
    return {name: limits for name, *limits in ranges_beside(metal, oxides)}


def test_without_oxides_all_is_the_metals():
    assert ranges_beside(METALS["Ni"], ()) == METALS["Ni"].ranges


@pytest.mark.parametrize(("symbol", "theirs"), [("Ni", 2.954), ("Co", 3.013), ("Cu", 3.019)])
def test_shells_that_keep_apart_are_counted_apart(symbol, theirs):
    own, found = METALS[symbol].nearest, ranges_of(symbol)
    begin, cut = found[f"metal {symbol}-{symbol}"]
    low, high = found[f"oxide {symbol}-{symbol}"]
    assert tuple(found["first"]) == METALS[symbol].first  # that of hot metal, which a limit between both would cut
    assert begin == found["first"][0]
    assert cut == low == pytest.approx(0.5 * (own + theirs), abs=0.03)
    assert own + 0.2 < low < theirs < high < 2**0.5 * own


@pytest.mark.parametrize(("symbol", "oxygen"), [("Pd", 2.024), ("Fe", 2.154), ("Pt", 2.04)])
def test_shells_that_run_together_are_counted_together(symbol, oxygen):
    """PdO has palladium at 3.04 Å, the metal at 2.75 Å: no limit between them holds twelve atoms when it is warm."""
    found = ranges_of(symbol)
    assert tuple(found["first"]) == METALS[symbol].first
    assert set(found) == {"first", f"first {symbol}-O"}
    low, high = found[f"first {symbol}-O"]
    assert low < oxygen < high
