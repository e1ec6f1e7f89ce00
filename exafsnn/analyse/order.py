"""Partial coordinations → who neighbours whom: totals, composition around each element, short-range order.

N_AB counts the B among the neighbours of A in a range of r. x_B(A) = N_AB / Σ N is their share, and
α = 1 − x_B(A)/c_B compares it with the sample's (Cowley, Phys. Rev. 77, 669 (1950)): 0 where neighbours are met at
random, negative where unlike ones are preferred, positive where like ones are. What scales all N alike, as the
amplitude does, cancels in both.

Errors are those over the samples of n(r), made as wide as the calibrated ones of each pair. Where the data do not tell
the element of a shell (``infer.exchange``), they hold what comes of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from exafsnn.errors import SettingsError
from exafsnn.learn.atlas import PHASES
from exafsnn.records import Array, Estimate, Order, PartialRDF, Prediction, Shell
from exafsnn.settings import require_shares
from exafsnn.shells import UNSEEN, is_shell, likely, moments, reaching, unseen

if TYPE_CHECKING:
    from exafsnn.infer.predict import Model

_ENDS = (0.025, 0.975)
"""Shares of the samples below the ends of a 95 % interval."""
_ADDS_UP = 0.01
"""A composition adds up to 1 within so much."""
_STRETCHED = 0.01
"""RDFs from which a share of metal is learned are stretched by so much, either way …"""
_BIN_ERRS, _BIN_LEAST = 0.1, 0.05
"""… and each bin errs by so much, relatively, and [Å⁻¹] at least. (0.2 and 0.05 tell simulated mixtures of palladium,
nickel and their oxides as well, within 0.002.)"""


@dataclass(frozen=True)
class Neighbours:
    """Coordinations of one absorber, or of several, in a range of r."""

    pairs: tuple[str, ...]
    """(p) of all absorbers."""
    number: Array
    """(p,) N."""
    samples: Array
    """(s, p) equally likely ones; none where no samples of the RDFs were kept."""
    others: tuple[tuple[Array, Array], ...] = ()
    """N (p,) if atoms of a shell are of the other element, and how probable that is."""

    @staticmethod
    def of(rdf: PartialRDF, r_min: float, r_max: float) -> Neighbours:
        """Those around the absorber of an RDF, from ``r_min`` to ``r_max`` [Å], but for pairs that nothing counts."""
        pairs = rdf.counted
        rows = [rdf.pairs.index(pair) for pair in pairs]
        number = _numbers(rdf.r, rdf.density[rows], r_min, r_max)
        samples = np.empty((0, len(pairs)))
        if rdf.samples is not None:
            samples = _numbers(rdf.r, rdf.samples[:, rows], r_min, r_max)
            errors = [rdf.errors(pair) for pair in pairs]
            wider = np.array([item.std[0] if item else 1.0 for item in errors])
            # of hardly any atoms no sample has fewer, for no bin is negative: their mean is not the answer
            samples = np.maximum(number + wider * (samples - samples.mean(axis=0)), 0.0)
        others = tuple(
            (_numbers(rdf.r, item.density[rows], r_min, r_max), likely(item.delta_chi2))
            for item in rdf.exchanges_of(r_min, r_max)
        )
        return Neighbours(pairs, number, samples, others)

    def beside(self, other: Neighbours, *, tied: bool) -> Neighbours:
        """Together with those of another absorber in the same sample of material.

        ``tied``: whether their samples belong together, one to one, as those of one answer to both edges do.
        """
        count = min(len(self.samples), len(other.samples))
        further = other.samples[:count] if tied else np.random.default_rng(0).permutation(other.samples[:count])
        ahead = [(np.append(number, other.number), share) for number, share in self.others]
        after = [(np.append(self.number, number), share) for number, share in other.others]
        return Neighbours(
            (*self.pairs, *other.pairs), np.append(self.number, other.number),
            np.concatenate([self.samples[:count], further], axis=1), (*ahead, *after),
        )  # fmt: skip

    def estimate(self, quantity: Callable[[Mapping[str, Array]], Array]) -> Estimate:
        """A function of the N of pairs, with what their errors make of it; NaN where it is none."""

        def of(numbers: Array) -> Array:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(quantity(dict(zip(self.pairs, np.moveaxis(numbers, -1, 0), strict=True))))

        value, drawn = of(self.number), np.sort(of(self.samples))
        drawn = drawn[np.isfinite(drawn)]
        if not len(drawn) or not np.isfinite(value):
            return Estimate(*[np.nan] * 4)
        low, high = drawn[[round(share * (len(drawn) - 1)) for share in _ENDS]]
        found = drawn.std(), np.minimum(low, value), np.maximum(high, value)
        for number, probability in self.others:
            if np.isfinite(other := of(number)):
                found = reaching(value, *found, other, probability)
        return Estimate(float(value), *map(float, found))

    def total(self, absorber: str) -> Estimate:
        """Σ N around one absorber, without what nobody knows of the amplitude."""
        return self.estimate(lambda n: _total(n, absorber))

    def composition(self, pair: str) -> Estimate:
        """x_B(A) = N_AB / Σ N of a pair A-B.

        Raises
        ------
        SettingsError
            If there is no such pair.
        """
        self._require(pair)
        return self.estimate(lambda n: n[pair] / _total(n, _absorber(pair)))

    def order(self, pair: str, composition: Mapping[str, float] | None = None) -> Estimate:
        """α = 1 − x_B(A)/c_B of a pair A-B.

        Parameters
        ----------
        pair
            Whose order.
        composition
            Share of each element in the sample. None: it follows from the N of both absorbers, where there are no
            other elements.

        Raises
        ------
        SettingsError
            If there is no such pair, or shares do not add up to 1, or lack its element, or none are known.
        """
        self._require(pair)
        own, other = pair.split("-")
        if composition is None:
            self._require_two()
        else:
            _require_composition(composition, other)
        return self.estimate(lambda n: 1 - n[pair] / _total(n, own) / (composition or _shares(n))[other])

    def _require(self, pair: str) -> None:
        if pair not in self.pairs:
            raise SettingsError(f"there is no pair {pair}", where="pair", remedy=f"There are {', '.join(self.pairs)}")

    def _require_two(self) -> None:
        absorbers = set(map(_absorber, self.pairs))
        if len(absorbers) != 2 or absorbers != set(_elements(self.pairs)):
            remedy = "Give it, or the N of both absorbers of two elements (beside)"
            raise SettingsError("the composition is not known", where="composition", remedy=remedy)

    def shares(self) -> dict[str, Estimate]:
        """c_A and c_B of the two absorbers, among both.

        Raises
        ------
        SettingsError
            If there are not two, or other elements besides.
        """
        self._require_two()
        one, other = dict.fromkeys(map(_absorber, self.pairs))
        return {one: self.estimate(lambda n: _shares(n)[one]), other: self.estimate(lambda n: _shares(n)[other])}

    def segregation(self, element: str, other: str) -> Estimate:
        """Σ N around one element minus that around the other: positive where the first is in the core of particles."""
        return self.estimate(lambda n: _total(n, element) - _total(n, other))


def _numbers(r: Array, density: NDArray[np.floating], r_min: float, r_max: float) -> Array:
    """(…) N of densities (…, b)."""
    rows = density.reshape(-1, density.shape[-1])  # one product, not one for each sample
    return moments(r, rows, r_min, r_max)[:, 0].reshape(density.shape[:-1])


def _absorber(pair: str) -> str:
    return pair.partition("-")[0]


def _require_composition(shares: Mapping[str, float], element: str) -> None:
    """Refuse what is no composition of a sample with that element."""
    if not shares.get(element, 0) > 0:
        told = ", ".join(f"{name} {share:g}" for name, share in shares.items()) or "none"
        reason = f"{told} has no share of {element}"
        raise SettingsError(reason, where="composition", remedy="Give that of each element")
    require_shares(shares, "Shares of all elements add up to 1", _ADDS_UP)


def _elements(pairs: Iterable[str]) -> tuple[str, ...]:
    """All that are named, each once."""
    return tuple(dict.fromkeys(element for pair in pairs for element in pair.split("-")))


def _total(numbers: Mapping[str, Array], absorber: str) -> Array:
    return np.asarray(sum(number for pair, number in numbers.items() if _absorber(pair) == absorber))


def _shares(numbers: Mapping[str, Array]) -> dict[str, Array]:
    """c_A and c_B of two absorbers, by c_A N_AB = c_B N_BA."""
    one, other = dict.fromkeys(map(_absorber, numbers))
    ahead, back = numbers[f"{one}-{other}"], numbers[f"{other}-{one}"]
    return {one: back / (ahead + back), other: ahead / (ahead + back)}


def orders_of(edges: Sequence[Prediction], *, tied: bool = False) -> list[dict[str, Order]]:
    """Who neighbours whom in one sample, by the answers at one edge or two: for each edge, by name of the range.

    Parameters
    ----------
    edges
        The answers to one sample.
    tied
        Whether they are one answer to both (``Neighbours.beside``).

    Returns
    -------
    list of dict
        Of every range that ``shells`` has and in which there are atoms; none where there is one pair alone. α is told
        where the composition of the sample is: by the model, or by both edges of a sample of two elements.
    """
    return [_of_edge(edge, [other for other in edges if other is not edge], tied) for edge in edges]


def _of_edge(edge: Prediction, others: Sequence[Prediction], tied: bool) -> dict[str, Order]:
    found = {}
    for name, shell in edge.shells.items():
        if is_shell(name) or shell.pair not in edge.rdf.counted:  # of this pair alone, wherever others have theirs
            continue
        limits = shell.r_min, shell.r_max
        around = Neighbours.of(edge.rdf, *limits)
        unknown = np.isnan(shell.distance) and shell.coordination_high > shell.coordination  # and so is its share
        if len(edge.rdf.pairs) < 2 or unknown or not around.number.sum() > 0:
            continue
        together = edge.rdf.together(*limits)
        ends = together.coordination_std, together.coordination_low, together.coordination_high
        total, composition = Estimate(together.coordination, *ends), around.composition(shell.pair)
        composition = _hiding(composition, edge.rdf.hidden(shell.pair, *limits) / max(together.coordination, 1e-9))
        found[name] = Order(shell.pair, *limits, total, composition, _order(around, edge, others, shell, tied))
    return found


def _hiding(share: Estimate, hidden: float) -> Estimate:
    """A share of which so much is not seen."""
    if not hidden:
        return share
    value, std, low, high = np.array([share.value, share.std, share.low, share.high])
    std, low, high = map(float, unseen(value, std, low, high, hidden))
    return Estimate(share.value, std, low, min(high, 1.0))


def _order(
    around: Neighbours, edge: Prediction, others: Sequence[Prediction], shell: Shell, tied: bool
) -> Estimate | None:
    """α of the pair of a range, where the composition is known."""
    if shell.pair.partition("-")[2] in edge.composition:
        return around.order(shell.pair, edge.composition)
    if not others or len(_elements([*edge.rdf.pairs, *others[0].rdf.pairs])) != 2:
        return None
    both = around.beside(Neighbours.of(others[0].rdf, shell.r_min, shell.r_max), tied=tied)
    return both.order(shell.pair)


class MetalShare:
    """Finds which share of the absorbers is in a metal, by the answers of a model that knows its compounds besides.

    What is asked of an RDF is linear in it: that it gives 1 for the metals that the model learned from, and 0 for the
    compounds; or the other way round. Of a mixture both are the shares, and their ratio knows no amplitude.

    Parameters
    ----------
    r
        (b,) bin centres [Å].
    density
        (n, c) RDFs of known phases [Å⁻¹], of all pairs.
    is_metal
        (n,) which of them are metals: there are some of either kind.
    """

    def __init__(self, r: Array, density: Array, is_metal: np.ndarray) -> None:
        factors = (1 - _STRETCHED, 1.0, 1 + _STRETCHED)
        rows = np.concatenate([_stretched(r, density, factor) for factor in factors])
        metal = np.tile(is_metal, len(factors))
        weight = 0.5 / np.where(metal, metal.sum(), (~metal).sum())  # either kind counts as much
        errors = (_BIN_ERRS * weight @ rows + _BIN_LEAST) ** 2
        by_row = (rows * weight[:, None]).T
        self._functionals: Array = np.linalg.solve(
            by_row @ rows + np.diag(errors), by_row @ np.stack([metal, ~metal], 1)
        )
        """(c, 2) for the metal, and for all else."""

    @staticmethod
    @lru_cache(maxsize=8)
    def of_model(model: Model) -> MetalShare | None:
        """That of a model; None where it does not know a metal beside compounds."""
        density, phases = model.states
        is_metal = np.isin(phases, PHASES)
        return MetalShare(model.r, density, is_metal) if 0 < is_metal.sum() < len(phases) else None

    def of(self, rdf: PartialRDF) -> Estimate:
        """The share in the metal, by the RDFs of one sample."""
        samples = np.empty((0, rdf.density.size)) if rdf.samples is None else rdf.samples.reshape(len(rdf.samples), -1)
        others = tuple(
            (self.parts(item.density.ravel()), likely(item.delta_chi2)) for item in rdf.exchanges if not item.of_shell
        )
        parts = Neighbours(("metal", "else"), self.parts(rdf.density.ravel()), self.parts(samples), others)
        return _hiding(parts.estimate(lambda part: part["metal"] / (part["metal"] + part["else"])), UNSEEN)

    def parts(self, rows: NDArray[np.floating]) -> Array:
        """(…, 2) how much of RDFs (…, c) is of the metal, and of all else; the ratio is the share."""
        return np.maximum(rows @ self._functionals, 0.0)


def _stretched(r: Array, density: Array, factor: float) -> Array:
    """RDFs (n, c) with all distances multiplied."""
    single = density.reshape(-1, len(r))
    found = [np.interp(r / factor, r, row, left=0.0, right=row[-1]) / factor for row in single]
    return np.array(found).reshape(density.shape)


def ordered(edges: Sequence[Prediction], models: Sequence[Model], *, tied: bool = False) -> list[Prediction]:
    """The answers to one sample at one edge or two, by one model each, with all that follows from their pairs."""
    found = []
    wide = [_wide(edge) for edge in edges]
    for edge, own, model, orders in zip(edges, wide, models, orders_of(wide, tied=tied), strict=True):
        metal = MetalShare.of_model(model) if orders else None
        found.append(replace(edge, orders=orders, metal=metal.of(own.rdf) if metal else None))
    return found


def _wide(edge: Prediction) -> Prediction:
    """The same with samples in single precision: numpy takes longer to make it of half than all the rest takes."""
    samples = edge.rdf.samples
    if samples is None or len(edge.rdf.pairs) < 2:
        return edge
    return replace(edge, rdf=replace(edge.rdf, samples=samples.astype(np.float32)))
