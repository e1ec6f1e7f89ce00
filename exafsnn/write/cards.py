"""Records → cards for notebooks: HTML with one small picture, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exafsnn.records import Array, ChiK, PartialRDF, Prediction, Shell, Spectrum
from exafsnn.words import plus_minus, short_name, shortened
from exafsnn.write.markup import template
from exafsnn.write.vector import COLOURS

_INK = "#1a1a1a"
_STATUS = {"ok": "#00694c", "warned": "#8a4b00", "foreign": "#b3261e"}
_LEFT, _RIGHT, _TOP, _BOTTOM = 4.0, 296.0, 4.0, 108.0
"""Of the picture's frame, in its own units."""
_POINTS, _MOST = 300, 6
"""Points of a curve; warnings in a card."""


@dataclass
class _Picture:
    """Curves in one frame, as the text of SVG's points."""

    x: Array
    """(n,) from the left edge to the right one."""
    low: float
    high: float
    label: str
    unit: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    bands: list[tuple[str, str]] = field(default_factory=list)
    shaded: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, x: Array, curves: Sequence[Array], label: str, unit: str) -> _Picture:
        """An empty frame that holds curves (n,)."""
        low, high = min(0.0, *(float(y.min()) for y in curves)), max(float(y.max()) for y in curves)
        return cls(x, low, high if high > low else low + 1.0, label, unit)

    @property
    def zero(self) -> str:
        """Height of 0."""
        return f"{self._height(np.zeros(1))[0]:.1f}"

    @property
    def first(self) -> str:
        """What x begins with."""
        return f"{self.x[0]:.4g}"

    @property
    def last(self) -> str:
        """What x ends with, and its unit."""
        return f"{self.x[-1]:.4g} {self.unit}"

    def line(self, y: Array, colour: str) -> None:
        """Add a curve (n,)."""
        self.lines.append((self._points(self.x, y), colour))

    def band(self, low: Array, high: Array, colour: str) -> None:
        """Fill between two curves (n,)."""
        both = np.concatenate([self.x, self.x[::-1]]), np.concatenate([low, high[::-1]])
        self.bands.append((self._points(*both), colour))

    def shade(self, low: float, high: float) -> None:
        """Shade a stretch of x."""
        start, end = self._place(np.clip([low, high], self.x[0], self.x[-1]))
        self.shaded.append((f"{start:.1f}", f"{end - start:.1f}"))

    def _points(self, x: Array, y: Array) -> str:
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(self._place(x), self._height(y), strict=True))

    def _place(self, x: Array) -> Array:
        return _LEFT + (_RIGHT - _LEFT) * (np.asarray(x) - self.x[0]) / (self.x[-1] - self.x[0])

    def _height(self, y: Array) -> Array:
        return _BOTTOM - (_BOTTOM - _TOP) * (np.clip(y, self.low, self.high) - self.low) / (self.high - self.low)


def card(record: Spectrum | ChiK | PartialRDF | Prediction) -> str:
    """The card of a record."""
    if isinstance(record, Spectrum):
        return _card_of_spectrum(record)
    if isinstance(record, ChiK):
        return _card_of_chi(record)
    return _card_of_rdf(record) if isinstance(record, PartialRDF) else _card_of_prediction(record)


def _card_of_spectrum(spectrum: Spectrum) -> str:
    thin = _thinned(len(spectrum.energy))
    mu = spectrum.mu[thin] - spectrum.mu.min()
    picture = _Picture.of(spectrum.energy[thin], [mu], "μ(E)", "eV")
    picture.line(mu, _INK)
    facts = [f"{spectrum.absorber} {spectrum.edge}", f"{len(spectrum.energy)} points", spectrum.mode]
    warned = [item.sentence for item in spectrum.findings if item.severity == "warning"]
    return _rendered(_named(spectrum), "", facts, picture, findings=warned)


