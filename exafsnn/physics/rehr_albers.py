"""Multiple scattering in the separable representation: phase shifts and the shape of a path → its amplitude.

Rehr & Albers, Phys. Rev. B 41, 8139 (1990), expand the propagator between two atoms in a few spherical waves
λ = (μ, ν) about the axis of the leg, so that a path with legs ρ₁ … ρ_N (ρ = pr, p the complex momentum) is a trace of
small matrices,

    χ(k) = Im Σ_paths Tr[ M F_{N−1} ⋯ F_1 ] Π exp(iρ_i)/ρ_i,

with one scattering matrix F for each atom that it visits and the termination M at the absorber. As in FEFF8.5L, λ has
six members between two scatterers (2ν + |μ| ≤ 2), of which legs that end at the absorber keep those with ν, |μ| ≤ l of
the final state, and single scattering is exact (Ankudinov, Ravel, Rehr & Conradson, Phys. Rev. B 58, 7565 (1998)).

Waves ±μ are combined into their sum and difference, even and odd at the plane of the two legs that meet at an atom.
In this basis F couples even with even and odd with odd, and a change of plane is a real rotation. ``physics.all_paths``
tabulates the functions of this file; everything here is numpy in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from exafsnn.errors import SimulationError
from exafsnn.physics.arrays import Numbers, namespace
from exafsnn.physics.feff import PhaseShifts
from exafsnn.records import Array

_Complex = NDArray[np.complex128]
_Side: TypeAlias = "tuple[tuple[int | None, Wave], ...]"

FEEBLE = 1e-7
"""FEFF leaves out the partial waves above the last with |sin δ| larger than this."""


@dataclass(frozen=True)
class Wave:
    """One wave about the axis of a leg: order ν and angular momentum μ, even or odd at the plane of scattering."""

    mu: int
    nu: int = 0
    odd: bool = False


SIX = (Wave(0), Wave(0, 1), Wave(1), Wave(2), Wave(1, odd=True), Wave(2, odd=True))
"""The waves λ between two scatterers: four even ones, then two odd ones."""


@dataclass(frozen=True)
class Electron:
    """Momentum and scattering strength of the photoelectron, from FEFF's phases."""

    k: Array
    """(e,) real wavenumbers [Å⁻¹], above 0."""
    momentum: _Complex
    """(e,) complex momentum p [Å⁻¹]."""
    strength: _Complex
    """(potentials, e, l) (2l + 1) t_l, the mean over j = l ± ½; potential 0 is the absorber."""
    finals: dict[int, _Complex]
    """(e,) weight of the final states of each angular momentum: l = 1 for K and L1, l = 2 and 0 for L2 and L3."""

    @property
    def channels(self) -> tuple[tuple[int, Wave], ...]:
        """Final states: l and the wave about an axis, the larger l first, even ones before odd ones."""
        found = []
        for final in self.finals:
            found += [(final, Wave(mu)) for mu in range(final + 1)]
            found += [(final, Wave(mu, odd=True)) for mu in range(1, final + 1)]
        return tuple(found)


def electron_of(phases: PhaseShifts) -> Electron:
    """Scattering strengths from phase shifts: t_l = (exp(2iδ_l) − 1)/2i.

    Raises
    ------
    SimulationError
        If the core level is of none of the edges K, L1, L2, L3.
    """
    if phases.hole not in (1, 2, 3, 4):
        raise SimulationError(f"core level {phases.hole} of FEFF is not supported", remedy="Use edge K, L1, L2 or L3")
    degree = np.arange(phases.upper.shape[-1])
    waves = (degree + 1) * _t(phases.upper) + degree * _t(phases.lower)  # [potential, energy, l]
    heard = np.abs(np.sin(phases.lower)) > FEEBLE
    heard = np.flip(np.logical_or.accumulate(np.flip(heard, -1), axis=-1), -1)
    use = phases.k > 1e-3
    squares = phases.moments**2  # FEFF's order: j of the initial state −1, 0, +1
    final_l = {1: (1, 1), 2: (1, 1), 3: (None, 0, 2), 4: (2, 2, 0)}[phases.hole]
    finals: dict[int, _Complex] = {}
    for order, final in enumerate(final_l):
        if final is not None:
            finals[final] = finals.get(final, 0) - squares[order, use] / (3.0 * (2 * final + 1))
    return Electron(
        k=phases.k[use],
        momentum=phases.momentum[use],
        strength=np.where(heard, waves, 0.0)[:, use],
        finals=dict(sorted(finals.items(), reverse=True)),
    )


