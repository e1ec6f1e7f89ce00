"""Records → tables of pandas and labelled arrays of xarray, with units in their attributes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from exafsnn.errors import SettingsError
from exafsnn.records import ChiK, PartialRDF, Prediction, Shell, Spectrum

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset

_MISSING = 'Install it with pip install "exafsnn[notebook]"'


def frame(record: Spectrum | ChiK | PartialRDF | Prediction) -> DataFrame:
    """The table of a record: one row per energy, k, or r and pair; of an answer one row per range.

    ``frame.attrs`` has the units of the columns. Of a foreign answer all numbers are NaN.

    Raises
    ------
    SettingsError
        If pandas is not there.
    """
    try:
        from pandas import DataFrame
    except ImportError as error:
        raise SettingsError("pandas is not there", remedy=_MISSING) from error
    if isinstance(record, Prediction):
        found = DataFrame([{"range": name} | _cells(shell, record.in_domain) for name, shell in record.shells.items()])
        found.attrs = {"distance": "Å", "sigma2": "Å²", "c3": "Å³", "r_min": "Å", "r_max": "Å"}
        found.attrs |= {"in_domain": record.in_domain}
    elif isinstance(record, PartialRDF):
        pairs, bins = record.density.shape
        found = DataFrame({
            "pair": np.repeat(record.pairs, bins), "r": np.tile(record.r, pairs),
            "density": record.density.ravel(), "density_std": record.spread.ravel(),
        })  # fmt: skip
        found.attrs = {"r": "Å", "density": "Å⁻¹", "density_std": "Å⁻¹"}
    elif isinstance(record, ChiK):
        found = DataFrame({"k": record.k, "chi": record.chi})
        found.attrs = {"k": "Å⁻¹", "chi": ""}
    else:
        found = DataFrame({"energy": record.energy, "mu": record.mu})
        found.attrs = {"energy": "eV", "mu": ""}
    return found


def _cells(shell: Shell, in_domain: bool) -> dict[str, Any]:
    """What is said of a range; no number of one that the model cannot know."""
    place = ("pair", "r_min", "r_max")
    return {name: value if in_domain or name in place else math.nan for name, value in vars(shell).items()}


def dataset(record: Spectrum | ChiK | PartialRDF | Prediction) -> Dataset:
    """A record with named axes: energy, k, or pair and r, and with samples of n(r) where they were kept.

    Raises
    ------
    SettingsError
        If xarray is not there.
    """
    try:
        from xarray import Dataset
    except ImportError as error:
        raise SettingsError("xarray is not there", remedy=_MISSING) from error
    if isinstance(record, Prediction):
        rdf, chi = dataset(record.rdf), dataset(record.chi)
        implied = Dataset({"chi_model": ("k", record.chi_model)})
        attrs = {"model": record.model, "amplitude": record.amplitude, "delta_e0": record.delta_e0}
        attrs |= {"in_domain": int(record.in_domain), "warnings": "; ".join(record.warnings)}
        return rdf.merge(chi).merge(implied).assign_attrs(chi.attrs | attrs | {"misfit": record.misfit})
    if isinstance(record, PartialRDF):
        values = {"density": record.density, "density_std": record.spread}
        variables: dict[str, tuple[tuple[str, ...], Any, dict[str, str]]] = {
            name: (("pair", "r"), value, {"units": "Å⁻¹"}) for name, value in values.items()
        }
        if record.samples is not None:
            drawn = np.asarray(record.samples, dtype=np.float32)
            variables["samples"] = ("sample", "pair", "r"), drawn, {"units": "Å⁻¹"}
        return Dataset(variables, {"pair": list(record.pairs), "r": ("r", record.r, {"units": "Å"})})
    names = {"source": record.source, "record": record.record, "absorber": record.absorber, "edge": record.edge}
    if isinstance(record, ChiK):
        attrs = names | {"e0": record.e0, "noise": record.noise, "k_max_usable": record.k_max_usable}
        return Dataset({"chi": ("k", record.chi)}, {"k": ("k", record.k, {"units": "Å⁻¹"})}, attrs)
    return Dataset({"mu": ("energy", record.mu)}, {"energy": ("energy", record.energy, {"units": "eV"})}, names)
