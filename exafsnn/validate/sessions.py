"""Sessions at a beamline, simulated: scans that share an energy zero, an amplitude and an error of the theory.

``calibration`` sets error bars on them; the benchmarks measure on others how well these cover.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import SettingsError
from exafsnn.infer.estimates import Reference
from exafsnn.infer.reference import ELSEWHERE
from exafsnn.learn.atlas import PHASES
from exafsnn.learn.dataset import PairMaker, StateBank
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.pair_settings import PairSettings, undisturbed
from exafsnn.metals import IDEAL_RATIO
from exafsnn.physics.distortion import LOW_K_STD, distort, smooth_modes
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import CRYSTALS, Array, ChiK

_ZERO, _ZERO_BESIDE, _ZERO_BETWEEN = 7.0, 5.0, 0.3
"""Energy zeros of sessions lie within ± so much of what is expected, also of an oxide beside its metal; those of the
scans of one session differ by a standard deviation of so much [eV]."""
_AMPLITUDE_BETWEEN = 0.015
"""Relative standard deviation of the amplitudes of the scans of a session."""
_DILUTED = (0.25, 0.3)
"""With a standard, so many of the samples lack atoms at random, up to this share of them."""
_STANDARD_NOISE = 3e-4
_KNOWN_ZERO = 2.0
"""How far the energy zero that a standard of another material tells is off [eV]."""
_ROOM, _STANDARDS = 300.0, 8
"""Standards are among the so many crystals nearest to this temperature [K]."""


@dataclass(frozen=True)
class SimulatedSession:
    """Simulated scans of one session, and what is true of them."""

    scans: tuple[ChiK, ...]
    density: Array
    """(n, b) true n(r) [Å⁻¹]."""
    phases: tuple[str, ...]
    states: tuple[int, ...]
    """Trajectory of each scan, as its index in the library."""
    standard: ChiK | None
    structure: str | None
    known: Reference | None = None
    """What a standard of another material would tell, where no crystal of the bank could be one."""


class Beamline:
    """Simulates sessions from a bank of states.

    Parameters
    ----------
    bank
        States to measure.
    standards
        States to take a standard from: a crystal near room temperature.
    edge
        Absorber and edge, e.g. ``("Fe", "K")``.
    erring
        Whether the theory of each session has a smooth error of its own.
    varied
        Whether samples are mixtures, stretched, broadened, or lack atoms; else they are the states as they stand.
    """

    def __init__(
        self,
        bank: StateBank,
        standards: StateBank,
        pairs: PairSettings,
        features: FeatureSettings,
        edge: tuple[str, str],
        seed: int,
        *,
        erring: bool = True,
        varied: bool = True,
    ) -> None:
        self._pairs = pairs
        self._absorber, self._edge = edge
        counted = replace(pairs, diluted=(0.0, _DILUTED[0]), dilution=_DILUTED[1])
        nothing = (0.0, 0.0)
        self._still = replace(
            undisturbed(pairs, counted=False),
            stretch=0.0, extra_sigma2=0.0, apart_sigma2=0.0, mixed=nothing, diluted=nothing, defective=nothing,
            beside=(sum(pairs.beside), 0.0),
        )  # fmt: skip
        self._exact = {
            is_counted: replace(
                undisturbed(of, counted=is_counted), beside_apart=pairs.beside_apart,
                beside_amplitude=pairs.beside_amplitude, theory_apart=erring * pairs.theory_apart,
            ) if varied else self._still
            for is_counted, of in ((True, counted), (False, pairs))
        }  # fmt: skip
        self._wide = replace(features, kmin=1.5, dk=1.0)
        self._k = torch.from_numpy(self._wide.k_grid()).float()
        self._bank, self._standards, self._erring = bank, standards, erring
        self._rng = np.random.default_rng(seed)

    def sessions(self, count: int, scans: int, referenced: bool) -> Iterator[SimulatedSession]:
        """``count`` sessions of ``scans`` scans, with a standard or without."""
        treatments = sorted(set(self._bank.treatments))
        for number in range(count):
            treatment = treatments[number % len(treatments)]
            bank, seed = _of_treatment(self._bank, treatment), int(self._rng.integers(2**31))
            yield self._session(bank, treatment, scans, referenced, seed)

    def _session(
        self, bank: StateBank, treatment: str, scans: int, referenced: bool, seed: int, *, mixed: bool = True
    ) -> SimulatedSession:
        exact = self._exact[referenced]
        own = int(self._rng.integers(2**31)) if exact.theory_apart else None
        maker = PairMaker(bank, exact if mixed else replace(exact, mixed=(0.0, 0.0)), self._wide, seed, own)
        drawn = maker.draw(scans, reference=0.0, zero_known=0.0)  # amplitudes are ours
        rows = drawn.states.tolist()
        zero = self._pairs.e0 + self._rng.uniform(-1, 1) * min(_ZERO, self._pairs.e0_range)
        doubt = np.clip(self._pairs.amplitude_std * self._rng.standard_normal(), -0.4, 0.4)
        amplitude = self._pairs.amplitude * float(np.exp(doubt))
        curves, errors = self.theory_error(), drawn.errors[:, None]
        own_curves = 1 + errors * (curves[0] - 1), errors * curves[1]  # [scan, k]
        k_max = self._rng.uniform(*self._pairs.kmax, size=scans)
        low, high = self._pairs.noise
        noise = np.exp(self._rng.uniform(math.log(low), math.log(high), size=scans))
        names = [f"simulated {bank.phases[row]} {bank.index[row]}" for row in rows]
        shifts = self._shifts(bank, rows)
        standard, structure, known = None, None, None
        if referenced and any(phase in PHASES for phase in self._standards.phases):
            standard, structure = self._standard(treatment, zero, amplitude, curves, float(k_max.max()), own)
        elif referenced:
            known = self._known(zero, amplitude)
        return SimulatedSession(
            tuple(
                self.measured(
                    drawn.chi, zero + shifts, amplitude, own_curves, noise * amplitude, k_max, names, -shifts
                )
            ),
            drawn.density.double().numpy(), tuple(bank.phases[row] for row in rows),
            tuple(bank.index[row] for row in rows), standard, structure, known,
        )  # fmt: skip

    @staticmethod
    def at_both(
        edges: tuple[Beamline, Beamline], count: int, scans: int, seed: int, *, referenced: bool = False
    ) -> Iterator[tuple[SimulatedSession, SimulatedSession]]:
        """Sessions of samples that are measured at two edges, with a standard at each or none.

        What the samples are (states, lengths, how they lack atoms) is drawn alike for both; energy zeros, amplitudes,
        noise and errors of theory are each edge's own. None is a mixture: either edge would see its own share of each.

        Parameters
        ----------
        edges
            Beamlines whose banks are of the same states.
        """
        rng, treatments = np.random.default_rng(seed), sorted(set(edges[0]._bank.treatments))
        for number in range(count):
            treatment, drawn = treatments[number % len(treatments)], int(rng.integers(2**31))
            rows = np.array([row for row, name in enumerate(edges[0]._bank.treatments) if name == treatment])
            one, other = (
                edge._session(bank, "", scans, referenced, drawn, mixed=False)
                for edge in edges
                for bank in [replace(edge._bank.subset(rows), treatments=("",) * len(rows))]
            )
            yield one, other

    def _shifts(self, bank: StateBank, rows: list[int]) -> Array:
        """(n,) by how much less their energy zeros lie above E₀ [eV]: E₀ of an oxide is on its white line."""
        if bank.beside.all() or not bank.beside.any():
            return np.zeros(len(rows))
        centre, reach = self._pairs.beside_e0
        usual = centre - bank.apart[rows] - self._pairs.e0
        drawn: Array = bank.beside[rows] * (usual + self._rng.uniform(-1, 1, len(rows)) * min(_ZERO_BESIDE, reach))
        return drawn

    def theory_error(self) -> tuple[Tensor, Tensor]:
        """(1, m) factor of the amplitude and phase of one session's theory."""
        sizes = (self._pairs.theory_amplitude, self._pairs.theory_phase)
        found = []
        for lowest, size in zip((1, 0), sizes, strict=True):
            modes = smooth_modes(self._k, lowest)
            normal = self._erring * torch.from_numpy(self._rng.standard_normal(len(modes))).float()
            normal[:-1] *= size
            normal[-1] *= LOW_K_STD
            found.append((normal @ modes)[None])
        return 1 + found[0], found[1]

    @property
    def k(self) -> Array:
        """(m,) wavenumbers of all its spectra [Å⁻¹]."""
        grid: Array = self._k.double().numpy()
        return grid

    @property
    def states(self) -> tuple[tuple[str, int], ...]:
        """Family and number of each state that may be measured."""
        return tuple(zip(self._bank.families, self._bank.index, strict=True))

    def spectrum(self, row: int) -> Tensor:
        """(1, m) χ(k) of one state of the bank as it stands, S₀² = 1."""
        return self._as_it_stands(self._bank.subset(np.array([row])))

    def _as_it_stands(self, one: StateBank, own: int | None = None) -> Tensor:
        """(1, m) χ(k) of a bank of one state, S₀² = 1; with a session's ``own`` errors of theory, if any."""
        still = self._still if own is None else replace(self._still, theory_apart=self._pairs.theory_apart)
        return PairMaker(one, still, self._wide, 0, own).draw(1, reference=0.0, zero_known=0.0).chi

    def _known(self, zero: float, amplitude: float) -> Reference:
        """What a standard of another material tells of a session."""
        off, factor = _KNOWN_ZERO * self._rng.standard_normal(), ELSEWHERE * self._rng.standard_normal()
        told = amplitude * math.exp(factor)
        return Reference(zero + off, _KNOWN_ZERO, told, ELSEWHERE * told, "simulated", "", 0.0, apart=True)

    def _standard(
        self, treatment: str, zero: float, amplitude: float, curves: tuple[Tensor, Tensor], k_max: float,
        own: int | None,
    ) -> tuple[ChiK, str]:  # fmt: skip
        """A crystal measured in a session, and its structure; of multiple scattering theory errs as in the samples."""
        bank = _of_treatment(self._standards, treatment)
        perfect = [row for row, phase in enumerate(bank.phases) if phase in CRYSTALS and bank.whole[row]]
        usual = CRYSTALS[int(np.argmax(self._pairs.phases[: len(CRYSTALS)]))]  # the metal's, of the largest share
        crystals = [row for row in perfect if bank.phases[row] == usual] or perfect
        if not crystals:
            raise SettingsError("no perfect crystal is among the states that could be a standard")
        crystals.sort(key=lambda row: abs(bank.temperature[row] - _ROOM))
        one = bank.subset(np.array([self._rng.choice(crystals[:_STANDARDS])]))
        noise, k = np.array([_STANDARD_NOISE]), np.array([k_max])
        made = self.measured(self._as_it_stands(one, own), zero, amplitude, curves, noise, k, ["simulated standard"])[0]
        ratio = f",{IDEAL_RATIO * one.lattice[0]:.4f}" if one.phases[0] == "hcp" else ""
        return made, f"{one.phases[0]}:{one.lattice[0]:.4f}{ratio}"

    def measured(
        self, chi: Tensor, zero: Array | float, amplitude: float, curves: tuple[Tensor, Tensor], noise: Array,
        k_max: Array, names: list[str], e0: Array | None = None,
    ) -> list[ChiK]:  # fmt: skip
        """Spectra as a session's beamline and theory would show them, with energy zeros above E₀ (n,), or one [eV]."""
        n, k = len(chi), self.k
        zeros = torch.from_numpy(zero + _ZERO_BETWEEN * self._rng.standard_normal(n)).float()
        sizes = amplitude * np.exp(_AMPLITUDE_BETWEEN * self._rng.standard_normal(n))
        moved = (
            shift_energy(distort(chi, *curves), self._k, self._k, zeros, K2_PER_EV).double().numpy() * sizes[:, None]
        )
        moved = moved + self._residue(n, k) + noise[:, None] * self._rng.standard_normal(moved.shape)
        return [
            ChiK(k=k, chi=row, absorber=self._absorber, edge=self._edge, noise=float(noise[i]),
                 e0=0.0 if e0 is None else float(e0[i]), edge_step=1.0,
                 k_max_usable=float(k_max[i]), source=names[i])
            for i, row in enumerate(moved)
        ]  # fmt: skip

    def _residue(self, n: int, k: Array) -> Array:
        """(n, m) what AUTOBK leaves of the background."""
        total = np.zeros((n, len(k)))
        for _ in range(3):
            r, phase = self._rng.uniform(0.0, 1.1, (n, 1)), self._rng.uniform(0, 2 * np.pi, (n, 1))
            size = self._pairs.residue * self._rng.standard_normal((n, 1)) / 3**0.5
            total += size * (3.0 / np.maximum(k, 1.0)) ** 2 * np.cos(2 * k * r + phase)
        return total


def _of_treatment(bank: StateBank, treatment: str) -> StateBank:
    return bank.subset(np.array([row for row, name in enumerate(bank.treatments) if name == treatment]))