def _t(delta: _Complex) -> _Complex:
    """The partial-wave scattering matrix."""
    return (np.exp(2j * delta) - 1) / 2j


def spherical_polynomials(rho: _Complex, degree: int, orders: int = 4) -> _Complex:
    """(…, l, m) the factors c_l^(m)(z) z^m/m! of spherical waves, z = 1/(iρ); 0 where m > l.

    By recursion in l: c_{l+1,m} = c_{l−1,m} − (2l + 1) z (c_{l,m} + c_{l,m−1}), Rehr & Albers, appendix B.
    """
    z = -1j / np.asarray(rho, dtype=complex)
    c = np.zeros((*z.shape, degree + 2, orders), dtype=complex)
    c[..., 0, 0] = 1.0
    c[..., 1, 0] = 1.0 - z
    for level in range(1, degree):
        c[..., level + 1, 0] = c[..., level - 1, 0] - (2 * level + 1) * z * c[..., level, 0]
    diagonal = np.ones_like(z)
    for m in range(1, orders):
        diagonal = -diagonal * (2 * m - 1) * z
        c[..., m, m] = diagonal
        c[..., m + 1, m] = diagonal * (2 * m + 1) * (1 - (m + 1) * z)
        for level in range(m + 1, degree):
            both = c[..., level, m] + c[..., level, m - 1]
            c[..., level + 1, m] = c[..., level - 1, m] - (2 * level + 1) * z * both
    return c[..., : degree + 1, :]


def _norm(mu: int, degree: int) -> Array:
    """(l,) √((2l + 1)(l − μ)!/(l + μ)!), 0 where μ > l."""
    level = np.arange(degree + 1.0)
    ratio = 2 * level + 1
    for step in range(1 - mu, mu + 1):
        ratio = ratio / np.where(level + step > 0, level + step, np.inf)
    return np.sqrt(ratio)


def outgoing(c: _Complex, wave: Wave) -> _Complex:
    """(…, l) amplitude that the partial waves l of an atom put into a wave of the leg that leaves it (γ)."""
    degree = c.shape[-2] - 1
    factor: _Complex = (-1) ** wave.mu * _norm(wave.mu, degree) * c[..., wave.mu + wave.nu]
    return factor


def incoming(c: _Complex, wave: Wave) -> _Complex:
    """(…, l) amplitude that a wave of the leg that comes in gives to the partial waves l (γ̃ over 2l + 1)."""
    norm = _norm(wave.mu, c.shape[-2] - 1)
    inverse = np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
    factor: _Complex = inverse * c[..., wave.nu]
    return factor


def from_absorber(c: _Complex, final: int, wave: Wave, order: int) -> _Complex:
    """(…, l) partial waves l at the first atom due to one final state, summed over the ν of the first leg."""
    parts = [Wave(wave.mu, nu) for nu in _orders(final, wave.mu, order)]
    return np.asarray(sum(incoming(c, part) * outgoing(c, part)[..., final, None] for part in parts))


def to_absorber(c: _Complex, final: int, wave: Wave, order: int) -> _Complex:
    """(…, l) amplitude of one final state due to partial waves l at the last atom, summed over ν of the last leg."""
    parts = [Wave(wave.mu, nu) for nu in _orders(final, wave.mu, order)]
    total = sum(outgoing(c, part) * incoming(c, part)[..., final, None] for part in parts)
    return np.asarray((2 * final + 1) * total)


