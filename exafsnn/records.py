"""The records that flow through exafsnn, named by what they hold.

``Spectrum`` (a scan) → ``ChiK`` (its fine structure) → ``Prediction`` (what the network and the data say), which
holds a ``PartialRDF`` and its ``Shell`` integrals. All are frozen; arrays are float64 numpy arrays, never changed
in place. The methods are doors for interactive use: each imports the room that does the work when it is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exafsnn.errors import Finding
from exafsnn.shells import Errors, as_wide, counted, is_shell, likely, moments, reaching, spreads, unseen
from exafsnn.words import plus_minus, short_name

Array = NDArray[np.float64]


class _Shown:
    """What a notebook asks of a record."""

    def _repr_html_(self: Any) -> str:
        """A card."""
        from exafsnn.write.cards import card

        return card(self)

    def to_frame(self: Any) -> Any:
        """A table of pandas: a row for each energy, k, or pair and r; of a prediction for each range.

        ``attrs`` has the units.
        """
        from exafsnn.write.frames import frame

        return frame(self)

    def to_xarray(self: Any) -> Any:
        """A data set of xarray with named axes and units."""
        from exafsnn.write.frames import dataset

        return dataset(self)


class _Scan(_Shown):
    """What else of a scan, or of its χ(k)."""

    def to_larch(self: Any) -> Any:
        """A group of larch, for its functions (``exafsnn.from_larch`` is the way back)."""
        from exafsnn.write.larch_groups import group_of

        return group_of(self)


@dataclass(frozen=True)
class Spectrum(_Scan):
    """A scan: absorption against energy."""

    energy: Array
    """(n,) photon energy [eV], strictly increasing."""
    mu: Array
    """(n,) absorption μ(E), arbitrary scale."""
    absorber: str
    """Chemical symbol of the absorbing element."""
    edge: str
    """``"K"``, ``"L3"``, …"""
    source: str = ""
    """The file, as its user named it."""
    record: str = ""
    """The record within a multi-record file, else empty."""
    temperature: float | None = None
    """Sample temperature [K], where the header tells it."""
    mode: str = ""
    """``"transmission"``: μ = ln(I₀/I); ``"fluorescence"``; ``"electron yield"``; empty where nothing tells it."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Header fields, as text."""
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        """One line."""
        span = f"{self.energy[0]:.0f}–{self.energy[-1]:.0f} eV" if len(self.energy) else "empty"
        of = short_name(self.source, self.record)
        return f"<Spectrum {of or 'without a name'}: {self.absorber} {self.edge}, {len(self.energy)} points, {span}>"

    def to_chi(self, settings: Any = None) -> ChiK:
        """Remove the background with ``BackgroundSettings`` (the defaults of the shipped models where None)."""
        from exafsnn.measure.scans import remove_background

        return remove_background(self, settings)

    def plot(self, axes: Any = None) -> Any:
        """Draw μ(E) into axes of matplotlib, or into new ones, which are returned."""
        from exafsnn.write.panels import plot_spectrum

        return plot_spectrum(self, axes)


