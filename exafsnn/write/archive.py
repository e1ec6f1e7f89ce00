"""``results.h5``: everything that is known of every scan, as arrays with a leading axis of scans.

``scans/`` has a row for each scan, rejected ones too: what became of it, and where its answer lies. ``answers/00/``,
``answers/01/`` … have the answers of one model on one grid. ``docs/results.md`` lists all of it; ``read_scan`` takes
one scan out again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from exafsnn import __version__
from exafsnn.errors import ExafsnnError
from exafsnn.files import Sink
from exafsnn.records import Array, ChiK, Prediction, Shell
from exafsnn.run.outcomes import Outcome
from exafsnn.shells import MOST_SHELLS, is_shell
from exafsnn.write.tables import Row, pair_cells, plain, printable

_LAYOUT = 4
"""Version of the layout."""

_CHUNK = 1 << 19
"""Bytes of a chunk at most, but for one row of data."""
_OF_PREDICTION = (
    *("delta_e0", "delta_e0_std", "amplitude", "amplitude_std", "misfit", "misfit_noise"),
    *("in_domain", "domain_score", "k_window"),
)
_OF_CHI = ("noise", "e0", "edge_step", "k_max_usable")
_OF_SHELL = tuple(name for name in Shell.__dataclass_fields__ if name not in ("pair", "r_min", "r_max"))
_RAGGED = ("energy", "mu", "background")


class Archive:
    """An open ``results.h5``, to which bursts of scans are appended; those of an interrupted run may be there already.

    Parameters
    ----------
    path
        Where it is written.
    samples
        Of so many scans samples and μ(E) are kept; of all where None.
    """

    def __init__(self, path: Path, samples: int | None) -> None:
        mode = "r+" if path.exists() else "w"
        self._sink = Sink(path)
        self._file = h5py.File(self._sink, mode, libver=("earliest", "v110"))
        self._file.attrs["exafsnn"], self._file.attrs["layout"] = __version__, _LAYOUT
        self._limit = samples
        self._groups: dict[tuple[Any, ...], str] = {}
        self._before = len(self._file.get("answers", ()))
        self._count = len(self._file["scans/file"]) if "scans" in self._file else 0

    def close(self) -> None:
        """Write what is still to be written."""
        self._file.close()
        self._sink.close()

    def add(self, outcomes: Sequence[Outcome], facts: Sequence[Row]) -> None:
        """Append a burst of scans, with what ``tables.scan_facts`` says of each; of samples the scan of each edge."""
        said = [(*item, _json(item[0].warnings)) for item in zip(outcomes, facts, strict=True)]
        scans = [(edge, *item) for item in said for edge in item[0].edges or (item[0],)]
        places = self._add_answers([edge for edge, *_ in scans])
        rows: dict[str, np.ndarray | list[str]] = {
            name: [printable(str(fact[name])) for _, _, fact, _ in scans] for name in ("file", "record", "status")
        }
        rows["edge"] = [edge.edge for edge, *_ in scans]
        rows["findings"] = [_json(fact["findings"]) for _, _, fact, _ in scans]
        rows["warnings"] = [warnings for *_, warnings in scans]
        rows["answers"] = [places[number][0] if number in places else "" for number in range(len(scans))]
        rows["row"] = np.array([places[number][1] if number in places else -1 for number in range(len(scans))])
        group = self._file.require_group("scans")
        for name, values in rows.items():
            _append(group, name, values)
        self._count += len(scans)
        self._sink.check()

    def add_arrays(self, group: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays of no scan in particular."""
        for name, array in arrays.items():
            self._file.create_dataset(f"{group}/{name}", data=array)

    def _add_answers(self, outcomes: Sequence[Outcome]) -> dict[int, tuple[str, int]]:
        """Append the answers among a burst, and say where each is."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for number, outcome in enumerate(outcomes):
            if outcome.prediction is not None:
                groups.setdefault(_key(outcome.prediction), []).append(number)
        places: dict[int, tuple[str, int]] = {}
        for key, numbers in groups.items():
            name = self._groups.setdefault(key, f"{self._before + len(self._groups):02d}")
            group = self._file.require_group(f"answers/{name}")
            first = len(group["scan"]) if "scan" in group else 0
            found = [prediction for prediction in (outcomes[number].prediction for number in numbers) if prediction]
            self._add_group(group, [self._count + number for number in numbers], found)
            places |= {number: (name, first + place) for place, number in enumerate(numbers)}
        return places

    def _add_group(self, group: h5py.Group, numbers: list[int], found: list[Prediction]) -> None:
        """Append answers that share model and grids."""
        first, chis = found[0], [prediction.chi for prediction in found]
        if "scan" not in group:
            group.attrs["model"], group.attrs["pairs"] = printable(first.model), _json(first.rdf.pairs)
            group.attrs["edge"], group.attrs["smoothing"] = (
                f"{first.chi.absorber} {first.chi.edge}",
                first.rdf.smoothing,
            )
            group["rdf/r"] = first.rdf.r
        _append(group, "scan", np.array(numbers))
        _append(group, "history", [_json(prediction.history) for prediction in found])
        _append(group, "preprocessing", _texts_once(chi.settings for chi in chis))
        _append(group, "metadata", [_json(chi.spectrum.metadata if chi.spectrum else {}) for chi in chis])
        for name in _OF_PREDICTION:
            _append(group, name, np.array([getattr(prediction, name) for prediction in found]))
        for name in _OF_CHI:
            _append(group, f"chi/{name}", np.array([getattr(chi, name) for chi in chis]))
        temperature = [np.nan if chi.temperature is None else chi.temperature for chi in chis]
        _append(group, "chi/temperature", np.array(temperature))
        self._add_chi(group, chis, [prediction.chi_model for prediction in found])
        for name in ("density", "spread"):
            _append(group, f"rdf/{name}", np.stack([getattr(prediction.rdf, name) for prediction in found]))
        for pair in first.rdf.pairs:
            _add_seen(group, pair, found)
        for name in first.ranges:
            self._add_shells(group, name, [prediction.shells[name] for prediction in found])
            cells = [pair_cells(prediction, name) for prediction in found]
            for field in cells[0]:
                _append(group, f"shells/{name}/{field}", np.array([row[field] for row in cells]))
        kept = [place for place, number in enumerate(numbers) if self._limit is None or number < self._limit]
        _add_samples(group, [found[place] for place in kept])
        _add_spectra(group, [found[place].chi for place in kept])

    def _add_chi(self, group: h5py.Group, chis: list[ChiK], models: list[Array]) -> None:
        """Append χ(k), measured and implied; NaN where a scan has ended."""
        longest = max((chi.k for chi in chis), key=len)
        known = len(group["chi/k"]) if "chi/k" in group else 0
        if len(longest) > known:
            if known:
                del group["chi/k"]
            group["chi/k"] = longest
        width = max(len(longest), known)
        for name, rows in (("chi", [chi.chi for chi in chis]), ("chi_model", models)):
            values = np.full((len(rows), width), np.nan)
            for place, row in enumerate(rows):
                values[place, : len(row)] = row
            _append(group, f"chi/{name}", values)

    def _add_shells(self, group: h5py.Group, name: str, shells: list[Shell]) -> None:
        """Append the integrals over one range."""
        place = group.require_group(f"shells/{name}")
        if "pair" not in place.attrs:
            place.attrs["pair"], place.attrs["r_min"], place.attrs["r_max"] = (
                shells[0].pair, shells[0].r_min, shells[0].r_max,
            )  # fmt: skip
        for field in _OF_SHELL:
            _append(place, field, np.array([getattr(shell, field) for shell in shells]))


@dataclass(frozen=True)
class Densities:
    """The first partial RDF of some scans, in their order; of samples that of the first edge."""

    names: list[tuple[str, str]]
    """File and record of each."""
    r: Array
    """(b,) [Å]."""
    density: Array
    """(s, b) n(r) [Å⁻¹]."""
    pair: str
    """Of the first."""
    step: int
    """Every so many scans are taken."""


def densities(path: Path, most: int) -> Densities | None:
    """What an archive holds, of all scans or, where there are more than ``most``, of some; None where it has none."""
    with h5py.File(path) as archive:
        groups = list(archive.get("answers", {}).values())
        if not groups:
            return None
        said = [archive[f"scans/{name}"].asstr()[:] for name in ("file", "record")]
        again = np.all([np.append([False], part[1:] == part[:-1]) for part in said], axis=0)  # a sample's further edges
        answered = np.sort(np.concatenate([group["scan"][:] for group in groups]))
        first = answered[~again[answered]]
        step = -(-len(first) // most)
        taken = first[::step]
        groups = [group for group in groups if np.isin(group["scan"][:], taken).any()]
        r = max((group["rdf/r"][:] for group in groups), key=lambda bins: bins[-1])
        rows = np.empty((len(taken), len(r)))
        for group in groups:
            known = group["scan"][:]
            own, bins = np.isin(known, taken), group["rdf/r"][:]
            found = group["rdf/density"][:, 0][own]
            alike = np.array_equal(bins, r)
            moved = found if alike else [np.interp(r, bins, row, left=np.nan, right=np.nan) for row in found]
            rows[np.searchsorted(taken, known[own])] = moved
        names = [part[taken] for part in said]
        pairs = dict.fromkeys(json.loads(group.attrs["pairs"])[0] for group in groups)
        return Densities(list(zip(*names, strict=True)), r, rows, ", ".join(pairs), step)


def read_scan(path: str | Path, file: str, record: str = "", edge: str = "") -> dict[str, Any]:
    """Everything that a ``results.h5`` holds of one scan, or of one edge of a sample.

    Parameters
    ----------
    path
        The archive.
    file, record
        The scan or sample, as ``summary.csv`` names it.
    edge
        Of a sample: ``"Zn K"``; its first where none is named.

    Returns
    -------
    dict
        ``status``, ``findings``, ``warnings``; of a scan with an answer also ``history``, ``preprocessing``, numbers
        and arrays under their names in the archive: ``"rdf/density"`` (p, b), ``"rdf/samples"`` (s, p, b), …; and
        the covariance of these samples, ``"rdf/covariance"`` (p·b, p·b) [Å⁻²].

    Raises
    ------
    ExafsnnError
        If there is no such scan in it.
    """
    with h5py.File(path) as archive:
        scans = archive["scans"]
        named = zip(*(scans[name].asstr()[:] for name in ("file", "record", "edge")), strict=True)
        wanted = printable(file), printable(record)  # as it was written
        found = [number for number, name in enumerate(named) if name == (*wanted, edge or name[2])]
        if not found:
            name = f"{file}::{record}" if record else file
            of = f" of {edge}" if edge else ""
            raise ExafsnnError(f"there is no scan {name!r}{of}", where=str(path), remedy="summary.csv lists the scans")
        number = found[0]
        told: dict[str, Any] = {
            "file": file, "record": record, "status": scans["status"].asstr()[number],
            "findings": json.loads(scans["findings"].asstr()[number]),
            "warnings": json.loads(scans["warnings"].asstr()[number]),
        }  # fmt: skip
        if name := scans["answers"].asstr()[number]:
            told |= _answer(archive[f"answers/{name}"], int(scans["row"][number]))
    return told


def _answer(group: h5py.Group, row: int) -> dict[str, Any]:
    """One answer of a group."""
    told: dict[str, Any] = {name: group.attrs[name] for name in ("model", "edge", "smoothing")}
    told["pairs"] = json.loads(group.attrs["pairs"])
    points = int(np.isfinite(group["chi/chi"][row]).sum())

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if not isinstance(item, h5py.Dataset) or name.startswith("spectrum/") or name == "scan":
            return
        if name in ("rdf/r", "chi/k"):
            told[name] = item[:points] if name == "chi/k" else item[:]
        elif row < len(item):
            value = item.asstr()[row] if h5py.check_string_dtype(item.dtype) else item[row]
            if isinstance(value, str):
                value = json.loads(value)
            told[name] = value[:points] if name in ("chi/chi", "chi/chi_model") else value

    group.visititems(take)
    if "rdf/samples" in told:
        drawn = told["rdf/samples"].astype(np.float64)
        told["rdf/covariance"] = np.cov(drawn.reshape(len(drawn), -1), rowvar=False)
    ends = group["spectrum/end"][:] if "spectrum" in group else np.empty(0, dtype=int)
    if row < len(ends):
        start = int(ends[row - 1]) if row else 0
        told |= {f"spectrum/{name}": group[f"spectrum/{name}"][start : int(ends[row])] for name in _RAGGED}
    return told


def _key(prediction: Prediction) -> tuple[Any, ...]:
    """What answers of one group share."""
    chi, rdf = prediction.chi, prediction.rdf
    grids = float(chi.k[0]), float(chi.k[1]), rdf.r.tobytes(), rdf.samples is not None
    return prediction.model, rdf.pairs, tuple(prediction.ranges), chi.absorber, chi.edge, *grids


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def _texts_once(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    """JSON of mappings, of which many are the same object."""
    known: dict[int, str] = {}
    held = list(mappings)  # so that no other object gets the identity of one that is gone
    for mapping in held:
        if id(mapping) not in known:
            known[id(mapping)] = _json(mapping)
    return [known[id(mapping)] for mapping in held]


def _add_samples(group: h5py.Group, found: list[Prediction]) -> None:
    """Append samples of RDFs in half precision, which is a thousandth of them."""
    given = [prediction.rdf.samples for prediction in found]
    samples = [item for item in given if item is not None]
    if samples:
        _append(group, "rdf/samples", np.stack(samples, dtype=np.float16, casting="same_kind"))


def _add_seen(group: h5py.Group, pair: str, found: list[Prediction]) -> None:
    """Append the shells that RDFs of a pair show, (scan, number); NaN where there are fewer."""
    own = []
    for prediction in found:
        shells = {name: shell for name, shell in prediction.shells.items() if is_shell(name) and shell.pair == pair}
        own.append([vars(shell) | pair_cells(prediction, name) for name, shell in shells.items()])
    tested = ["delta_chi2"] if len(found[0].rdf.pairs) > 1 else []
    for field in (*_OF_SHELL, "r_min", "r_max", *tested):
        values = np.full((len(found), MOST_SHELLS), np.nan)
        for row, cells in zip(values, own, strict=True):
            row[: len(cells)] = [each[field] for each in cells]
        _append(group, f"rdf/shells/{pair}/{field}", values)


def _add_spectra(group: h5py.Group, chis: list[ChiK]) -> None:
    """Append μ(E) and μ₀(E), scan after scan, each as long as it is; nothing of χ(k) files."""
    parts: dict[str, list[Array]] = {name: [np.empty(0)] for name in _RAGGED}
    lengths = []
    for chi in chis:
        spectrum, background = chi.spectrum, chi.background
        lengths.append(0 if spectrum is None else len(spectrum.energy))
        if spectrum is not None:
            parts["energy"].append(spectrum.energy)
            parts["mu"].append(spectrum.mu)
            parts["background"].append(np.full(len(spectrum.mu), np.nan) if background is None else background)
    ends = group["spectrum/end"] if "spectrum" in group else []
    _append(group, "spectrum/end", (int(ends[-1]) if len(ends) else 0) + np.cumsum(np.array(lengths, dtype=int)))
    for name, items in parts.items():
        _append(group, f"spectrum/{name}", np.concatenate(items))


def _append(group: h5py.Group, name: str, values: np.ndarray | list[str]) -> None:
    """Append rows to a data set, which grows; it is made when the first come. Wider rows widen it, with NaN."""
    texts = isinstance(values, list)
    if name not in group:
        shape = (len(values),) if isinstance(values, list) else values.shape
        row = 64 if texts else int(np.prod(shape[1:], dtype=int)) * np.asarray(values).itemsize
        chunk = (int(np.clip(_CHUNK // max(row, 1), 1, 4096)), *(max(size, 1) for size in shape[1:]))
        options: dict[str, Any] = {"dtype": h5py.string_dtype() if texts else np.asarray(values).dtype}
        if not texts and np.issubdtype(np.asarray(values).dtype, np.floating):
            options["fillvalue"] = np.nan
        maximum = (None,) * len(shape)
        group.create_dataset(name, shape=(0, *shape[1:]), maxshape=maximum, chunks=chunk, **options)
    data = group[name]
    start = len(data)
    width = () if texts else np.asarray(values).shape[1:]
    data.resize((start + len(values), *(max(*sizes) for sizes in zip(data.shape[1:], width, strict=True))))
    if len(values):
        data[(slice(start, None), *(slice(0, size) for size in width))] = values
