"""Does an answer explain its scan? How much it leaves, the most that sound scans leave, and what is told beyond that.

What a glitch, a wrong background or another material does to χ(k) no RDF explains, so it stays in the misfit; so does
what theory has wrong. The first is to be told from the second by its size, and by its place: theory errs at all k and
where atoms are; a glitch in one stretch of k, and like a gain that changes also at R where no atoms can be. With a
standard of the same session theory's part is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from exafsnn.errors import Finding
from exafsnn.infer.estimates import Limit, Signals
from exafsnn.records import Array, Exchange, Shell

_STRETCH = 0.6
"""Length of a stretch of k that is judged by itself [Å⁻¹] …"""
_SURE = 3.0
"""… from which noise is taken off, and so many standard deviations of its power."""
_FOREIGN: Mapping[str, float] = {"predicted": 1.0, "refined": 0.2}
"""R-factors, noise aside, above which the spectrum is none that the model can know: refined, foils leave less than 0.1,
other elements and oxides mostly more than 0.5."""


_BELOW = 1.4
"""No atoms lie below that R [Å] in iron, by the phase of χ(k), not even the tails of their peaks; with longer bonds
farther. What the background leaves there depends little on the metal and the sample."""
_BELOW_STEP = 0.1
"""Step of R [Å] there."""
_SOUND: Mapping[str, Limit] = {"predicted": Limit(0.2, 1.2, 0.07), "refined": Limit(0.13, 0.9, 0.07)}
"""Beyond what foils and particles of ten metals leave, of 10 to 300 K: 0.16, 1.1 and 0.04, refined 0.09, 0.7 and 0.04
(``benchmarks/verdict.py``)."""
_WHOLE, _SHORTER = 13.0, 4
"""Scans that end before that k [Å⁻¹] leave more below the atoms, by that power: the spline has fewer knots. Foils that
were cut at 9.2, 10.1 and 12.1 Å⁻¹ leave up to 0.17, 0.13 and 0.06 Å⁻², whole ones cut anywhere above 0.06."""
_MORE = Limit(0.05, 0.5, 0.02)
"""Beside a standard of the same session: so much more than its own answer leaves. Samples far colder or smaller leave
up to 4 % and 0.1 more, simulated iron 1000 K hotter than its standard 2 % and 0.4."""
_BELOW_LEAST = 0.045
"""Below the atoms at least so much: a standard may leave less by luck."""


FEW, _CLEARLY = 0.3, 6.0
"""Of fewer atoms nobody asks the element; and Δχ² at which one of two is less likely than one in twenty."""
_DAMPED = 0.04
"""Share of all oscillations that may be missing, or too much, untold."""


@dataclass(frozen=True)
class Misfit:
    """What answers to s scans leave of k²χ."""

    r_factor: Array
    """(s,) Σ|k²(χ − χ_model)|² / Σ|k²χ|²."""
    noise: Array
    """(s,) root mean square of (χ − χ_model)/ε_k, each k by its k²."""
    local: Array
    """(s,) root mean square of k²(χ − χ_model) in the worst stretch, noise aside, over that of k²χ_model …"""
    at: Array
    """… and the middle of that stretch [Å⁻¹]."""
    below: Array
    """(s,) root mean square of k²(χ − χ_model) at R below any atoms, noise aside [Å⁻²]."""
    points: Array
    """(s,) of k that were used …"""
    k_max: Array
    """… and the last of it [Å⁻¹]."""

    @property
    def left(self) -> Array:
        """(s,) R-factor, noise aside."""
        share: Array = self.r_factor * np.maximum(1 - _of_noise(self.points) / np.maximum(self.noise, 1e-9) ** 2, 0.0)
        return share

    def foreign(self, how: str) -> Array:
        """(s,) above 1: so little is explained that the spectrum is none that the model can know.

        ``how`` is ``"predicted"`` or ``"refined"``.
        """
        return self.left / _FOREIGN[how]

    def leaves_much(self, how: str) -> np.ndarray:
        """(s,) whether more of the power is left than sound scans leave at most."""
        return self.left > _SOUND[how].left

    def excess(self, how: str, standard: Limit | None = None, beside: np.ndarray | bool = True) -> Array:
        """(s,) what is left over what sound scans leave at most; above 1 it is told.

        Parameters
        ----------
        standard
            What the answer to a standard leaves …
        beside
            … and (s,) whether the scans are of its session.
        """
        alone = _SOUND[how]
        found = self._over(alone)
        if standard:
            below = max(standard.below + _MORE.below, _BELOW_LEAST)
            more = Limit(standard.left + _MORE.left, standard.local + _MORE.local, below)
            found = np.where(beside, np.maximum(found, self._over(more)), found)
        return found

    def _over(self, most: Limit) -> Array:
        """(s,) the largest of what is left over what may be."""
        below = most.below * np.maximum(_WHOLE / self.k_max, 1.0) ** _SHORTER
        return np.max([self.left / most.left, self.local / most.local, self.below / below], axis=0)


def misfit_of(
    signals: Signals, chi_model: Array, k_min: float, k_max: Array | float, length_scale: float = 1.0
) -> Misfit:
    """What is left of measured χ(k) (s, m) by what is implied, ``chi_model`` (s, m), from ``k_min`` to ``k_max`` [Å⁻¹].

    ``k_max`` is the same for all, or (s,); ``length_scale`` is that of the metal's bonds, in units of iron's.
    """
    k = signals.k
    used = ((k >= k_min) & (k <= np.reshape(k_max, (-1, 1)))) * np.ones((len(signals), 1))  # [scan, k]
    weight = k**4 * used
    parts = signals.chi - chi_model, signals.chi, chi_model
    squares = [part**2 * weight for part in parts]
    difference, total, explained = (part.sum(axis=1) for part in squares)
    by_noise = signals.noise[:, None] ** 2 * weight
    points = max(round(_STRETCH / (k[1] - k[0])), 1)
    many = np.maximum(_summed(used, points), 0.5 * points)  # a stretch at the end of the window is half a one
    noise = _summed(by_noise, points) / many
    above = _summed(squares[0], points) / many - noise * _of_noise(points)
    above = np.where(used > 0, above, -np.inf)
    worst = above.argmax(axis=1)
    power = explained / np.maximum(used.sum(axis=1), 1)
    local = np.sqrt(np.maximum(above[np.arange(len(above)), worst], 0) / np.maximum(power, 1e-30))
    return Misfit(
        difference / np.maximum(total, 1e-30), np.sqrt(difference / np.maximum(by_noise.sum(axis=1), 1e-30)), local,
        k[worst], _below(signals, signals.chi - chi_model, used, _BELOW * length_scale), used.sum(axis=1),
        np.broadcast_to(k_max, (len(signals),)),
    )  # fmt: skip


def _below(signals: Signals, left: Array, used: Array, end: float) -> Array:
    """(s,) root mean square of k²χ that is ``left`` (s, m) at R < ``end`` [Å], noise aside [Å⁻²].

    Of the Fourier transform with a Hann window over what is ``used`` (s, m); by Parseval's theorem.
    """
    k, step = signals.k, signals.k[1] - signals.k[0]
    place = (np.cumsum(used, axis=1) - 0.5) / np.maximum(used.sum(axis=1, keepdims=True), 1)
    window = used * np.sin(np.pi * place) ** 2  # [scan, k]
    r = np.arange(0.5 * _BELOW_STEP, end, _BELOW_STEP)
    power = np.abs((left * k**2 * window) @ np.exp(2j * np.outer(k, r))) ** 2  # [scan, R]
    by_noise = (signals.noise[:, None] * k**2 * window) ** 2
    wide = step * by_noise.sum(axis=1) ** 2 / np.maximum((by_noise**2).sum(axis=1), 1e-60)  # where noise is [Å⁻¹]
    free = np.maximum(2 * end / np.pi * wide, 2.0)  # independent numbers
    found = power.sum(axis=1) - len(r) * by_noise.sum(axis=1) * (1 + _SURE * np.sqrt(2 / free))
    scale = 2 / np.pi * _BELOW_STEP * step / np.maximum((window**2).sum(axis=1), 1e-30)
    return np.sqrt(np.maximum(found * scale, 0.0))


def _of_noise(points: Array | int) -> Array:
    """Power that noise may have in so many points of k, over its mean; every other point is free."""
    return np.asarray(1 + _SURE * np.sqrt(4 / np.maximum(points, 1)))


def _summed(values: Array, points: int) -> Array:
    """(s, m) sums over so many points about each."""
    before, after = (points - 1) // 2 + 1, points // 2
    running = np.cumsum(np.pad(values, ((0, 0), (before, after))), axis=1)
    sums: Array = running[:, points:] - running[:, :-points]
    return sums


def misfit_finding(excess: float, left: float, at: float, below: float) -> Finding | None:
    """Tell a misfit beyond what sound scans leave."""
    if not excess > 1:
        return None
    return Finding(
        "misfit", "warning",
        f"the RDF leaves {left:.0%} of k²χ unexplained, worst near k = {at:.1f} Å⁻¹, and {below:.3f} Å⁻² of it at R"
        f" where no atoms are: {excess:.2f} times what sound scans leave at most",
        remedy="Look there for a glitch, a step, a change of gain or a curved background, and whether the sample is"
        " what the model knows",
    )  # fmt: skip


def neighbours_finding(n: float, std: float, most: float) -> Finding | None:
    """Tell a coordination beyond the most that any known RDF has, by three standard deviations."""
    if not n - 3 * std > most:
        return None
    return Finding(
        "too-many-neighbours", "warning",
        f"N = {n:.1f} ± {std:.1f} is more than space holds, which is {most:.0f} in that range",
        remedy="The oscillations are too large: χ(k) may be weighted with k, μ not normalised as it says, or the"
        " standard's amplitude lowered by thickness or self-absorption",
    )  # fmt: skip


def damping_finding(share: float) -> Finding | None:
    """Tell that all shells of a crystal are smaller by a share, the outer no more than the first."""
    if not abs(share) > _DAMPED:
        return None
    size = f"{abs(share):.0%} {'smaller' if share > 0 else 'larger'}"
    return Finding(
        "damped", "warning",
        f"all shells are {size} than a whole crystal's with the standard's amplitude, the outer as much as the first:"
        " no particle's are. N is counted by the standard's amplitude, its error reaches to the crystal's",
        remedy="Look for pinholes, uneven thickness, harmonics, self-absorption or a wrong edge step, here or in the"
        " standard; or a part of the absorbers is in another phase",
    )  # fmt: skip


def exchange_finding(exchange: Exchange, shell: Shell, total: Shell) -> Finding | None:
    """Tell that the data do not tell the element of a shell, or prefer the other one.

    Parameters
    ----------
    exchange
        The test …
    shell
        … of this range …
    total
        … and all atoms in it.
    """
    if not exchange.is_open or shell.coordination < FEW:
        return None
    others = total.pair.split("+")
    where = f"between {exchange.r_min:.2f} and {exchange.r_max:.2f} Å"
    tested = f"given to the other element they misfit by Δχ² = {exchange.delta_chi2:+.1f}"
    both = f"{' and '.join(others)} together have {total.coordination:.1f} ± {total.coordination_std:.1f} there"
    if exchange.delta_chi2 < -_CLEARLY:
        said = f"the data want other atoms than the {shell.coordination:.1f} of {shell.pair} {where}: {tested}"
        remedy = "Is the sample of other elements, or ordered otherwise, than what the model knows?"
        return Finding("exchanged", "warning", f"{said}; {both}", remedy=remedy)
    said = f"the data do not tell the element of the {shell.coordination:.1f} atoms of {shell.pair} {where}: {tested}"
    remedy = "Go by the total, or measure the edge of the other element, too"
    return Finding("exchangeable", "note", f"{said}; {both}", remedy=remedy)