@dataclass(frozen=True)
class ChiK(_Scan):
    """EXAFS fine structure χ(k) of one scan."""

    k: Array
    """(m,) photoelectron wavenumber [Å⁻¹], uniform, from 0."""
    chi: Array
    """(m,) χ(k), dimensionless, unweighted."""
    absorber: str
    edge: str
    noise: float
    """ε_k: standard deviation of the noise of χ(k), dimensionless; NaN of a χ(k) file as it was read."""
    e0: float
    """E₀ that the background removal used [eV]; NaN for a χ(k) file that does not tell."""
    edge_step: float
    """Edge step of μ(E); NaN for a χ(k) file."""
    k_max_usable: float
    """Largest k [Å⁻¹] at which the data are worth using; NaN of a χ(k) file as it was read."""
    source: str = ""
    record: str = ""
    temperature: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Every parameter of the preprocessing."""
    history: tuple[str, ...] = ()
    """What was done to the data, in order, in words."""
    findings: tuple[Finding, ...] = ()
    spectrum: Spectrum | None = None
    """The scan behind it, for the figures; None for a χ(k) file."""
    background: Array | None = None
    """(n,) μ₀(E) on the scan's energies; None for a χ(k) file."""

    @property
    def k_end(self) -> float:
        """The last k that is worth looking at [Å⁻¹]: all of a file's, as long as nobody has judged it."""
        return self.k_max_usable if self.k_max_usable > 0 else float(self.k[-1])

    def __repr__(self) -> str:
        """One line."""
        of = short_name(self.source, self.record) or "without a name"
        known = [f"ε_k {self.noise:.1e}"] * bool(np.isfinite(self.noise)) + [f"E₀ {self.e0:.1f} eV"] * bool(self.e0 > 0)
        usable = f"k to {self.k_end:.1f} Å⁻¹"
        return f"<ChiK {of}: {', '.join([f'{self.absorber} {self.edge}', usable, *known])}>"

    def to_chi(self) -> ChiK:
        """χ(k) of a file with its noise and its usable range; what knows them already is itself."""
        from exafsnn.measure.noise import judged

        return judged(self)

    def to_r(
        self, kweight: int = 2, kmin: float | None = None, kmax: float | None = None,
        dk: float | None = None, window: str = "hanning", phase: Array | None = None,
    ) -> Any:  # fmt: skip
        """χ(R), by any k weight and window (``measure.transforms.to_r``)."""
        from exafsnn.measure.transforms import to_r

        return to_r(self, kweight, kmin, kmax, dk, window, phase)

    def wavelet(self, kweight: int = 2, r_max: float = 6.0) -> Any:
        """The Cauchy wavelet map: where in k which distance scatters (``measure.transforms.wavelet``)."""
        from exafsnn.measure.transforms import wavelet

        return wavelet(self, kweight, r_max)

    def plot(self, axes: Any = None, space: str = "k") -> Any:
        """Draw k²χ(k), or ``|χ(R)|`` with ``space="R"``, into axes of matplotlib or new ones, which are returned.

        Raises
        ------
        ValueError
            If the space is none of both.
        """
        from exafsnn.write.panels import plot_chi

        return plot_chi(self, axes, space)


@dataclass(frozen=True)
class Pattern:
    """A powder diffraction pattern."""

    x: Array
    """(n,) scattering angle 2θ [°] or momentum transfer q [Å⁻¹], strictly increasing."""
    intensity: Array
    """(n,) counts, or what is proportional to them."""
    axis: str = "2θ"
    """``"2θ"`` or ``"q"``."""
    source: str = ""
    record: str = ""
    temperature: float | None = None

    def __repr__(self) -> str:
        """One line."""
        span = f"{self.axis} {self.x[0]:g}–{self.x[-1]:g}" if len(self.x) else "empty"
        return f"<Pattern {short_name(self.source, self.record) or 'without a name'}: {len(self.x)} points, {span}>"


@dataclass(frozen=True)
class Shell:
    """Integrals of one partial RDF over a range of r: one standard deviation, and both ends of the 95 % interval."""

    pair: str
    r_min: float
    r_max: float
    coordination: float
    """N = ∫ n dr, number of atoms."""
    coordination_std: float
    coordination_low: float
    coordination_high: float
    distance: float
    """R = ∫ r n dr / N [Å]."""
    distance_std: float
    distance_low: float
    distance_high: float
    sigma2: float
    """σ² = ∫ (r − R)² n dr / N [Å²], the smoothing of the RDF subtracted."""
    sigma2_std: float
    sigma2_low: float
    sigma2_high: float
    c3: float
    """C₃ = ∫ (r − R)³ n dr / N [Å³]."""
    c3_std: float

    def __repr__(self) -> str:
        """One line."""
        return f"<Shell {self.pair} {self.r_min:.2f}–{self.r_max:.2f} Å: {self.numbers}>"

    @property
    def numbers(self) -> str:
        """N, R and σ² with their standard deviations, as text."""
        n = f"N {plus_minus(self.coordination, self.coordination_std)}"
        distance = f"R {plus_minus(self.distance, self.distance_std, 'Å')}"
        return f"{n}, {distance}, σ² {plus_minus(self.sigma2, self.sigma2_std, 'Å²')}"


