"""Make ``exafsnn/edges.csv``, the table of edges that ``exafsnn.edges`` asks, from xraydb.

    python examples/make_edges.py > exafsnn/edges.csv

The numbers are part of the package because importing xraydb takes several times as long as reading a scan.
"""

from __future__ import annotations

from collections.abc import Iterator

import xraydb

HEADER = """\
# K and L edges of the elements H to Cf: energy and full width at half maximum of the core hole, both in eV.
# Made by examples/make_edges.py from xraydb {version} (M. Newville, MIT licence).
# Energies: W. T. Elam, B. D. Ravel and J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002).
# Widths: M. O. Krause and J. H. Oliver, J. Phys. Chem. Ref. Data 8, 329 (1979); O. Keski-Rahkonen and M. O. Krause,
# At. Data Nucl. Data Tables 14, 139 (1974).
absorber,edge,energy,width"""

HEAVIEST = 98


def rows() -> Iterator[tuple[str, str, float, float]]:
    """Yield element, edge, energy [eV] and width of its core hole [eV], by atomic number, the highest energy first."""
    for number in range(1, HEAVIEST + 1):
        symbol = xraydb.atomic_symbol(number)
        edges = {name: edge.energy for name, edge in xraydb.xray_edges(symbol).items() if name[0] in "KL"}
        for name in sorted(edges, key=lambda name: -edges[name]):
            yield symbol, name, float(edges[name]), float(xraydb.core_width(symbol, name))


if __name__ == "__main__":
    print(HEADER.format(version=xraydb.__version__))
    for row in rows():
        print(*row, sep=",")
