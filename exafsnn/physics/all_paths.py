"""Phase shifts and positions → χ(k): every scattering path of up to four legs, none sampled, none filtered away.

A path 0 → i → j → k → 0 is cut in the middle: what reaches j by way of i serves all k, and what returns by way of k all
i. So most of the work is that of pairs; for each path, of which there are thousands, one small matrix is left
(``physics.path_tables``). Energies are FEFF's own; the envelope of all paths of about one length is smooth in k, and is
interpolated once for all of them. Nothing is shared between sites: their order and number change no digit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from exafsnn.errors import SimulationError
from exafsnn.physics.fourier import fade
from exafsnn.physics.path_tables import FARTHEST, PathTables
from exafsnn.physics.rehr_albers import final_axes

_BIN = 0.1
"""Paths whose half lengths are that near [Å] are interpolated in k together."""
_CHUNK = 256
"""Triple-scattering paths summed at a time: what fits into the processor's cache."""
_FLAT = 1e-9
"""A triangle of smaller area [Å²] is a line: any plane through it does."""
_APART = 1000.0
"""Longer than any path [Å]: keys of different atoms are apart by it."""
_AHEAD = math.cos(math.radians(40.0))
"""An atom whose deflection of the way to a farther one has a larger cosine stands before it: such scattering is strong,
and changes most with where the two are. (25° and 60° leave as much to the other paths of Pt–Ni.)"""


@dataclass(frozen=True)
class SiteChi:
    """χ(k) of one absorber, by the number of different atoms that paths visit; S₀² = 1, no Debye-Waller factor."""

    single: Tensor
    """(m,) absorber → atom → absorber."""
    double: Tensor
    """(m,) two atoms; also one atom twice, with the absorber between."""
    triple: Tensor
    """(m,) three atoms."""

    @property
    def total(self) -> Tensor:
        """(m,) the sum."""
        return self.single + self.double + self.triple


def chi_of_site(
    tables: PathTables, positions: Tensor, numbers: Tensor, reach: float | None = None, fading: float = 0.0
) -> SiteChi:
    """χ(k) of all paths of up to four legs; differentiable with respect to the positions.

    Paths with the absorber in the middle count, as do returns to an atom. Of a path and its reverse, which scatter
    alike but for the truncation of λ, that is computed which has the shorter way to its middle first.

    Parameters
    ----------
    tables
        Made for the elements, with the same numbering.
    positions
        (n, 3) atoms relative to the absorber [Å], the absorber itself not among them.
    numbers
        (n,) unique potential of each atom, from 1.
    reach
        Largest half length of multiple-scattering paths [Å]; that of the tables if not given. Single scattering is
        summed over all atoms given.
    fading
        Over so many Å before ``reach`` multiple-scattering paths fade out: a sharp end would be a step.

    Raises
    ------
    SimulationError
        If atoms are nearer to each other than the tables go, or ``reach`` is larger.
    """
    reach = tables.reach if reach is None else reach
    atoms, numbers = _with_absorber(positions, numbers)
    pairs = _find_pairs(atoms, reach)
    _check(tables, atoms, pairs, reach)
    double, triple, cut = _Sum(tables), _Sum(tables), (reach - fading, reach)
    if len(pairs.i) > 0:
        halves = _half_paths(tables, pairs, atoms, numbers)
        _add_triangles(double, halves, atoms, cut)
        before, after = _join(pairs, reach)
        two = (pairs.j[before] == 0) | (before == after)
        for total, chosen in ((double, two), (triple, ~two)):
            _add_paths(total, tables, halves, numbers, before[chosen], after[chosen], cut)
    return SiteChi(_single(tables, atoms[1:], numbers[1:]), double.chi(), triple.chi())