@dataclass(frozen=True)
class Exchange:
    """What the data say if the atoms of one pair in a range of r are of the other element, and all else is refitted."""

    pair: str
    """Whose atoms they were."""
    r_min: float
    r_max: float
    delta_chi2: float
    """Δχ²: by how much that misfits more, in units of what nothing explains."""
    density: Array
    """(p, b) the RDFs [Å⁻¹] that do so least: that pair has no atoms there."""
    of_shell: bool = False
    """Whether it is that of a shell that n(r) shows, beside the model's ranges."""

    def __repr__(self) -> str:
        """One line."""
        return f"<Exchange {self.pair} {self.r_min:.2f}–{self.r_max:.2f} Å: Δχ² {self.delta_chi2:+.1f}>"

    @property
    def probability(self) -> float:
        """That of the other element, if both were as likely before the data."""
        return float(likely(self.delta_chi2))

    @property
    def is_open(self) -> bool:
        """Whether the data do not tell the element."""
        return bool(counted(likely(self.delta_chi2)) > 0)


@dataclass(frozen=True)
class PartialRDF(_Shown):
    """Partial radial distribution functions around one absorber."""

    r: Array
    """(b,) bin centres [Å], uniform."""
    pairs: tuple[str, ...]
    """(p) names, absorber first: ``"Fe-Fe"``."""
    density: Array
    """(p, b) n_AB(r) [Å⁻¹], mean number of B atoms per Å around an A atom; never negative."""
    spread: Array
    """(p, b) one standard deviation of the density [Å⁻¹]."""
    samples: NDArray[np.floating] | None = None
    """(s, p, b) equally likely RDFs that carry the spread and its correlations, in half precision."""
    smoothing: float = 0.0
    """Standard deviation [Å] of the Gaussian with which the RDF is smoothed by construction."""
    told: tuple[Shell, ...] = ()
    """Ranges whose errors cover; those of any other are as much wider than its samples' spread as those of the first
    of its pair. Without one they are no wider."""
    shells: tuple[Shell, ...] = ()
    """The shells that n(r) shows, of all pairs, cut at its minima; their errors cover, too."""
    uncounted: tuple[Shell, ...] = ()
    """Ranges of pairs whose N nothing tells, with what it may be; of their other ranges no errors are known."""
    unseen: tuple[tuple[str, float, float, float], ...] = ()
    """Pairs and ranges [Å] of a metal's and its oxide's atoms, and how many of them no scan shows for sure; not in the
    errors of ``told`` and ``shells``. Of a pair of the oxide alone it is the same in any range."""
    least: float = 0.0
    """Relative standard deviation of N at least: that of an amplitude nobody measured."""
    apart: float = 0.0
    """Standard deviation of R at least [Å]: by so much foils and beamlines differ, or theory."""
    exchanges: tuple[Exchange, ...] = ()
    """Shells that were given to the other element. What N would be then is in the errors, where the data do not tell;
    not in those of ``told`` and ``shells``."""
    foreign: str = ""
    """Why its spectrum is none that the model can know, else empty: ``shell`` and ``total`` warn of it once."""

    def __repr__(self) -> str:
        """One line."""
        return f"<PartialRDF {', '.join(self.pairs)}: {len(self.r)} bins, {self.r[0]:.2f}–{self.r[-1]:.2f} Å>"

    def shell(self, pair: str, r_min: float, r_max: float) -> Shell:
        """Coordination, distance, σ² and C₃ of the atoms of ``pair`` between ``r_min`` and ``r_max`` [Å].

        The variance of the smoothing is subtracted. Errors are those of the same integrals over the samples, so that
        all correlations between bins count, and widened as those of ``told`` are; NaN where no samples were kept, and
        in other ranges than ``uncounted`` of what cannot be counted.

        Raises
        ------
        ValueError
            If there is no such pair, or the range is empty or outside the RDF.
        """
        self._warn()
        return self.within(pair, r_min, r_max)

    def within(self, pair: str, r_min: float, r_max: float) -> Shell:
        """``shell`` without a word where the spectrum is foreign: for who tells that otherwise."""
        if pair not in self.pairs:
            raise ValueError(f"no pair {pair!r} in this RDF; it has {', '.join(self.pairs)}")
        self._check(r_min, r_max)
        row = self.pairs.index(pair)
        known = (*self.uncounted, *self.told, *self.shells)
        if told := next((item for item in known if (item.pair, item.r_min, item.r_max) == (pair, r_min, r_max)), None):
            return self._doubted(self._hiding(told))
        is_counted = all(item.pair != pair for item in self.uncounted)
        samples = self.samples[:, row] if self.samples is not None and is_counted else None
        found = self._integrals(pair, r_min, r_max, self.density[row], samples, self.errors(pair))
        return self._doubted(self._hiding(found))

    def total(self, r_min: float, r_max: float) -> Shell:
        """The same of all pairs that can be counted together; what they share cancels.

        The errors are those of the pair that is least sure.

        Raises
        ------
        ValueError
            If the range is empty or outside the RDF.
        """
        self._warn()
        return self.together(r_min, r_max)

    def together(self, r_min: float, r_max: float) -> Shell:
        """``total``, as ``within`` is ``shell``."""
        pairs = self.counted
        if len(pairs) == 1:
            return self.within(pairs[0], r_min, r_max)
        self._check(r_min, r_max)
        rows = [self.pairs.index(pair) for pair in pairs]
        samples = None if self.samples is None else self.samples[:, rows].sum(axis=1, dtype=np.float32)
        known = Errors.widest(errors for errors in map(self.errors, pairs) if errors)
        name = "+".join(pairs)
        return self._doubted(self._integrals(name, r_min, r_max, self.density[rows].sum(axis=0), samples, known))

    @property
    def counted(self) -> tuple[str, ...]:
        """The pairs whose N a spectrum tells: what hardly scatters (``uncounted``) is none."""
        left_out = {item.pair for item in self.uncounted}
        return tuple(pair for pair in self.pairs if pair not in left_out)

    def plot(self, axes: Any = None) -> Any:
        """Draw n(r) of all pairs with their errors into axes of matplotlib, or into new ones, which are returned."""
        from exafsnn.write.panels import plot_rdf

        return plot_rdf(self, axes)

    def errors(self, pair: str) -> Errors | None:
        """How wide errors that cover are, in units of the spread of samples; None where nothing tells it of a pair."""
        return self._errors.get(pair)

    @cached_property
    def _errors(self) -> dict[str, Errors]:
        """Those of each pair, by the range with most atoms."""
        found: dict[str, Errors] = {}
        for told in sorted(self.told, key=lambda each: -each.coordination) if self.samples is not None else ():
            if told.pair not in found and self.samples is not None:
                own = self.samples[:, self.pairs.index(told.pair)]
                raw = spreads(self.r, own, told.r_min, told.r_max)[:3]
                found[told.pair] = Errors.of_shells(told, raw, self.least)
        return found

    def _warn(self) -> None:
        """Tell once that the spectrum is foreign."""
        if self.foreign and "told" not in self._once:
            self._once.add("told")
            warnings.warn(self.foreign, stacklevel=3)

    @cached_property
    def _once(self) -> set[str]:
        return set()

    def _check(self, r_min: float, r_max: float) -> None:
        """Refuse a range that is none of the RDF's."""
        step = float(self.r[1] - self.r[0])
        low, high = float(self.r[0]) - step, float(self.r[-1]) + step
        if not low <= r_min < r_max <= high:
            raise ValueError(f"range {r_min}–{r_max} Å is not within {low:.2f}–{high:.2f} Å")

    def _integrals(
        self, name: str, r_min: float, r_max: float, density: Array, samples: NDArray[np.floating] | None,
        known: Errors | None,
    ) -> Shell:  # fmt: skip
        """Those of one density (b,), with samples (s, b) and errors as wide as the known ones."""
        values = moments(self.r, density, r_min, r_max) - np.array([0, 0, self.smoothing**2, 0])
        raw = np.full(4, np.nan) if samples is None else spreads(self.r, samples, r_min, r_max)
        errors = as_wide(values[:3], raw[:3], known, self.least, self.apart)
        numbers = np.append(np.stack([values[:3], *errors], axis=-1), [values[3], raw[3]])
        return Shell(name, r_min, r_max, *numbers.tolist())

    def hidden(self, pair: str, r_min: float, r_max: float) -> float:
        """How many atoms of a pair in a range of r [Å] no scan shows for sure (``unseen``)."""
        for of, low, high, number in self.unseen:
            if (of, low, high) == (pair, r_min, r_max):
                return number
        return max((number for of, *_, number in self.unseen if of == pair != self.pairs[0]), default=0.0)

    def _hiding(self, shell: Shell) -> Shell:
        """A shell whose N holds what no scan shows."""
        number = self.hidden(shell.pair, shell.r_min, shell.r_max)
        if not number:
            return shell
        numbers = shell.coordination, shell.coordination_std, shell.coordination_low, shell.coordination_high
        n, std, low, high = np.array(numbers)
        std, low, high = map(float, unseen(n, std, low, high, number))
        return replace(shell, coordination_std=std, coordination_low=low, coordination_high=high)

    def exchanges_of(self, r_min: float, r_max: float) -> list[Exchange]:
        """The tests that say something of the atoms in a range of r [Å].

        Where the model tells a range its atoms are tested there, and a shell's, beside it, are not asked again. A shell
        that n(r) shows has its own test besides, and any other range all of them.
        """
        limits, tests = (r_min, r_max), self.exchanges
        named = _limits([*self.told, *self.uncounted]) | _limits(test for test in tests if not test.of_shell)
        shells = _limits(self.shells) - named
        if limits in shells | named:
            return [test for test in tests if not test.of_shell or limits in shells & _limits([test])]
        return list(tests)

    def _doubted(self, shell: Shell) -> Shell:
        """A shell whose N holds what it is if atoms are of another element, where the data do not tell."""
        pairs = shell.pair.split("+")
        rows = [self.pairs.index(pair) for pair in pairs]
        for exchange in self.exchanges_of(shell.r_min, shell.r_max):
            other = moments(self.r, exchange.density[rows].sum(axis=0), shell.r_min, shell.r_max)[0]
            std, low, high = reaching(
                shell.coordination, shell.coordination_std, shell.coordination_low, shell.coordination_high, other,
                likely(exchange.delta_chi2),
            )  # fmt: skip
            shell = replace(
                shell, coordination_std=float(std), coordination_low=float(low), coordination_high=float(high)
            )
        return shell


