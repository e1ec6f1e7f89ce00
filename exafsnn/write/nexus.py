"""A scan and its answer → one NeXus file, by the definition NXxasproc: data that were processed, and how.

``/entry/data`` holds μ(E) as it was used; beside it stand χ(k) and, of an answer, n(r). ``/entry/process`` says what
made them: program, version, date, the file that was read, and every parameter.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from exafsnn import __version__
from exafsnn.records import Array, ChiK, Prediction
from exafsnn.write.tables import plain, printable


def write_nexus(path: Path, chi: ChiK, prediction: Prediction | None) -> None:
    """Write the file of a scan; of a χ(k) file there is no μ(E).

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with h5py.File(path, "w") as file:
        file.attrs["default"], file.attrs["creator"] = "entry", f"exafsnn {__version__}"
        entry = _group(file, "entry", "NXentry")
        entry["definition"] = "NXxasproc"
        entry["title"] = printable(f"{chi.source}::{chi.record}" if chi.record else chi.source)
        entry["element"], entry["edge"] = chi.absorber, chi.edge
        sample = _group(entry, "sample", "NXsample")
        sample["name"] = printable(chi.record or Path(chi.source).name)
        if chi.temperature is not None:
            _numbers(sample, "temperature", np.float64(chi.temperature), "K")
        _add_process(entry, chi, prediction)
        if chi.spectrum is not None:
            entry.attrs["default"] = "data"
            _add_data(entry, "data", "energy", chi.spectrum.energy, "eV", {"mu": (chi.spectrum.mu, "")})
        model = {"chi_model": (prediction.chi_model, "")} if prediction else {}
        _add_data(entry, "exafs", "k", chi.k, "1/angstrom", {"chi": (chi.chi, ""), **model})
        if prediction:
            rdf = prediction.rdf
            of_pairs = {
                name: (rows[number], "1/angstrom")
                for number, pair in enumerate(rdf.pairs)
                for name, rows in ((f"n_{pair}", rdf.density), (f"n_{pair}_errors", rdf.spread))
            }
            _add_data(entry, "rdf", "r", rdf.r, "angstrom", of_pairs)


def _add_process(entry: h5py.Group, chi: ChiK, prediction: Prediction | None) -> None:
    """What was done, and by what."""
    process = _group(entry, "process", "NXprocess")
    process["program"], process["version"] = "exafsnn", __version__
    process["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    parameters = _group(process, "parameters", "NXparameters")
    parameters["raw_file"] = printable(chi.source)
    parameters["background"] = json.dumps(plain(chi.settings))
    for name, value, unit in (("e0", chi.e0, "eV"), ("edge_step", chi.edge_step, ""), ("noise", chi.noise, "")):
        if np.isfinite(value):
            _numbers(parameters, name, np.float64(value), unit)
    history = chi.history if prediction is None else prediction.history
    process["history"] = json.dumps(list(history))
    if prediction:
        parameters["model"] = printable(prediction.model)
        for name, value, unit in (
            ("delta_e0", prediction.delta_e0, "eV"), ("amplitude", prediction.amplitude, ""),
            ("r_factor", prediction.misfit, ""),
        ):  # fmt: skip
            _numbers(parameters, name, np.float64(value), unit)
        process["in_domain"] = bool(prediction.in_domain)


def _add_data(
    entry: h5py.Group, name: str, axis: str, places: Array, unit: str, values: dict[str, tuple[Array, str]]
) -> None:  # fmt: skip
    """A plot of NeXus: an axis, and what stands over it, the first as its signal."""
    data = _group(entry, name, "NXdata")
    data.attrs["signal"], data.attrs["axes"] = next(iter(values)), axis
    _numbers(data, axis, places, unit)
    for key, (numbers, of) in values.items():
        _numbers(data, key, numbers, of)


def _numbers(group: h5py.Group, name: str, values: Any, unit: str) -> None:
    group[name] = values
    if unit:
        group[name].attrs["units"] = unit


def _group(place: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = place.create_group(name)
    group.attrs["NX_class"] = kind
    return group
