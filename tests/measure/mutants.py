"""Faults that beamlines put into scans, each a function of its strength, and what the quality gate is to call it.

A fault changes a good scan whose edge rises by ``rise`` at 7112 eV. The weakest strength of a fault that has degrees
moves the coordination number, the amplitude being known, by about 5 % (see ``test_mutants.py``). Bells of six points
and more have no such strength: the weakest that are named move it by far more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from exafsnn.constants import K2_PER_EV
from exafsnn.records import Spectrum

Change = Callable[[np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]
EDGE = 7112.0


@dataclass(frozen=True)
class Fault:
    """One kind of damage."""

    name: str
    finding: str
    """What the gate calls it."""
    change: Callable[[float], Change]
    """Strength → change of energy and μ (in edge steps)."""
    strengths: tuple[float, float, float]
    repaired: bool = False
    """The gate makes a usable scan of it."""
    graded: bool = True
    """It has degrees, the weakest of which moves N by about 5 %."""
    mode: str = ""

    def damaged(self, scan: Spectrum, rise: float, strength: float) -> Spectrum:
        """The scan with the fault."""
        energy, mu = self.change(strength)(scan.energy.copy(), scan.mu / rise, rise)
        return replace(scan, energy=energy, mu=mu * rise, mode=self.mode)


def energy_at(k: float) -> float:
    return EDGE + 8.0 + k**2 / K2_PER_EV


def added(shape: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[float], Change]:
    """A fault that adds a shape of the energies and the strength to μ."""
    return lambda strength: lambda energy, mu, rise: (energy, mu + shape(energy, strength))


def bump(k: float, points: int, form: Callable[[np.ndarray], np.ndarray]) -> Callable[[float], Change]:
    """Some points from k on that are off by ``form`` of their phase, 0 to 1."""

    def shape(energy: np.ndarray, strength: float) -> np.ndarray:
        off = np.zeros(len(energy))
        first = int(np.argmin(np.abs(energy - energy_at(k))))
        off[first : first + points] = strength * form(np.arange(1, points + 1) / (points + 1))
        return off

    return added(shape)


def burst(at: float, points: int, form: Callable[[np.ndarray], np.ndarray]) -> Callable[[float], Change]:
    """Some points from an energy [eV from the edge] on that are off by ``form`` of their phase."""

    def shape(energy: np.ndarray, strength: float) -> np.ndarray:
        off = np.zeros(len(energy))
        first = int(np.argmin(np.abs(energy - EDGE - at)))
        off[first : first + points] = strength * form(np.arange(1, points + 1) / (points + 1))
        return off

    return added(shape)


def wobble(period: int) -> Callable[[float], Change]:
    """The beam moves as the scan goes on, so many points to and fro."""
    return added(lambda energy, strength: strength * np.sin(2 * np.pi * np.arange(len(energy)) / period))


def ripple(period: float) -> Callable[[float], Change]:
    """A window or crystal lets more and less through, with a period [eV]."""
    return added(lambda energy, strength: strength * np.sin(2 * np.pi * (energy - EDGE) / period))


def unseen_edge(width: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        kept = (energy < EDGE - 5.0) | (energy > EDGE - 5.0 + width)
        return energy[kept], mu[kept]

    return change


def step(k: float) -> Callable[[float], Change]:
    return added(lambda energy, strength: strength * (energy > energy_at(k)))


def plateau(low: float, high: float) -> Callable[[float], Change]:
    return added(lambda energy, strength: strength * ((energy > energy_at(low)) & (energy < energy_at(high))))


def pre_edge_spike(below: float) -> Callable[[float], Change]:
    return added(lambda energy, s: s * (np.arange(len(energy)) == np.argmin(np.abs(energy - EDGE + below))))


def pre_edge_step(below: float) -> Callable[[float], Change]:
    return added(lambda energy, strength: strength * (energy < EDGE - below))


def other_edge(at: float) -> Callable[[float], Change]:
    return added(lambda energy, strength: strength * (0.5 + np.arctan((energy - at) / 1.5) / np.pi))


def noise(strength: float) -> Change:
    return added(lambda energy, s: s * np.random.default_rng(1).standard_normal(len(energy)))(strength)


def harmonics(thickness: float) -> Change:
    """Six in a thousand photons pass a sample of that edge step whatever it is."""

    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        through = np.exp(-thickness * (mu - mu[energy < EDGE - 30].max()))
        return energy, -np.log((through + 0.006) / 1.006) / rise

    return change


def over_absorption(strength: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        below = energy < EDGE - 20
        own = mu - np.polynomial.Polynomial.fit(energy[below], mu[below], 1)(energy)
        return energy, own * (1 + strength) / (1 + strength * own)

    return change


def saturation(lost: float) -> Change:
    """The largest values are cut off: so much of the edge step above its end."""

    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        return energy, np.minimum(mu, mu.max() - lost)

    return change


def stuck(width: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        held = (energy >= energy_at(7)) & (energy < energy_at(7 + width))
        return energy, np.where(held, mu[held][0], mu)

    return change


def slip(by: float) -> Change:
    return lambda energy, mu, rise: (energy + by * (energy > energy_at(7)), mu)


def gap(width: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        kept = (energy < energy_at(6)) | (energy > energy_at(6 + width))
        return energy[kept], mu[kept]

    return change


def rounded(to: float) -> Change:
    return lambda energy, mu, rise: (energy, np.round(mu / to) * to)


def stretched_axis(by: float) -> Change:
    return lambda energy, mu, rise: (energy * (1 + by), mu)


def not_a_number(points: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        mu = mu.copy()
        mu[np.linspace(200, 240, int(points)).astype(int)] = np.nan
        return energy, mu

    return change


def inverted(by: float) -> Change:
    return lambda energy, mu, rise: (energy, -by * mu)


def cut_above(k: float) -> Change:
    return lambda energy, mu, rise: (energy[energy < energy_at(k)], mu[energy < energy_at(k)])


def cut_below(left: float) -> Change:
    return lambda energy, mu, rise: (energy[energy > EDGE - left], mu[energy > EDGE - left])


def no_edge(slope: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        return energy, slope * (energy - EDGE) + 1e-4 * np.random.default_rng(0).standard_normal(len(energy))

    return change


def backward(points: float) -> Change:
    def change(energy: np.ndarray, mu: np.ndarray, rise: float) -> tuple[np.ndarray, np.ndarray]:
        energy[250 : 250 + int(points)] = energy[250 : 250 + int(points)][::-1]
        return energy, mu

    return change


def up(phase: np.ndarray) -> np.ndarray:
    return np.ones_like(phase)


def up_and_down(phase: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * phase)


def down(phase: np.ndarray) -> np.ndarray:
    return -np.ones_like(phase)


def bell(phase: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * phase) ** 2


FAULTS = (
    Fault("spike", "glitch", bump(8.0, 1, up), (0.12, 0.24, 0.5), repaired=True),
    Fault("spike at low k", "glitch", bump(5.0, 1, up), (0.04, 0.1, 0.3), repaired=True),
    Fault("dip of three points", "glitch", bump(9.0, 3, lambda phase: -up(phase)), (0.04, 0.1, 0.3), repaired=True),
    Fault("Bragg glitch", "glitch", bump(7.0, 4, up_and_down), (0.02, 0.05, 0.15), repaired=True),
    Fault("long glitch", "wide-glitch", bump(8.0, 8, up), (0.03, 0.06, 0.15)),
    Fault("step", "step", step(8.0), (0.015, 0.03, 0.1)),
    Fault("step at low k", "step", step(4.0), (0.03, 0.06, 0.2)),
    Fault("shifted stretch", "step", plateau(7.0, 9.0), (0.012, 0.03, 0.1)),
    Fault("pre-edge spike", "glitch", pre_edge_spike(60.0), (0.2, 0.5, 2.0), repaired=True),
    Fault("pre-edge step", "pre-edge-step", pre_edge_step(80.0), (0.12, 0.25, 0.5), repaired=True),
    Fault("pre-edge spike of three points", "glitch", burst(-110, 3, up), (0.4, 1.0, 3.0), repaired=True),
    Fault("pre-edge dip of four points", "glitch", burst(-100, 4, down), (0.1, 0.3, 1.0), repaired=True),
    Fault("pre-edge bell of five points", "glitch", burst(-130, 5, bell), (0.5, 1.0, 2.0), repaired=True),
    Fault("bell of five points", "wide-glitch", bump(8.0, 5, bell), (0.06, 0.12, 0.3)),
    Fault("bell of six points", "wide-glitch", bump(5.0, 6, bell), (0.2, 0.3, 0.4), graded=False),
    Fault("bell of eight points", "wide-glitch", bump(9.0, 8, bell), (0.2, 0.3, 0.5), graded=False),
    Fault("bell of twelve points", "wide-glitch", bump(10.0, 12, bell), (0.25, 0.4, 0.6), graded=False),
    Fault("point below the edge", "glitch", burst(-15, 1, up), (0.1, 0.5, 2.0), repaired=True, graded=False),
    Fault("point above the edge", "glitch", burst(31.0, 1, down), (0.5, 1.0, 2.0), repaired=True, graded=False),
    Fault("spike above the edge", "glitch", burst(18.0, 3, up), (0.3, 1.0, 8.0), repaired=True),
    Fault("stretch above the edge", "wide-glitch", burst(22.0, 5, up), (0.3, 0.6, 2.0)),
    Fault("step after the edge", "step", added(lambda e, s: s * (e > EDGE + 25)), (0.06, 0.1, 0.14)),
    Fault("cobalt in the sample", "foreign-edge", other_edge(7709.0), (0.015, 0.05, 0.2)),
    Fault("thick sample", "thick-sample", harmonics, (3.2, 4.0, 5.0), mode="transmission"),
    Fault("over-absorption", "over-absorption-possible", over_absorption, (0.055, 0.2, 1.0), mode="fluorescence"),
    Fault("saturated detector", "saturated", saturation, (0.06, 0.12, 0.25)),
    Fault("stuck detector", "stuck", stuck, (0.5, 0.8, 1.2)),
    Fault("noise", "noisy", noise, (0.015, 0.02, 0.03)),
    Fault("wobbling beam", "unsteady", wobble(6), (0.01, 0.012, 0.02)),
    Fault("rippled transmission", "unsteady", ripple(30.0), (0.01, 0.02, 0.04), graded=False),
    Fault("slowly rippled transmission", "unsteady", ripple(60.0), (0.01, 0.02, 0.04), graded=False),
    Fault("edge not measured", "gap", unseen_edge, (6.0, 8.0, 14.0), graded=False),
    Fault("slipped monochromator", "axis-jump", slip, (1.3, 2.0, 4.0)),
    Fault("missing points", "gap", gap, (0.55, 0.7, 1.0)),
    Fault("cut digits", "coarse-digits", rounded, (0.012, 0.02, 0.04)),
    Fault("stretched axis", "edge-offset", stretched_axis, (0.0045, 0.0055, 0.0065)),
    Fault("not a number", "non-finite", not_a_number, (1, 3, 10), graded=False),
    Fault("inverted", "inverted", inverted, (0.5, 1.0, 2.0), graded=False),
    Fault("no edge", "no-edge", no_edge, (1e-4, 1e-3, 1e-2), graded=False),
    Fault("short", "short-range", cut_above, (8.0, 6.0, 4.0), graded=False),
    Fault("short pre-edge", "short-pre-edge", cut_below, (28.0, 24.0, 20.0), graded=False),
    Fault("backward", "unsorted", backward, (2, 5, 20), graded=False),
)
