"""Features → partial RDF ≥ 0, energy zero, amplitude, and the spread of each bin.

One member of the ensemble: ``infer.ensemble`` asks all members of a model, ``learn.modules`` makes them learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exafsnn.learn.features import KNOWN, amplitude_std
from exafsnn.physics.arrays import Numbers, namespace, silu, softplus, still
from exafsnn.settings import Settings

SPREAD = 24
"""Width of the head that says how sure an RDF is."""


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Size of one member."""

    hidden: int = 344
    layers: int = 3
    recognise: int = 64
    """Width of the head that says how many atoms an RDF of a shape has."""
    counting: float = 0.03
    """Relative standard deviation of counting itself: recognition may correct a count by so much, too."""


@dataclass(frozen=True)
class Output:
    """What one member says of a batch."""

    density: Numbers
    """(n, b) n(r) [Å⁻¹]."""
    apparent: Numbers
    """(n, b) n(r) if the amplitude is the one assumed, and nothing is recognised [Å⁻¹]."""
    log_spread: Numbers
    """(n, b) ln of the standard deviation of n(r) [Å⁻¹]."""
    e0: Numbers
    """(n,) energy zero minus the assumed one [eV]."""
    log_amplitude: Numbers
    """(n,) ln(amplitude / assumed amplitude)."""


@dataclass(frozen=True)
class Network:
    """A multilayer perceptron with residual layers that knows what an amplitude is.

    χ fixes the product of amplitude and RDF. So the network first counts: it says the apparent RDF, S₀²n(r)/(assumed
    S₀²), which scales exactly with the size of the signal. Then it recognises: the shape of the RDF, whatever its size,
    says how many atoms there should be, and how surely; bulk phases fill space. The count is corrected towards that as
    far as the doubts about the assumed amplitude and about counting itself allow. With a reference these are a few per
    cent, and atoms are counted.
    """

    parts: Mapping[str, Numbers]
    """Arrays of one kind, named and shaped as in ``shapes``."""
    settings: NetworkSettings

    def __call__(self, features: Numbers) -> Output:
        """(n, width) features → ``Output``."""
        xp = namespace(features)
        hidden, size = self.hidden(features)
        spread = self._layer("widen", silu(self._layer("spread", still(hidden))))
        prior = amplitude_std(features)[:, None]
        apparent = 4.0 * softplus(self._layer("density", hidden)) * (size / self.parts["size"])
        correction, doubt = self._correction(still(apparent), prior)
        log_amplitude = (correction * (prior / doubt) ** 2)[:, 0]
        return Output(apparent * xp.exp(-correction), apparent, spread, self.zero(hidden), log_amplitude)

    def energy_zero(self, features: Numbers) -> Numbers:
        """(n,) the field ``e0`` of the answer to features (n, width), alone."""
        return self.zero(self.hidden(features)[0])

    def _layer(self, name: str, values: Numbers) -> Numbers:
        return values @ self.parts[f"{name}.weight"].T + self.parts[f"{name}.bias"]

    def hidden(self, features: Numbers) -> tuple[Numbers, Numbers]:
        """(n, hidden) what all that is said is taken from, and the size of the signal (n, 1)."""
        values, size = levelled(features)
        hidden = silu(self._layer("first", (values - self.parts["mean"]) @ self.parts["whiten"]))
        for number in range(self.settings.layers - 1):
            hidden = hidden + silu(self._layer(f"inner.{number}", hidden))
        return hidden, size

    def zero(self, hidden: Numbers) -> Numbers:
        """(n,) the field ``e0`` of what ``hidden`` gave."""
        return 5.0 * self._layer("e0", hidden)[:, 0]

    def _correction(self, apparent: Numbers, prior: Numbers) -> tuple[Numbers, Numbers]:
        """(n, 1) ln(apparent / true count), three standard deviations at most, and what these are.

        The shape says ln(count) and its doubt s; the assumed amplitude says that the correction is 0 ± doubt. The mean
        of both weighs them by their inverse variances.
        """
        xp = namespace(apparent)
        doubt = (prior**2 + self.settings.counting**2) ** 0.5
        count = apparent.mean(axis=1)[:, None].clip(1e-8, None)
        shape = xp.concat([apparent / count - 1, xp.log(prior)], axis=1)
        said = self._layer("recognise.2", silu(self._layer("recognise.0", shape)))
        expected, log_s = said[:, :1], said[:, 1:]
        share = doubt**2 / (doubt**2 + (0.05 * xp.exp(log_s.clip(-4.0, 4.0))) ** 2)
        wanted = share * (xp.log(count) - 2.0 - expected)
        return doubt * 3.0 * xp.tanh(wanted / (3.0 * doubt)), doubt


def shapes(width: int, bins: int, settings: NetworkSettings) -> dict[str, tuple[int, ...]]:
    """Shapes of a network's arrays, for features of a width and RDFs of so many bins, by name."""
    hidden = settings.hidden
    layers = {
        "first": (hidden, width - 1), "density": (bins, hidden), "spread": (SPREAD, hidden), "widen": (bins, SPREAD),
        "e0": (1, hidden), "recognise.0": (settings.recognise, bins + 1), "recognise.2": (2, settings.recognise),
        **{f"inner.{number}": (hidden, hidden) for number in range(settings.layers - 1)},
    }  # fmt: skip
    found: dict[str, tuple[int, ...]] = {"mean": (width - 1,), "whiten": (width - 1, width - 1), "size": (1,)}
    for name, shape in layers.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def levelled(features: Numbers) -> tuple[Numbers, Numbers]:
    """(n, width - 1) features that do not change when the signal is scaled, and the size of the signal (n, 1).

    Spectrum and noise are divided by the size; the prior of the amplitude is left out.
    """
    xp = namespace(features)
    spectrum, known = features[:, :-KNOWN], features[:, -KNOWN:]
    size = (((spectrum**2).mean(axis=1)[:, None]) ** 0.5).clip(1e-8, None)
    kmax, noise, e0_std = known[:, :1], known[:, 1:2], known[:, 3:]
    return xp.concat([spectrum / size, kmax, noise - xp.log10(size), e0_std], axis=1), size