def _card_of_chi(chi: ChiK) -> str:
    shown = (chi.k >= min(1.0, 0.5 * chi.k_end)) & (chi.k <= chi.k_end)
    weighted = chi.k[shown] ** 2 * chi.chi[shown]
    picture = _Picture.of(chi.k[shown], [weighted], "k²χ(k)", "Å⁻¹")
    picture.line(weighted, _INK)
    zero = f"E₀ {chi.e0:.1f} eV" if np.isfinite(chi.e0) else ""
    noise = f"ε_k {chi.noise:.1e}" if np.isfinite(chi.noise) else ""
    facts = [f"{chi.absorber} {chi.edge}", zero, noise]
    warned = [item.sentence for item in chi.findings if item.severity == "warning"]
    return _rendered(_named(chi), "", facts, picture, findings=warned)


def _card_of_rdf(rdf: PartialRDF) -> str:
    return _rendered("n(r)", "", [", ".join(rdf.pairs)], _picture_of(rdf))


def _card_of_prediction(prediction: Prediction) -> str:
    chi, warned = prediction.chi, list(prediction.warnings)
    status = "foreign" if not prediction.in_domain else "warned" if warned else "ok"
    facts = [
        f"{chi.absorber} {chi.edge}", f"by {prediction.model}",
        f"{prediction.verdict} (R-factor {prediction.misfit:.3f})",
    ]  # fmt: skip
    picture, rows = _picture_of(prediction.rdf), []
    if prediction.in_domain:
        facts.append(f"S₀² {plus_minus(prediction.amplitude, prediction.amplitude_std)}")
        facts.append(f"ΔE₀ {plus_minus(prediction.delta_e0, prediction.delta_e0_std, 'eV')}")
        for name, shell in prediction.shells.items():
            rows.append(_row(name, shell))
        first = prediction.shells["first"]
        picture.shade(first.r_min, first.r_max)
    else:
        warned.insert(0, "Outside of what the model knows: no number of it is to be believed.")
    headings = ("range", "pair", "N", "R (Å)", "σ² (Å²)")
    return _rendered(_named(chi), status, facts, picture, headings, rows, warned)


def _row(name: str, shell: Shell) -> tuple[str, ...]:
    return (
        name.removesuffix(f" {shell.pair}"), shell.pair, plus_minus(shell.coordination, shell.coordination_std),
        plus_minus(shell.distance, shell.distance_std), plus_minus(shell.sigma2, shell.sigma2_std),
    )  # fmt: skip


def _picture_of(rdf: PartialRDF) -> _Picture:
    """n(r) of all pairs and their standard deviations."""
    picture = _Picture.of(rdf.r, [density + spread for density, spread in zip(rdf.density, rdf.spread, strict=True)],
                          "n(r)", "Å")  # fmt: skip
    for number, (density, spread) in enumerate(zip(rdf.density, rdf.spread, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        picture.band(np.clip(density - spread, 0, None), density + spread, colour)
        picture.line(density, colour)
    return picture


def _thinned(count: int) -> np.ndarray:
    """Numbers of points that a curve is drawn by."""
    return np.unique(np.linspace(0, count - 1, _POINTS).round().astype(int))


def _named(record: Spectrum | ChiK) -> str:
    return short_name(record.source, record.record) or "without a name"


def _rendered(
    title: str, status: str, facts: Sequence[str], picture: _Picture, headings: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (), findings: Sequence[str] = (),
) -> str:  # fmt: skip
    """The HTML; all text is escaped."""
    more = [f"… and {len(findings) - _MOST} more: see .findings"] if len(findings) > _MOST else []
    return template("card.html").render(
        title=title, status=status, colour=_STATUS.get(status, _INK), facts=[fact for fact in facts if fact],
        picture=picture, headings=headings, rows=rows,
        findings=[*(shortened(item, 300) for item in findings[:_MOST]), *more],
    )  # fmt: skip