def _limits(ranges: Iterable[Shell | Exchange]) -> set[tuple[float, float]]:
    return {(item.r_min, item.r_max) for item in ranges}


_OF_NOISE = 1.5
"""Root mean square of what is left, in units of the noise, that is as good as none."""
CRYSTALS = ("bcc", "fcc", "hcp")
"""Phases with one atom per lattice site."""


@dataclass(frozen=True)
class Lattice:
    """The crystal lattice behind an RDF, as far as one explains it; every value with one standard deviation."""

    phase: str
    """That of most atoms, one of ``CRYSTALS``."""
    fractions: Mapping[str, tuple[float, float]]
    """Share of the atoms in each of them; they sum to one."""
    constant: tuple[float, float]
    """Lattice constant a of ``phase`` [Å]."""
    volume: tuple[float, float]
    """Mean volume per atom [Å³]."""
    density: tuple[float, float] | None
    """[g/cm³], every site of the lattice occupied; None where too many are not."""
    unexplained: float
    """Share of the RDF that no known crystal has."""
    shared: float = 0.0
    """Relative standard deviation of ``constant`` that theory causes in all scans of a session alike; it is in the
    errors above, three times that in those of volume and density."""

    def __repr__(self) -> str:
        """One line."""
        shares = ", ".join(f"{phase} {share:.2f}" for phase, (share, _) in self.fractions.items())
        return f"<Lattice {self.phase}: a {plus_minus(*self.constant, 'Å')}; {shares}>"

    @property
    def number_density(self) -> tuple[float, float] | None:
        """Atoms per volume [Å⁻³]; None where the density is."""
        volume, std = self.volume
        return (1 / volume, std / volume**2) if self.density else None


