"""Records → cards for notebooks: HTML with one small picture, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exafsnn.records import ChiK, PartialRDF, Prediction, Shell, Spectrum
from exafsnn.words import plus_minus, short_name, shortened
from exafsnn.write.markup import template
from exafsnn.write.pictures import Picture, picture_of_chi, picture_of_rdf
from exafsnn.write.vector import INK, thinned

_INK = "#1a1a1a"
_STATUS = {"ok": "#00694c", "warned": "#8a4b00", "foreign": "#b3261e"}
_POINTS, _MOST = 300, 6
"""Points of a curve; warnings in a card."""


def card(record: Spectrum | ChiK | PartialRDF | Prediction) -> str:
    """The card of a record."""
    if isinstance(record, Spectrum):
        return _card_of_spectrum(record)
    if isinstance(record, ChiK):
        return _card_of_chi(record)
    return _card_of_rdf(record) if isinstance(record, PartialRDF) else _card_of_prediction(record)


def _card_of_spectrum(spectrum: Spectrum) -> str:
    thin = thinned(len(spectrum.energy), _POINTS)
    mu = spectrum.mu[thin] - spectrum.mu.min()
    picture = Picture.of(spectrum.energy[thin], [mu], "μ(E)", "eV")
    picture.line(mu, INK)
    facts = [f"{spectrum.absorber} {spectrum.edge}", f"{len(spectrum.energy)} points", spectrum.mode]
    warned = [item.sentence for item in spectrum.findings if item.severity == "warning"]
    return _rendered(_named(spectrum), "", facts, picture, findings=warned)


def _card_of_chi(chi: ChiK) -> str:
    zero = f"E₀ {chi.e0:.1f} eV" if np.isfinite(chi.e0) else ""
    noise = f"ε_k {chi.noise:.1e}" if np.isfinite(chi.noise) else ""
    facts = [f"{chi.absorber} {chi.edge}", zero, noise]
    warned = [item.sentence for item in chi.findings if item.severity == "warning"]
    return _rendered(_named(chi), "", facts, picture_of_chi(chi), findings=warned)


def _card_of_rdf(rdf: PartialRDF) -> str:
    return _rendered("n(r)", "", [", ".join(rdf.pairs)], picture_of_rdf(rdf))


def _card_of_prediction(prediction: Prediction) -> str:
    chi, warned = prediction.chi, list(prediction.warnings)
    status = "foreign" if not prediction.in_domain else "warned" if warned else "ok"
    facts = [
        f"{chi.absorber} {chi.edge}", f"by {prediction.model}",
        f"{prediction.verdict} (R-factor {prediction.misfit:.3f})",
    ]  # fmt: skip
    picture, rows = picture_of_rdf(prediction.rdf), []
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


def _named(record: Spectrum | ChiK) -> str:
    return short_name(record.source, record.record) or "without a name"


def _rendered(
    title: str, status: str, facts: Sequence[str], picture: Picture, headings: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (), findings: Sequence[str] = (),
) -> str:  # fmt: skip
    """The HTML; all text is escaped."""
    more = [f"… and {len(findings) - _MOST} more: see .findings"] if len(findings) > _MOST else []
    return template("card.html").render(
        title=title, status=status, colour=_STATUS.get(status, _INK), facts=[fact for fact in facts if fact],
        picture=picture, headings=headings, rows=rows,
        findings=[*(shortened(item, 300) for item in findings[:_MOST]), *more],
    )  # fmt: skip
