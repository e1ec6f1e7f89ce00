"""Which model answers a scan, or the scans of a sample: each is loaded once in a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from exafsnn.errors import ModelError
from exafsnn.metals import METALS
from exafsnn.records import ChiK
from exafsnn.run.outcomes import edge_of

if TYPE_CHECKING:
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.predict import Model

_MOST_EDGES = 2
"""No joint model is of more."""


def models(name: str | None) -> Models:
    """Make what finds the model of a sample; each is loaded once.

    By default it is that of its edge, the user's own before the shipped one; of several edges the joint one of these.

    Raises
    ------
    ModelError
        If there is no model of that name, or it is damaged.
    """
    found = Models(name, {})
    if name is not None:
        found.load(name)
    return found


@dataclass(frozen=True)
class Models:
    """The models of a run, which travel with those that it has loaded."""

    name: str | None
    loaded: dict[str, Model | JointModel]

    def load(self, name: str) -> Model | JointModel:
        """A model by name."""
        from exafsnn.infer.joint import load_any

        if name not in self.loaded:
            self.loaded[name] = load_any(name)
        return self.loaded[name]

    def __call__(self, sample: Sequence[ChiK], left: bool = False) -> Model | JointModel:
        """The model of a scan, or of the scans of a sample.

        Parameters
        ----------
        sample
            χ(k) of each edge.
        left
            Whether it is all that is left of a sample of several edges.

        Raises
        ------
        ModelError
            If there is none.
        """
        edges = [edge_of(chi) for chi in sample]
        if self.name is not None:
            return _for_edges(self.load(self.name), edges)
        if len(edges) > 1:
            return self._joint_of(edges)
        fits = self.joint_with(edges[0]) if left else []
        return _for_edges(fits[0], edges) if len(fits) == 1 else self._usual(edges[0])

    def _usual(self, edge: str) -> Model | JointModel:
        """The model that bears the name of an edge."""
        from exafsnn.learn.model_file import known_models

        name = edge.replace(" ", "-").lower()
        if name not in self.loaded and name not in known_models():
            known = {other.name: edges_named(other) for other in self._known()}
            if others := [other for other, own in known.items() if edge in own]:
                remedy = f"Models of {edge} are {', '.join(others)}: name one with --model"
                raise ModelError(f"no model is called {name}", remedy=remedy)
            there = ", ".join(sorted({one for own in known.values() for one in own})) or "no edge"
            by_name = f"by its name ({name}) or " if edge.split()[0] in METALS else ""
            remedy = (
                f"There are models of {there}. exafsnn make makes one {by_name}of a plan with the sample's crystal"
                " (docs/compounds.md); exafsnn preprocess needs none"
            )
            raise ModelError(f"no model is of {edge}", remedy=remedy)
        return self.load(name)

    def of_standard(self, chi: ChiK) -> Model | JointModel:
        """The model that learns from a standard: the one that was named, else that of its edge."""
        return self.load(self.name) if self.name is not None else self([chi])

    def joint_with(self, edge: str) -> list[JointModel]:
        """The joint models of which one edge is this."""
        return [model for model in self._known_joint() if edge in model.names]

    def _joint_of(self, edges: list[str]) -> JointModel:
        """The joint model of some edges."""
        if len(set(edges)) < len(edges):
            raise ModelError(
                f"the sample has {' and '.join(edges)}: one edge twice",
                remedy="Join one scan of each edge; give repeats as scans of their own",
            )  # fmt: skip
        known = self._known_joint()
        fits = [model for model in known if set(model.names) == set(edges)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            several = ", ".join(model.name for model in fits)
            raise ModelError(f"{several} are models of {' and '.join(edges)}", remedy="Name one with --model")
        there = ", ".join(f"{model.name} ({'+'.join(model.names)})" for model in known) or "none"
        made = f"Make one of its structure (exafsnn make with edges = {json.dumps(edges)}, docs/edges.md), or give"
        then = made if len(edges) == _MOST_EDGES else "They are of two edges: give"
        remedy = f"Joint models: {there}. {then} the scans one by one"
        raise ModelError(f"no model is of {' and '.join(edges)} together", remedy=remedy)

    def _known_joint(self) -> list[JointModel]:
        """All joint models that can be used."""
        from exafsnn.infer.joint import JointModel
        from exafsnn.learn.joint_file import is_joint

        return [model for model in self._known(is_joint) if isinstance(model, JointModel)]

    def _known(self, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Model | JointModel]:
        """All models that can be used; who names one that is damaged is told."""
        from exafsnn.learn.model_file import known_models

        for name in known_models():
            with suppress(ModelError):
                if wanted(name):
                    yield self.load(name)


def named_of(edges: Sequence[str]) -> list[str]:
    """The names of all models of these edges and no others, ``["Fe K"]``."""
    from exafsnn.learn.model_file import find_model, known_models

    known = _edges_of(tuple(map(find_model, known_models())))
    return [name for name, own in known.items() if own == set(edges)]


@cache
def _edges_of(paths: tuple[Path, ...]) -> dict[str, set[str]]:
    """The edges of models that can be used, by their names; they are not kept, as those that answer are."""
    from exafsnn.infer.joint import load_any

    found = {}
    for path in paths:
        with suppress(ModelError):
            found[path.stem] = set(edges_named(load_any(str(path))))
    return found


def _for_edges(model: Model | JointModel, edges: Sequence[str]) -> Model | JointModel:
    """A model, or the one of a single edge in it.

    Raises
    ------
    ModelError
        If it is not of these edges.
    """
    own = dict(zip(edges_named(model), edges_of(model), strict=True))
    if len(edges) == 1 and len(own) > 1 and edges[0] in own:
        return own[edges[0]]
    if len(edges) > 1 and len(own) == 1:
        raise ModelError(
            f"the model {model.name} is for {next(iter(own))} alone, the sample has {' and '.join(edges)}",
            remedy="Give a joint model of these edges with --model, or the scans one by one",
        )
    return model


def edges_of(model: Model | JointModel) -> tuple[Model, ...]:
    """The models of each edge; that of one edge is its own."""
    from exafsnn.infer.joint import JointModel

    return model.edges if isinstance(model, JointModel) else (model,)


def edges_named(model: Model | JointModel) -> list[str]:
    """Their names: ``"Zn K"``, ``"Se K"``."""
    return [f"{edge.absorber} {edge.edge}" for edge in edges_of(model)]