def chi_of_rows(
    tables: PathTables, positions: Tensor, numbers: Tensor, reach: float | None = None, fading: float = 0.0
) -> Tensor:
    """(m,) that part of ``SiteChi.double`` which is of rows: of two atoms, one of which stands before the other.

    Absorber → near → far → absorber, its reverse, and the way that passes the near atom twice: a small part of the
    work of all paths, and most of what sites differ by beyond single scattering.

    Parameters
    ----------
    tables, positions, numbers, reach, fading
        As of ``chi_of_site``.

    Raises
    ------
    SimulationError
        As of ``chi_of_site``.
    """
    reach = tables.reach if reach is None else reach
    atoms, numbers = _with_absorber(positions, numbers)
    pairs, twice = _find_rows(atoms, reach)
    _check(tables, atoms, pairs, reach)
    total, cut = _Sum(tables), (reach - fading, reach)
    if len(pairs.i) > 0:
        halves = _half_paths(tables, pairs, atoms, numbers)
        _add_triangles(total, halves, atoms, cut)
        _add_paths(total, tables, halves, numbers, twice, twice, cut)
    return total.chi()


def _with_absorber(positions: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The absorber as atom 0, and all others."""
    atoms = torch.cat([torch.zeros(1, 3, dtype=torch.float64), positions.double()])
    return atoms, torch.cat([torch.zeros(1, dtype=torch.long), numbers.long()])


def _check(tables: PathTables, atoms: Tensor, pairs: _Pairs, reach: float) -> None:
    """The geometry lies in the tables."""
    if reach > tables.reach + 1e-9:
        raise SimulationError(
            f"paths to {reach:.2f} Å were asked for, the tables go to {tables.reach:.2f} Å",
            remedy="Make the tables with a larger reach",
        )
    legs = torch.cat([atoms[1:].norm(dim=1), pairs.leg]).tolist()
    nearest, farthest = min(legs, default=tables.nearest), max(legs, default=tables.nearest)
    if nearest < tables.nearest or farthest > FARTHEST:
        raise SimulationError(
            f"atoms at {nearest:.2f} to {farthest:.2f} Å, the tables go from {tables.nearest:.2f} to {FARTHEST:.0f} Å",
            remedy="Look for overlapping atoms; if they are meant, make the tables with a smaller nearest distance",
        )


def _single(tables: PathTables, positions: Tensor, numbers: Tensor) -> Tensor:
    """(m,) χ(k) of single scattering."""
    r = positions.norm(dim=1)
    total = torch.zeros_like(tables.k)
    momentum, k = _momentum(tables)
    for number in numbers.unique().tolist():
        at = r[numbers == number, None]
        envelope = tables.single_at(number, at[:, 0]) * torch.exp(2j * at * (momentum - k)) / (at * momentum) ** 2
        smooth = envelope @ tables.interpolation.T.to(envelope.dtype)  # [atom, k]
        total = total + (smooth * torch.exp(2j * at * tables.k)).imag.sum(dim=0)
    return total


def _momentum(tables: PathTables) -> tuple[Tensor, Tensor]:
    """(e,) complex momentum and wavenumber of the tables' energies [Å⁻¹]."""
    return torch.from_numpy(tables.electron.momentum), torch.from_numpy(tables.electron.k)


class _Sum:
    """Collects paths by half length, each without exp(2ikR) of the middle of its bin."""

    def __init__(self, tables: PathTables) -> None:
        self._tables = tables
        self._momentum, self._k = _momentum(tables)
        bins = int(tables.reach / _BIN) + 2  # rounding may put the longest paths into one more
        self._middle = _BIN * (torch.arange(bins, dtype=torch.float64) + 0.5)
        self._envelope = torch.zeros(bins, len(self._k), dtype=torch.complex64)  # [bin, energy]

    def add(self, values: Tensor, half: Tensor, legs: int) -> None:
        """Add paths of traces (n, e), over the product of their legs, and half lengths ``half`` (n,)."""
        index = (half.detach() / _BIN).long()
        excess = (2 * (half - self._middle[index])).to(values.real.dtype)[:, None]
        momentum = self._momentum.to(values.dtype)
        wave = torch.polar(torch.exp(-excess * momentum.imag), excess * momentum.real)
        self._envelope = self._envelope.index_add(0, index, values * wave / momentum**legs)

    def chi(self) -> Tensor:
        """(m,) χ(k)."""
        middle = self._middle[:, None]
        envelope = self._envelope * torch.exp(2j * middle * (self._momentum - self._k))
        smooth = envelope @ self._tables.interpolation.T.to(envelope.dtype)  # [bin, k]
        return (smooth * torch.exp(2j * middle * self._tables.k)).imag.sum(dim=0)


@dataclass(frozen=True)
class _Pairs:
    """Directed pairs i → j of an atom i and another or the absorber, j; sorted by j, then by the way to it."""

    i: Tensor
    j: Tensor
    way: Tensor
    """(pairs,) r_i + r_ij [Å]."""
    leg: Tensor
    """(pairs,) r_ij [Å]."""
    step: Tensor
    """(pairs, 3) unit vector from i to j."""
    normal: Tensor
    """(pairs, 3) unit normal of the plane of absorber, i and j: along r_i × r_j."""
    area: Tensor
    """(pairs,) |r_i × r_j| [Å²]."""


def _find_pairs(atoms: Tensor, reach: float) -> _Pairs:
    """All pairs 0 → i → j from which a path can return within ``reach``."""
    with torch.no_grad():
        way, near = _ways(atoms, reach)
        j, i = near.T.nonzero(as_tuple=True)
        order = torch.argsort(j * _APART + way[i, j], stable=True)
        i, j = i[order], j[order]
    return _pairs_of(atoms, i, j)


def _find_rows(atoms: Tensor, reach: float) -> tuple[_Pairs, Tensor]:
    """Pairs of atoms, both ways, one of which stands before the other; and which of them, i → j, can return by i."""
    with torch.no_grad():
        way, near = _ways(atoms, reach)
        r = atoms.norm(dim=1)
        along = (atoms[:, None] * (atoms[None] - atoms[:, None])).sum(dim=2)  # [i, j]
        rows = near & (along > _AHEAD * r[:, None] * (way - r[:, None]))
        rows[:, 0] = False
        j, i = (rows | rows.T).T.nonzero(as_tuple=True)
        twice = rows[i, j] & (way[i, j] <= reach)
    return _pairs_of(atoms, i, j), twice.nonzero()[:, 0]


def _ways(atoms: Tensor, reach: float) -> tuple[Tensor, Tensor]:
    """(n, n) r_i + r_ij [Å], and whether a path 0 → i → j can return within ``reach``."""
    r = atoms.norm(dim=1)
    way = r[:, None] + torch.cdist(atoms, atoms, compute_mode="donot_use_mm_for_euclid_dist")  # [i, j]
    near = way + r <= 2 * reach
    near[0] = False
    return way, near.fill_diagonal_(False)


def _pairs_of(atoms: Tensor, i: Tensor, j: Tensor) -> _Pairs:
    """The directed pairs ``i`` → ``j``."""
    step = atoms[j] - atoms[i]
    leg = step.norm(dim=1)
    low, high = torch.minimum(i, j), torch.maximum(i, j)
    cross = torch.where(i < j, 1.0, -1.0)[:, None] * torch.linalg.cross(atoms[low], atoms[high])
    normal, area = _unit_normal(cross, torch.where(i < j, 1.0, -1.0)[:, None] * _aside(atoms[high]))
    return _Pairs(i, j, atoms[i].norm(dim=1) + leg, leg, step / leg[:, None], normal, area)


def _aside(vector: Tensor) -> Tensor:
    """(n, 3) a unit vector normal to each."""
    axis = torch.eye(3, dtype=vector.dtype)[vector.detach().abs().argmin(dim=1)]
    return torch.nn.functional.normalize(torch.linalg.cross(vector.detach(), axis), dim=1)


def _unit_normal(cross: Tensor, aside: Tensor) -> tuple[Tensor, Tensor]:
    """(n, 3) direction and (n,) size of cross products; ``aside`` where there is none."""
    flat = (cross.detach().norm(dim=1) < _FLAT)[:, None]
    safe = torch.where(flat, aside, cross)
    size = safe.norm(dim=1)
    return safe / size[:, None], torch.where(flat[:, 0], 0.0, size)


@dataclass(frozen=True)
class _HalfPaths:
    """Amplitudes of half paths, (pairs, component, wave, e) complex, over the product of their two legs.

    Components are those of the final states in the laboratory. Waves are about the leg between i and j, in the plane
    of the pair.
    """

    pairs: _Pairs
    first: Tensor
    """Absorber → i → leg to j; the plane's normal is that of the pair."""
    last: Tensor
    """Leg from j → i → absorber; the plane's normal is the opposite one."""


def _half_paths(tables: PathTables, pairs: _Pairs, atoms: Tensor, numbers: Tensor) -> _HalfPaths:
    """Scattering at the first or last atom of all paths."""
    r = atoms[pairs.i].norm(dim=1)
    z = atoms[pairs.i] / r[:, None]
    axes = final_axes(tables.electron, z, torch.linalg.cross(pairs.normal, z), pairs.normal).float()
    odd = torch.tensor([wave.odd for _, wave in tables.electron.channels])
    even_axes, odd_axes = axes[:, ~odd].mT, axes[:, odd].mT  # [pair, component, channel]
    cosine, sine = (z * pairs.step).sum(dim=1), pairs.area / (r * pairs.leg)
    scale = 1.0 / (r * pairs.leg)
    found = []
    kind = numbers[pairs.i]
    place = torch.cat([(kind == n).nonzero()[:, 0] for n in kind.unique().tolist()])
    for number in kind.unique().tolist():
        rows = (kind == number).nonzero()[:, 0]
        geometry = (part[rows].float() for part in (r, pairs.leg, cosine, sine))
        values = tables.ends[number - 1].at(*geometry) * scale[rows].float()[:, None, None]
        halves = values.unflatten(1, (2, -1)).movedim(1, 0)  # [half, pair, element, energy]
        found.append(torch.stack([_in_laboratory(half, even_axes[rows], odd_axes[rows]) for half in halves]))
    both = torch.cat(found, dim=1)[:, torch.argsort(place)]
    return _HalfPaths(pairs, both[0], both[1])


def _in_laboratory(values: Tensor, even_axes: Tensor, odd_axes: Tensor) -> Tensor:
    """(n, component, wave, e) of matrix elements (n, element, e), even ones first, by channel, then by wave."""
    n, _, energies = values.shape
    split = 4 * even_axes.shape[2]
    real = torch.view_as_real(values.contiguous())
    even = even_axes @ real[:, :split].reshape(n, even_axes.shape[2], -1)
    odd = odd_axes @ real[:, split:].reshape(n, odd_axes.shape[2], -1)
    shape = (n, even_axes.shape[1], -1, energies, 2)
    return torch.view_as_complex(torch.cat([even.view(shape), odd.view(shape)], dim=2))


def _add_triangles(total: _Sum, halves: _HalfPaths, atoms: Tensor, cut: tuple[float, float]) -> None:
    """Paths 0 → i → j → 0, and their reverses."""
    pairs = halves.pairs
    place = torch.full((len(atoms), len(atoms)), -1)
    place[pairs.i, pairs.j] = torch.arange(len(pairs.i))
    rows = (pairs.j > 0).nonzero()[:, 0]
    back = place[pairs.j[rows], pairs.i[rows]]
    half = 0.5 * (pairs.way[rows] + atoms[pairs.j[rows]].norm(dim=1))
    weight = fade(half, *cut) * pairs.leg[rows]  # by which both amplitudes are divided
    for part in torch.arange(len(rows)).split(_CHUNK):
        there, home = halves.first.index_select(0, rows[part]), halves.last.index_select(0, back[part])
        total.add((there * home).sum(dim=(1, 2)) * weight[part].float()[:, None], half[part], legs=3)


def _add_paths(
    total: _Sum,
    tables: PathTables,
    halves: _HalfPaths,
    numbers: Tensor,
    before: Tensor,
    after: Tensor,
    cut: tuple[float, float],
) -> None:
    """Paths 0 → i → j → k → 0, of the pairs ``before`` and ``after`` the middle, by the potential of j."""
    half = 0.5 * (halves.pairs.way[before] + halves.pairs.way[after])
    weight = (fade(half, *cut) * torch.where(before == after, 1.0, 2.0)).float()
    middle = numbers[halves.pairs.j[before]]
    for number in middle.unique().tolist():
        rows = (middle == number).nonzero()[:, 0]
        for part in rows.split(_CHUNK):
            trace = _trace(tables, number, halves, before[part], after[part])
            total.add(trace * weight[part, None], half[part], legs=4)


def _join(pairs: _Pairs, reach: float) -> tuple[Tensor, Tensor]:
    """Pairs i → j and k → j that make a path within ``reach``, the one with the shorter way first."""
    with torch.no_grad():
        key = pairs.j * _APART + pairs.way
        stop = torch.searchsorted(key, pairs.j * _APART + 2 * reach - pairs.way, right=True)
        count = (stop - torch.arange(len(key))).clamp_min(0)
        before = torch.repeat_interleave(torch.arange(len(key)), count)
        start = torch.cumsum(count, 0) - count
        return before, before + torch.arange(len(before)) - start[before]


def _trace(tables: PathTables, number: int, halves: _HalfPaths, a: Tensor, b: Tensor) -> Tensor:
    """(n, e) traces of paths whose halves are the pairs ``a``, walked to the middle, and ``b``, walked from it."""
    pairs = halves.pairs
    cosine = -(pairs.step[a] * pairs.step[b]).sum(dim=1)
    cross = torch.linalg.cross(pairs.step[b], pairs.step[a])
    normal, sine = _unit_normal(cross, _aside(pairs.step[a]))
    geometry = (part.float() for part in (pairs.leg[a], pairs.leg[b], cosine, sine))
    matrix = tables.middle[number].at(*geometry)
    come = _twisted(halves.first.index_select(0, a), _turn(pairs.normal[a], normal, pairs.step[a]))
    leave = _twisted(halves.last.index_select(0, b), _turn(-pairs.normal[b], normal, -pairs.step[b]))
    elements = matrix[:, :, None].unbind(dim=1)
    scattered = [torch.zeros_like(come[0]) for _ in leave]
    for (i, j), element in zip(tables.middle_elements, elements, strict=True):
        scattered[i] = torch.addcmul(scattered[i], element, come[j])
    total = torch.zeros_like(come[0])
    for wave, amplitude in zip(leave, scattered, strict=True):
        total = torch.addcmul(total, wave, amplitude)
    return total.sum(dim=1)


def _turn(before: Tensor, after: Tensor, axis: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine (n,) of the angle about ``axis`` from one unit normal to another."""
    cosine = (before * after).sum(dim=1)
    return cosine, (torch.linalg.cross(before, after) * axis).sum(dim=1)


def _twisted(waves: Tensor, turn: tuple[Tensor, Tensor]) -> list[Tensor]:
    """The six waves, each (n, component, e), in a plane turned about their axis."""
    c, s = (part.float()[:, None, None] for part in turn)
    c2, s2 = c * c - s * s, 2 * c * s
    zero, next_, one, two, one_odd, two_odd = waves.unbind(dim=2)
    return [
        zero,
        next_,
        c * one + s * one_odd,
        c2 * two + s2 * two_odd,
        c * one_odd - s * one,
        c2 * two_odd - s2 * two,
    ]
