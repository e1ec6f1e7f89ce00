"""A model card: what a model was trained on, how good it is on what it never saw, and where it cannot be trusted.

``exafsnn make`` writes it beside the model. Every figure is of simulated sessions of states that no network saw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from exafsnn.learn.intervals import KINDS_OF_ANSWERS, LEVELS
from exafsnn.partials import Partials
from exafsnn.simulate.solids import SPRINGS
from exafsnn.validate.calibration import Answer
from exafsnn.validate.coverage import cross_fitted

SHOWN = (0.68, 0.95)
_MOTION = {
    "families": "molecular dynamics of look-alikes,\nscaled to this metal's bond and motion,",
    "solids": "harmonic vibrations of crystals, {by},",
    "frames": "trajectories that its maker gave,",
    "bimetals": "harmonic vibrations of alloys and particles, held by springs,",
}
"""Where the structures of each kind of states (``plan.KINDS``) come from."""
QUANTITIES = {"coordination": ("N", "{:.2f}"), "distance": ("R [Å]", "{:.4f}"), "sigma2": ("σ² [Å²]", "{:.4f}")}
_TEXT = """# {name}

The {edge} edge of {absorber} among {neighbours} atoms. All of it is simulated: {motion} and FEFF.

- **Trained on** {states}: {families}; FEFF8.5L, treatments {treatments}; {members} networks.
- **Valid for** n(r) from {r_min:.2f} to {r_max:.2f} Å and k max from {k_low:g} to {k_high:g} Å⁻¹.
  {ranges}. Without a reference S₀² is taken as {amplitude:g} ± {amplitude_std:.0%}.
- **Cannot tell** {neighbours} from its neighbours in the periodic table, nor, without a reference, a small particle
  from the bulk, nor with one a crystal that lacks less than a tenth of its atoms.
- **Known failures**: {failures}

Accuracy and coverage on simulated sessions of {told} trajectories that no network saw ({phases}): random energy zero,
amplitude, noise, k max, background and smooth error of the theory. Each tenth of the trajectories is judged by
intervals that the others set. Only in sessions with a reference are samples mixtures, or lack up to 30 % of their
atoms, so that these errors are larger: they are of other samples.

| answer | quantity | rms error | coverage of 68 %, 95 % |
|---|---|---|---|
{rows}
"""


_FAILURES = {
    "V": "of the measured foil N comes out 16 % low (predicted: 21 %), R 0.035 Å (0.018) short, outside the intervals.",
    "Pt": "of measured foils R comes out 0.008 to 0.010 Å short.",
    "Au": "of the measured foil R comes out 0.013 Å short.",
}
_NO_FAILURE = "none known, nor looked for beyond the foils of `benchmarks/README.md`."
"""What foils showed (``benchmarks/foils.py``), beyond the accuracy below."""


def card(name: str, info: Mapping[str, Any], answers: Sequence[Answer]) -> str:
    """The text of a card, in Markdown.

    Parameters
    ----------
    name
        Of the model.
    info
        The JSON beside its tensors.
    answers
        To sessions of states that it never saw (``calibration.tried``).
    """
    plan, pairs, phases = info["library"]["plan"], info["pairs"], {item.trajectory: item.phase for item in answers}
    families = [of for kind in _MOTION for of in plan.get(kind, ())]
    return _TEXT.format(
        name=name, edge=info["edge"], absorber=info["absorber"], neighbours=", ".join(info["neighbours"]),
        states=_states(info["library"]["states"], [of["count"] for of in families]), members=info["members"],
        families=", ".join(f"{of['name']} ({of['count']})" for of in families),
        motion=" and ".join(motion.format(by=_held_by(plan)) for kind, motion in _MOTION.items() if plan.get(kind)),
        treatments=", ".join(treatment["name"] for treatment in plan["treatments"]),
        r_min=pairs["r_min"], r_max=pairs["r_max"], k_low=pairs["kmax"][0], k_high=pairs["kmax"][1],
        ranges=_ranges(info),
        amplitude=pairs["amplitude"], amplitude_std=pairs["amplitude_std"], told=len(phases),
        phases=", ".join(f"{count} {phase}" for phase, count in Counter(phases.values()).most_common()),
        failures=_FAILURES.get(info["absorber"], _NO_FAILURE),
        rows="\n".join(row for kind in KINDS_OF_ANSWERS for row in _rows([a for a in answers if a.kind == kind])),
    )  # fmt: skip


def _states(there: int, planned: Sequence[int]) -> str:
    """How many states there are, and how many were planned where that is more."""
    if there == sum(planned):
        return f"{there} states"
    return (
        f"{there} states of {sum(planned)} planned (the others were discarded: their simulation failed, or did not give"
        " what it was to give); planned"
    )


def _held_by(plan: Mapping[str, Any]) -> str:
    """What holds the crystals of a plan together, in words."""
    springs = [list(solid["weights"]) == [SPRINGS] for solid in plan.get("solids", ())]
    return "held by springs" if all(springs) else "by a force field" + (" or held by springs" if any(springs) else "")


def _ranges(info: Mapping[str, Any]) -> str:
    """The ranges, and of which pair each is, in words."""
    partials = Partials(np.empty(0), tuple(f"{info['absorber']}-{other}" for other in info["neighbours"]))
    ranges = {name: partials.range(name, tuple(limits)) for name, limits in info["ranges"].items()}
    found = [f"`{name}` ({of.pair}) {of.r_min:g}–{of.r_max:g} Å" for name, of in ranges.items()]
    return f"Range{'s' if len(found) > 1 else ''}: {', '.join(found)}"


def _rows(answers: Sequence[Answer]) -> Iterator[str]:
    """Lines of the table of one kind of answers; none if there are none."""
    if not answers:
        return
    judged = cross_fitted(answers)
    for quantity in judged:
        name, _, pair = quantity.partition(" ")
        if name not in QUANTITIES:
            continue
        title, form = QUANTITIES[name]
        title += f" of {pair}" if pair else ""
        error = form.format(float(np.sqrt(np.mean(judged[quantity].truth ** 2))))
        inside = (judged[quantity].inside(LEVELS.index(level)).mean() for level in SHOWN)
        yield f"| {answers[0].kind} | {title} | {error} | {', '.join(f'{share:.0%}' for share in inside)} |"
