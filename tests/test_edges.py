"""The table of edges is xraydb's, number for number, and is read without it."""

import subprocess
import sys

import pytest
import xraydb

from exafsnn.edges import TABLE, core_hole_width, edges_between, edges_of, is_element, tabulated
from exafsnn.errors import ScanError

from .conftest import ROOT

ELEMENTS = [xraydb.atomic_symbol(number) for number in range(1, 99)]


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_every_number_is_that_of_xraydb(symbol):
    theirs = {name: edge.energy for name, edge in xraydb.xray_edges(symbol).items() if name[0] in "KL"}
    edges = edges_of(symbol)
    assert {edge.name: edge.energy for edge in edges} == theirs
    assert [edge.energy for edge in edges] == sorted(theirs.values(), reverse=True)
    assert all(core_hole_width(symbol, name) == xraydb.core_width(symbol, name) for name in theirs)
    assert all(tabulated(symbol, name) == energy for name, energy in theirs.items())


def test_all_elements_from_lithium_on_are_sought():
    edges = edges_between(0.0, 1e6)
    assert {edge.absorber for edge in edges} == set(ELEMENTS[2:])
    assert [edge.energy for edge in edges] == sorted(edge.energy for edge in edges)


@pytest.mark.parametrize("symbol", ["", "X", "Xx", "26", "iron", "Es"])
def test_what_is_no_element_with_edges_has_none(symbol):
    assert edges_of(symbol) == ()
    assert not is_element(symbol)
    for ask in (tabulated, core_hole_width):
        with pytest.raises(ScanError, match=f"no K edge of {symbol} is known"):
            ask(symbol, "K")


def test_the_table_is_what_its_script_makes():
    script = ROOT / "examples" / "make_edges.py"
    made = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert _numbers(made) == _numbers(TABLE.read_text(encoding="ascii"))


def _numbers(text):
    return [line for line in text.splitlines() if not line.startswith("#")]  # the comments name xraydb's version


def test_asking_for_edges_imports_no_xraydb():
    asked = "import sys; from exafsnn.edges import edges_near; edges_near(7112.0); sys.exit('xraydb' in sys.modules)"
    subprocess.run([sys.executable, "-c", asked], check=True)
