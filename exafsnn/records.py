"""The records that flow through exafsnn, named by what they hold.

``Spectrum`` (a scan) → ``ChiK`` (its fine structure) → ``Prediction`` (what the network and the data say), which
holds a ``PartialRDF`` and its ``Shell`` integrals. All are frozen; arrays are float64 numpy arrays, never changed
in place. The methods are doors for interactive use: each imports the room that does the work when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """One thing that the reader or the quality gate noticed about a scan."""

    name: str
    """Short kebab-case name, e.g. ``"short-range"``."""
    severity: str
    """``"note"`` (nothing to do), ``"warning"`` (repaired or doubtful) or ``"fatal"`` (the scan is rejected)."""
    message: str
    """What, where and why, in one sentence."""
    energy: float | None = None
    """Where on the energy axis [eV], if anywhere."""
    remedy: str = ""
    """What to do about it."""

    @property
    def sentence(self) -> str:
        """Message and remedy in one line."""
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True)
class Spectrum:
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
    """``"transmission"``: μ = ln(I₀/I); ``"fluorescence"``; empty where the file gives μ ready-made."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Header fields, as text."""
    findings: tuple[Finding, ...] = ()

    def to_chi(self, settings: Any = None) -> ChiK:
        """Remove the background with ``BackgroundSettings`` (the defaults of the shipped models where None)."""
        from exafsnn.measure.background import remove_background

        return remove_background(self, settings)


@dataclass(frozen=True)
class ChiK:
    """EXAFS fine structure χ(k) of one scan."""

    k: Array
    """(m,) photoelectron wavenumber [Å⁻¹], uniform, from 0."""
    chi: Array
    """(m,) χ(k), dimensionless, unweighted."""
    absorber: str
    edge: str
    noise: float
    """ε_k: standard deviation of the noise of χ(k), dimensionless."""
    e0: float
    """E₀ that the background removal used [eV]; NaN for a χ(k) file that does not tell."""
    edge_step: float
    """Edge step of μ(E); NaN for a χ(k) file."""
    k_max_usable: float
    """Largest k [Å⁻¹] at which the data are worth using."""
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

    def to_chi(self) -> ChiK:
        """Itself, so that a χ(k) file is used like a scan."""
        return self


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


@dataclass(frozen=True)
class PartialRDF:
    """Partial radial distribution functions around one absorber."""

    r: Array
    """(b,) bin centres [Å], uniform."""
    pairs: tuple[str, ...]
    """(p) names, absorber first: ``"Fe-Fe"``."""
    density: Array
    """(p, b) n_AB(r) [Å⁻¹], mean number of B atoms per Å around an A atom; never negative."""
    spread: Array
    """(p, b) one standard deviation of the density [Å⁻¹]."""
    samples: Array | None = None
    """(s, p, b) equally likely RDFs that carry the spread and its correlations."""
    smoothing: float = 0.0
    """Standard deviation [Å] of the Gaussian with which the RDF is smoothed by construction."""

    def shell(self, pair: str, r_min: float, r_max: float) -> Shell:
        """Coordination, distance, σ² and C₃ of the atoms of ``pair`` between ``r_min`` and ``r_max`` [Å]."""
        from exafsnn.analyse.shells import shell_of

        return shell_of(self, pair, r_min, r_max)


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

    @property
    def number_density(self) -> tuple[float, float] | None:
        """Atoms per volume [Å⁻³]; None where the density is."""
        volume, std = self.volume
        return (1 / volume, std / volume**2) if self.density else None


@dataclass(frozen=True)
class Prediction:
    """What a model says of one χ(k), and how well that explains the data."""

    chi: ChiK
    """The measured χ(k)."""
    rdf: PartialRDF
    shells: Mapping[str, Shell]
    """By name of the range; ``"first"`` is always there."""
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
    warnings: tuple[str, ...] = ()
    history: tuple[str, ...] = ()

    def without_samples(self) -> Prediction:
        """The same without what takes most room: the samples of its RDF."""
        return replace(self, rdf=replace(self.rdf, samples=None))