def _orders(final: int, mu: int, order: int) -> range:
    """The ν of a leg that ends at the absorber: 2ν + μ ≤ order, and ν no larger than the final state's l."""
    return range(min((order - mu) // 2, final) + 1)


def rotation(cosine: Array, degree: int, out: Wave, into: Wave) -> Array:
    """(…, l) coupling of two waves of one l where a path is deflected by β, a polynomial of degree l in cos β.

    Pairs of odd μ + μ′ have a factor sin β besides, which is left out. Pairs of unlike parity do not couple.
    """
    x = np.asarray(cosine, dtype=float)
    if out.odd != into.odd:
        return np.zeros((*x.shape, degree + 1))
    if out.mu == 0 or into.mu == 0:
        return (1.0 if out.mu == into.mu else np.sqrt(2.0)) * _small_d(x, degree, out.mu, into.mu)
    sign = (-1) ** into.mu * (-1 if into.odd else 1)
    return _small_d(x, degree, out.mu, into.mu) + sign * _small_d(x, degree, out.mu, -into.mu)


def _small_d(x: Array, degree: int, m: int, n: int) -> Array:
    """(…, l) Wigner's d^l_mn(β) at x = cos β for m ≥ 0, over sin β if m + n is odd: recursion in l from the lowest."""
    lowest = max(m, abs(n))
    d = np.zeros((*x.shape, max(degree, 2) + 1))
    d[..., lowest] = _SEEDS[m, n](x)
    for level in range(lowest + 1, degree + 1):
        turn = x - (m * n / (level * (level - 1)) if level > 1 else 0.0)
        last = _span(level - 1, m, n) / (level - 1) * d[..., level - 2] if level > 1 else 0.0
        d[..., level] = ((2 * level - 1) * turn * d[..., level - 1] - last) * level / _span(level, m, n)
    return d[..., : degree + 1]


def _span(level: int, m: int, n: int) -> float:
    return float(np.sqrt((level**2 - m**2) * (level**2 - n**2)))


_SEEDS: dict[tuple[int, int], Callable[[Array], Array]] = {
    (0, 0): np.ones_like,
    (0, 1): lambda x: np.full_like(x, np.sqrt(0.5)),
    (1, 0): lambda x: np.full_like(x, -np.sqrt(0.5)),
    (0, 2): lambda x: np.sqrt(0.375) * (1 - x * x),
    (2, 0): lambda x: np.sqrt(0.375) * (1 - x * x),
    (1, 1): lambda x: 0.5 * (1 + x),
    (1, -1): lambda x: 0.5 * (1 - x),
    (1, 2): lambda x: 0.5 * (1 + x),
    (1, -2): lambda x: -0.5 * (1 - x),
    (2, 1): lambda x: -0.5 * (1 + x),
    (2, -1): lambda x: -0.5 * (1 - x),
    (2, 2): lambda x: 0.25 * (1 + x) ** 2,
    (2, -2): lambda x: 0.25 * (1 - x) ** 2,
}
"""d^l_mn at l = max(|m|, |n|), over sin β if m + n is odd."""


def elements(stage: str, electron: Electron) -> list[tuple[int, int]]:
    """(row, column) of what is not zero in the scattering matrices of a stage of a path: unlike parities never meet.

    Stages: ``"first"`` (channels of the absorber → six), ``"middle"`` (six → six), ``"last"`` (six → channels).
    """
    rows, columns = _sides(stage, electron)
    return [(i, j) for i, (_, out) in enumerate(rows) for j, (_, into) in enumerate(columns) if out.odd == into.odd]


def _sides(stage: str, electron: Electron) -> tuple[_Side, _Side]:
    """Waves that leave an atom and that come in; with the final state's l for legs that end at the absorber."""
    six = tuple((None, wave) for wave in SIX)
    return {"first": (six, electron.channels), "middle": (six, six), "last": (electron.channels, six)}[stage]


def scattering_elements(
    electron: Electron, number: int, stage: str, out: Array, into: Array, cosine: Array
) -> _Complex:
    """(element, b, a, c, e) scattering matrices Σ_l γ_l t_l d_l(β) γ̃_l of one atom, on a grid of geometries.

    Elements as ``elements`` lists them; of those with odd μ + μ′ the factor sin β is left out. The last stage includes
    the weight of the final states.

    Parameters
    ----------
    number
        Unique potential of the atom.
    out, into
        (b,), (a,) lengths of the leg that leaves and the leg that comes in [Å].
    cosine
        (c,) cos β of the deflection.
    """
    degree = electron.strength.shape[-1] - 1
    rows, columns = _sides(stage, electron)
    c_out, c_into = (spherical_polynomials(np.outer(r, electron.momentum), degree) for r in (out, into))
    leave = [_leaving(electron, c_out, final, wave) for final, wave in rows]
    come = [electron.strength[number] * _coming(c_into, final, wave) for final, wave in columns]
    found = []
    for i, j in elements(stage, electron):
        turn = rotation(cosine, degree, rows[i][1], columns[j][1])  # [c, l]
        both = leave[i][:, None] * come[j][None]  # [b, a, e, l]
        found.append(np.moveaxis(both @ turn.T, -1, 2))
    return np.array(found)


def _leaving(electron: Electron, c: _Complex, final: int | None, wave: Wave) -> _Complex:
    if final is None:
        return outgoing(c, wave)
    weight: _Complex = electron.finals[final][:, None] * to_absorber(c, final, wave, 2)
    return weight


def _coming(c: _Complex, final: int | None, wave: Wave) -> _Complex:
    return incoming(c, wave) if final is None else from_absorber(c, final, wave, 2)


def single_amplitude(electron: Electron, number: int, r: Array) -> _Complex:
    """(n, e) Tr[M F] of absorber → atom → absorber at distances ``r`` (n,) [Å], exact in λ."""
    degree = electron.strength.shape[-1] - 1
    c = spherical_polynomials(np.outer(r, electron.momentum), degree, orders=2 * max(electron.finals) + 2)
    total = np.zeros((len(r), len(electron.k)), dtype=complex)
    order = 3 * max(electron.finals)
    for final, wave in electron.channels:
        ends = to_absorber(c, final, wave, order) * from_absorber(c, final, wave, order)
        mirror = (-1) ** (final + wave.odd)  # axes z, x, y turn into −z, −x, y
        turn = mirror * rotation(np.array(-1.0), degree, wave, wave)
        total += electron.finals[final] * (ends * electron.strength[number] * turn).sum(axis=-1)
    return total


def walked_back(final: int, wave: Wave) -> int:
    """Sign of a final state's wave when its leg is walked the other way: axes z, x, y become −z, x, −y."""
    return int((-1) ** (final + wave.mu + wave.odd))


def path_amplitude(electron: Electron, positions: Array, numbers: tuple[int, ...]) -> _Complex:
    """(e,) Tr[M F_{N−1} ⋯ F_1] Π exp(iρ)/ρ of one path, of which χ(k) is the imaginary part.

    Slow and plain: what the tables of ``physics.all_paths`` are held against.

    Parameters
    ----------
    electron
        Phases and momentum.
    positions
        (legs − 1, 3) the scatterers in order, relative to the absorber [Å].
    numbers
        Unique potential of each scatterer.
    """
    steps = np.diff(np.vstack([np.zeros(3), positions, np.zeros(3)]), axis=0)
    legs = np.linalg.norm(steps, axis=1)
    rho = np.outer(legs, electron.momentum)
    wave: _Complex = (np.exp(1j * rho) / rho).prod(axis=0)
    if len(legs) == 2:
        return single_amplitude(electron, numbers[0], legs[:1])[0] * wave
    z = steps / legs[:, None]
    normals = [_normal(z[i], z[i + 1]) for i in range(len(legs) - 1)]
    axes = [final_axes(electron, z[leg], np.cross(y, z[leg]), y) for leg, y in ((0, normals[0]), (-1, normals[-1]))]
    state: _Complex = np.broadcast_to(axes[0], (len(electron.k), *axes[0].shape)).astype(complex)
    for i, number in enumerate(numbers):
        if i > 0:
            state = _twist(normals[i - 1], normals[i], z[i]) @ state
        stage = "first" if i == 0 else "last" if i == len(numbers) - 1 else "middle"
        state = _matrix(electron, number, stage, legs[i + 1], legs[i], float(z[i] @ z[i + 1])) @ state
    trace: _Complex = np.einsum("ecm,cm->e", state, axes[1])  # [energy, channel, component]
    return trace * wave


def _matrix(electron: Electron, number: int, stage: str, out: float, into: float, cosine: float) -> _Complex:
    """(e, rows, columns) one scattering matrix."""
    values = scattering_elements(electron, number, stage, np.array([out]), np.array([into]), np.array([cosine]))
    rows, columns = _sides(stage, electron)
    matrix = np.zeros((len(electron.k), len(rows), len(columns)), dtype=complex)
    for (i, j), value in zip(elements(stage, electron), values[:, 0, 0, 0], strict=True):
        odd = (rows[i][1].mu + columns[j][1].mu) % 2
        matrix[:, i, j] = value * (np.sqrt(max(1 - cosine**2, 0.0)) if odd else 1.0)
    return matrix


def _normal(first: Array, second: Array) -> Array:
    """Unit normal of a plane; any one that is normal to ``first`` if they are parallel."""
    normal = np.cross(first, second)
    if np.linalg.norm(normal) < 1e-6:
        normal = np.cross(first, np.eye(3)[np.argmin(np.abs(first))])
    unit: Array = normal / np.linalg.norm(normal)
    return unit


def _twist(before: Array, after: Array, axis: Array) -> Array:
    """(6, 6) change of the six waves about ``axis`` when the plane's normal turns from ``before`` to ``after``."""
    angle = np.arctan2(np.cross(before, after) @ axis, before @ after)
    matrix = np.eye(6)
    for even, odd in ((2, 4), (3, 5)):
        cosine, sine = np.cos(SIX[even].mu * angle), np.sin(SIX[even].mu * angle)
        matrix[[even, even, odd, odd], [even, odd, even, odd]] = cosine, sine, -sine, cosine
    return matrix


def final_axes(electron: Electron, z: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """(…, channels, channels) real harmonics of the final states about axes z, x, y (…, 3), in the laboratory's."""
    xp = namespace(z)
    blocks = []
    for final in electron.finals:
        if final == 0:
            blocks.append(xp.ones_like(z[..., :1, None]))
        elif final == 1:
            blocks.append(xp.stack([z, x, y], -2))
        else:
            blocks.append(
                xp.stack(
                    [
                        _tensor(z, z) * 3**0.5 / 2,
                        _tensor(x, z),
                        (_tensor(x, x) - _tensor(y, y)) / 2,
                        _tensor(y, z),
                        _tensor(x, y),
                    ],
                    -2,
                )
            )
    size = sum(block.shape[-1] for block in blocks)
    result = xp.zeros((*z.shape[:-1], size, size), dtype=z.dtype)
    start = 0
    for block in blocks:
        stop = start + block.shape[-1]
        result[..., start:stop, start:stop] = block
        start = stop
    return result


def _tensor(a: Numbers, b: Numbers) -> Numbers:
    """(…, 5) the traceless part of a ⊗ b + b ⊗ a, over √2, in an orthonormal basis."""
    xp = namespace(a)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    third = (ax * bx + ay * by + az * bz) / 3
    parts = [3**0.5 * (az * bz - third), ax * bz + az * bx, ay * bz + az * by, ax * bx - ay * by, ax * by + ay * bx]
    return xp.stack(parts, -1)