@dataclass(frozen=True)
class Estimate:
    """A number, its standard deviation, and both ends of its 95 % interval."""

    value: float
    std: float
    low: float
    high: float

    def __repr__(self) -> str:
        """One line."""
        return f"<Estimate {plus_minus(self.value, self.std)}, 95 %: {self.low:.4g} to {self.high:.4g}>"


@dataclass(frozen=True)
class Order:
    """How the neighbours of an absorber A in a range of r are shared by elements, seen from one of them, B."""

    pair: str
    """A-B."""
    r_min: float
    r_max: float
    total: Estimate
    """Neighbours of all elements."""
    composition: Estimate
    """x_B(A) = N_AB / Σ N: the share of B among them."""
    order: Estimate | None
    """α = 1 − x_B(A)/c_B of Warren and Cowley; None where the composition of the sample is not known."""

    def __repr__(self) -> str:
        """One line."""
        order = f", α {plus_minus(self.order.value, self.order.std)}" if self.order else ""
        share = plus_minus(self.composition.value, self.composition.std)
        return f"<Order {self.pair} {self.r_min:.2f}–{self.r_max:.2f} Å: share {share} of all{order}>"


@dataclass(frozen=True)
class Prediction(_Shown):
    """What a model says of one χ(k), and how well that explains the data."""

    chi: ChiK
    """The measured χ(k)."""
    rdf: PartialRDF
    shells: Mapping[str, Shell]
    """By name of the range; ``"first"`` is always there, ``"shell1"``, ``"shell2"`` … are those that n(r) shows."""
    delta_e0: float
    """Theory's energy zero minus the E₀ of the background removal [eV]."""
    delta_e0_std: float
    amplitude: float
    """S₀² applied."""
    amplitude_std: float
    chi_model: Array
    """(m,) χ(k) that the RDF implies, on ``chi.k``."""
    misfit: float
    """R-factor Σ|k²(χ − χ_model)|² / Σ|k²χ|² over the model's k window."""
    misfit_noise: float
    """Root mean square of (χ − χ_model)/ε_k over the model's k window."""
    in_domain: bool
    domain_score: float
    model: str
    """Name and checksum of the model."""
    k_window: tuple[float, float] = (3.0, 12.0)
    """k range [Å⁻¹] that was used."""
    findings: tuple[Finding, ...] = ()
    """What was noticed about the answer, and about the standard that it rests on."""
    history: tuple[str, ...] = ()
    composition: Mapping[str, float] = field(default_factory=dict)
    """Share of each element in the sample, where all that the model learned from has the same; else empty."""
    orders: Mapping[str, Order] = field(default_factory=dict)
    """By name of the range; of one pair alone there is none."""
    metal: Estimate | None = None
    """Share of the absorbers that are in a metal, of a model that knows it beside compounds of it."""

    def __repr__(self) -> str:
        """One line."""
        first = self.shells.get("first")
        said = f"{first.pair} {first.numbers}" if first and self.in_domain else "foreign, no numbers"
        of = short_name(self.chi.source, self.chi.record)
        return f"<Prediction {of or 'without a name'} by {self.model.split()[0]}: {said}, R-factor {self.misfit:.3f}>"

    @property
    def ranges(self) -> Mapping[str, Shell]:
        """Those of ``shells`` that every answer of its model has."""
        return {name: shell for name, shell in self.shells.items() if not is_shell(name)}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may change the numbers, of the scan and of the answer, in words."""
        found = [*self.chi.findings, *self.findings]
        return tuple(dict.fromkeys(finding.sentence for finding in found if finding.severity == "warning"))

    @property
    def verdict(self) -> str:
        """How well the answer explains its scan, in words."""
        if not self.in_domain:
            return "foreign: not what the model knows"
        if any(finding.name == "misfit" for finding in self.findings):
            return f"misses {self.misfit:.0%} of the scan"
        if self.misfit_noise < _OF_NOISE:
            return "explains the scan within its noise"
        return f"explains {1 - self.misfit:.0%} of the scan"

    def plot(self, axes: Any = None, space: str = "r") -> Any:
        """Draw n(r) and its shells into axes of matplotlib, or into new ones, which are returned.

        With ``space="k"`` or ``"R"`` what was measured, and what n(r) implies.

        Raises
        ------
        ValueError
            If the space is none of them.
        """
        from exafsnn.write.panels import plot_prediction

        return plot_prediction(self, axes, space)

    def without_samples(self) -> Prediction:
        """The same without what takes most room: the samples of its RDF."""
        return replace(self, rdf=replace(self.rdf, samples=None))
