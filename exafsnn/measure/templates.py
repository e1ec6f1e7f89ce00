"""Stretches of scans on grids that are alike → the same on one grid, so that one detector looks at all of them.

A detector is made for a grid, which takes longer than to look at a thousand scans. But monochromators tell where they
are, not where they should be, so that hardly two scans of a beamline have one grid. Where every point of a scan lies
within an interval of that of another, each is carried there along the curve that its neighbours draw: what it has
beyond that curve, a glitch or noise, it keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from exafsnn.linear import KEPT
from exafsnn.records import Array

_REACH = 1.0
"""How far points are carried at most, in intervals."""

_NEIGHBOURS = 4
"""Points that draw the curve, two on either side where there are."""


def on_templates(
    places: Sequence[Array], mu: Sequence[Array], templates: list[Array]
) -> Iterator[tuple[Array, np.ndarray, Array, bool]]:
    """Bring scans onto grids that they are alike to.

    Parameters
    ----------
    places
        (n,) increasing points of the scans of each group.
    mu
        (s, n) the scans of each group.
    templates
        Grids that are known; those of groups that are like none are added, and the oldest dropped.

    Yields
    ------
    tuple
        A grid (n,), the numbers (s,) of scans, counted through all groups, these on that grid (s, n), and whether it is
        their own.
    """
    ends = np.cumsum([0, *map(len, mu)])
    groups: dict[int, list[int]] = {}
    for number, points in enumerate(places):
        if len(mu[number]):
            groups.setdefault(len(points), []).append(number)
    for size, numbers in groups.items():
        left, own = np.array(numbers), np.array([places[number] for number in numbers])
        for template in [known for known in templates if len(known) == size] + [None] * len(left):
            if not len(left):
                break
            if template is None:
                template = own[0].copy()
                templates[:] = [*templates[1 - KEPT :], template]
            same = (own == template).all(axis=1)
            alike = ~same & _alike(own, template)
            for chosen in (same, alike):
                if chosen.any():
                    rows = np.concatenate([np.arange(ends[number], ends[number + 1]) for number in left[chosen]])
                    scans = np.concatenate([mu[number] for number in left[chosen]])
                    if chosen is alike:
                        counts = [len(mu[number]) for number in left[chosen]]
                        scans = carried(np.repeat(own[chosen], counts, axis=0), scans, template)
                    yield template, rows, scans, chosen is same
            left, own = left[~(same | alike)], own[~(same | alike)]


def _alike(own: Array, template: Array) -> np.ndarray:
    """(g,) which grids (g, n) have every point near its place in a template (n,)."""
    if len(template) <= _NEIGHBOURS:
        return np.zeros(len(own), dtype=bool)
    steps = np.diff(template)
    reach = _REACH * np.minimum(np.append(steps, steps[-1]), np.append(steps[0], steps))
    return np.asarray((np.abs(own - template) <= reach).all(axis=1))


def carried(own: Array, mu: Array, template: Array) -> Array:
    """(s, n) scans whose points, at ``own`` (s, n), are carried to those of a template (n,), one by one.

    By as much as the cubic through the four nearest others, itself left out, changes from here to there: Lagrange's
    polynomials, of which those at the point itself are taken off.
    """
    n = own.shape[1]
    first = np.clip(np.arange(n) - 2, 0, n - _NEIGHBOURS - 1)[:, None] + np.arange(_NEIGHBOURS)
    others = first + (first >= np.arange(n)[:, None])  # [point, neighbour]
    nodes = [own[:, others[:, i]] for i in range(_NEIGHBOURS)]  # each [scan, point]
    moved: Array = mu.copy()
    for i in range(_NEIGHBOURS):
        there, here = np.ones_like(own), np.ones_like(own)
        for j in range(_NEIGHBOURS):
            if j != i:
                apart = nodes[i] - nodes[j]
                there *= (template - nodes[j]) / apart
                here *= (own - nodes[j]) / apart
        moved += (there - here) * mu[:, others[:, i]]
    return moved
