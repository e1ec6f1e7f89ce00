"""What a library asks of states of any kind: metals by dynamics, compounds by force constants, and whatever comes.

``plan`` reads them from TOML and draws them, ``library`` simulates them. A kind is a table of settings (``States``),
what is drawn of it (``State``), and a name in ``plan.KINDS``; ``metal_states`` and ``solids`` are two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from exafsnn.compounds import Material
from exafsnn.physics.feff import FeffTreatment
from exafsnn.records import Array
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.frames import Trajectory


class Need(Protocol):
    """What states share and takes long: it is made once, before them, and travels to those who simulate them.

    Needs are compared by what they are made of, and are picklable, as states are.
    """

    def __hash__(self) -> int: ...

    @property
    def name(self) -> str:
        """Of its file, and what progress calls it: no two of a plan have the same."""

    @property
    def here(self) -> bool:
        """Whether this machine alone can make it, from what a cluster does not see."""

    def require(self) -> None:
        """See that what makes it is there, before anything is computed.

        Raises
        ------
        SimulationError
            If a package is missing.
        """

    def made(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Label and arrays.

        Raises
        ------
        SimulationError
            If there is none: all states that need it are discarded for that reason.
        """

    def restored(self, label: Mapping[str, Any], arrays: Mapping[str, Array]) -> Any:
        """What states are given of it."""


class State(Protocol):
    """One state, with all that its random numbers decide."""

    @property
    def need(self) -> Need | None:
        """What it shares with others, if anything."""

    def simulated(self, material: Material, dynamics: DynamicsSettings, needed: Any, /) -> Trajectory:
        """Frames in the material's own lengths, of elements that the material has; ``needed`` is what ``need`` gives.

        Raises
        ------
        SimulationError
            If it cannot be: it is discarded, and the reason told.
        """

    def label(self, material: Material, /) -> dict[str, Any]:
        """What is known of it before: ``phase``, ``a`` [Å], ``temperature`` [K], and more where it is not nought.

        ``vacancies`` (share of empty sites), ``exchanged`` (of misplaced atoms) and ``atoms`` (of a free particle) say
        that it is no perfect bulk.
        """


class States(Protocol):
    """States of one kind, as a table of a plan has them; frozen."""

    @property
    def name(self) -> str:
        """Of the family: what is drawn from it is alike."""

    @property
    def count(self) -> int:
        """How many."""

    def draw(
        self, member: int, seed: int, treatments: Sequence[FeffTreatment], rng: np.random.Generator
    ) -> tuple[State, FeffTreatment]:
        """One of them, and the FEFF treatment that its sites get.

        Parameters
        ----------
        member
            Which, from 0.
        seed
            Of whatever it draws when it is simulated.
        treatments
            ``one_of`` draws from them.
        rng
            Its own.
        """

    def theory(self, material: Material, /) -> str:
        """Names the structure whose potentials its states have; of one name there is one structure in a plan."""

    def at_rest(self, material: Material, /) -> Trajectory:
        """That structure: one frame, with the absorber, and atoms of what is around it."""


def one_of(treatments: Sequence[FeffTreatment], rng: np.random.Generator) -> FeffTreatment:
    """Draw a treatment."""
    return treatments[int(rng.integers(len(treatments)))]
