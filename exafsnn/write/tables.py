"""Outcomes → rows of the tables, and rows → CSV cells. The columns are a contract with users' scripts.

``results`` writes them to files, the command line prints them.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from exafsnn.infer.verdict import FEW
from exafsnn.records import ChiK, Prediction
from exafsnn.run.outcomes import Outcome, edge_of, is_finite

if TYPE_CHECKING:
    from exafsnn.analyse.shell_fits import FittedShell
    from exafsnn.analyse.transition.search import Transition
    from exafsnn.run.series import Course
    from exafsnn.simulate.average import Average

Row = dict[str, Any]

_FORMULA = re.compile(r"['\s]*[=+\-@＝＋－＠]")
"""Text that a spreadsheet might run, and text that already looks guarded; see ``Table``."""

_SCAN_COLUMNS = ("file", "record", "status", "edge", "warnings")
_SUMMARY_COLUMNS = (
    *("file", "record", "status", "model", "edge", "pair", "range", "r_min", "r_max"),
    *("coordination", "coordination_std", "coordination_low", "coordination_high", "distance", "distance_std"),
    *("sigma2", "sigma2_std", "delta_e0", "amplitude", "misfit", "in_domain", "warnings"),
)
_PLACE = ("pair", "r_min", "r_max")
"""What is said of a shell whose scan is foreign to the model: no number of it is to be believed."""
_OF_CHI = ("e0", "edge_step", "noise", "k_max_usable")
_OF_PREDICTION = ("delta_e0", "amplitude", "misfit")
_UNKNOWN = 1.0
"""A share with an error beyond is not known."""
_OF_PAIRS = ("total", "composition", "order", "metal")
"""Quantities that several pairs have besides."""
_PAIR_COLUMNS = (
    *("file", "record", "status", "model", "edge", "pair", "range", "r_min", "r_max"),
    *(f"{quantity}{end}" for quantity in ("coordination", *_OF_PAIRS) for end in ("", "_std", "_low", "_high")),
    "delta_chi2",
)
_SERIES_COLUMNS = ("file", "record", "axis", "phase", "pair", "range", "quantity", "value", "std")
_RDF_COLUMNS = ("file", "record", "pair", "r", "density", "density_std")
_CHI_COLUMNS = ("file", "record", "edge", "k", "chi", "chi_model")
_PARTICLE_COLUMNS = (
    *("file", "record", "pair", "shape", "atoms", "atoms_low", "atoms_high"),
    *("diameter", "diameter_low", "diameter_high", "strain", "strain_std"),
)
_AVERAGE_COLUMNS = (
    *("file", "record", "status", "edge", "pair", "range", "r_min", "r_max", "coordination", "coordination_std"),
    *("distance", "distance_std", "sigma2", "sigma2_std", "warnings"),
)
_FITTED = ("coordination", "distance", "sigma2")
_COMPARE_COLUMNS = (
    *("file", "record", "edge", "pair", "range", "r_min", "r_max", "method"),
    *(f"{quantity}{end}" for quantity in (*_FITTED, "c3", "delta_e0", "amplitude") for end in ("", "_std")),
    *("r_factor", "k_min", "k_max", "fit_r_min", "fit_r_max", "independent", "variables", "chi2_reduced"),
    *("mcmaster", "amplitude_from", "remark"),
)


def _with_axis(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a series, whose scans have a place on its axis."""
    after = columns.index("model") + 1
    return *columns[:after], "axis", *columns[after:]


_ANSWERS = {
    "summary.csv": _SUMMARY_COLUMNS,
    "rdf.csv": _RDF_COLUMNS,
    "chi.csv": _CHI_COLUMNS,
    "particles.csv": _PARTICLE_COLUMNS,
    "pairs.csv": _PAIR_COLUMNS,
}
TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "predict": _ANSWERS,
    "refine": _ANSWERS,
    "compare": {**_ANSWERS, "compare.csv": _COMPARE_COLUMNS},
    "series": {
        **_ANSWERS,
        "summary.csv": _with_axis(_SUMMARY_COLUMNS),
        "pairs.csv": _with_axis(_PAIR_COLUMNS),
        "series.csv": _SERIES_COLUMNS,
    },
    "preprocess": {"summary.csv": _SCAN_COLUMNS, "chi.csv": _CHI_COLUMNS[:-1]},
    "average": {
        "summary.csv": _AVERAGE_COLUMNS,
        "chi.csv": (*_CHI_COLUMNS[:-1], "chi_std"),
        "rdf.csv": _RDF_COLUMNS,
    },
    "map": {},  # whose columns depend on its dimensions (``map_results``)
}
SIMULATED = "simulated"
"""What stands as the record of a χ(k) that no beamline measured."""


def summary_rows(outcome: Outcome) -> Iterator[Row]:
    """One row per range of an answer, else one for the scan of each edge; of a rejected scan or sample one.

    NaN and absent keys mean that nothing is known.
    """
    row: Row = {
        "file": outcome.file,
        "record": outcome.record,
        "status": outcome.status,
        "warnings": "; ".join(outcome.warnings),
        "axis": outcome.axis,
        "edge": outcome.edge,
    }
    if not outcome.is_answered:
        scans = [edge.chi for edge in outcome.edges] or [outcome.chi]
        yield from (row | (_of_chi(chi) if chi else {}) for chi in scans)
        return
    row |= {"model": outcome.model, "in_domain": outcome.status != "foreign"}
    for edge in outcome.edges:
        if edge.chi and edge.prediction:
            fitted = {of.name: of for of in edge.fit.shells} if edge.fit else {}
            for name, shell in _shell_rows(edge.chi, edge.prediction, row):
                yield row | shell | _fit_cells(fitted.get(name))


def whole(rows: list[Row]) -> list[Row]:
    """Those rows of a scan of which ``summary.csv`` has every number that it promises.

    Atoms that hardly scatter have an N and no R: of them ``pairs.csv`` tells.
    """
    return [row for row in rows if "distance" not in row or math.isfinite(row["distance"])] or rows


def tells_pairs(row: Row) -> bool:
    """Whether a row is of a model that tells several pairs."""
    return "composition" in row


def _of_chi(chi: ChiK) -> Row:
    """What a scan is like."""
    return {"edge": edge_of(chi)} | {name: getattr(chi, name) for name in _OF_CHI}


def _fit_cells(fitted: FittedShell | None) -> Row:
    """What a fit says of a shell, beside the answer: for the screen and JSON."""
    cells = [f"{quantity}{end}" for quantity in _FITTED for end in ("", "_std")]
    shown = ["remark"] if fitted and fitted.remark else [*cells, "remark"]  # what ran away is no number
    return {f"feffit_{name}": getattr(fitted, name) for name in shown} if fitted else {}


def compare_rows(outcome: Outcome) -> Iterator[Row]:
    """Two rows for each shell that was fitted: the answer's, and the fit's."""
    for edge in outcome.edges:
        if not (edge.fit and edge.prediction and edge.chi):
            continue
        fit, answer = edge.fit, edge.prediction
        scan = {"file": outcome.file, "record": outcome.record, "edge": edge_of(edge.chi)}
        shared = ("delta_e0", "delta_e0_std", "amplitude", "amplitude_std")
        for number, fitted in enumerate(fit.shells):
            place = scan | {key: getattr(fitted.shell, key) for key in _PLACE}
            place["range"] = fitted.name.removesuffix(f" {fitted.shell.pair}")
            yield place | vars(fitted.shell) | {name: getattr(answer, name) for name in shared} | {
                "method": "exafsnn", "r_factor": fit.r_factor_of_answer,
            }  # fmt: skip
            skewed = {"c3": fit.c3, "c3_std": fit.c3_std} if number == 0 and fit.c3_std else {}
            (k_min, k_max), (r_min, r_max) = fit.k_window, fit.r_window
            yield place | vars(fitted) | skewed | {
                "method": "feffit", "delta_e0": fit.delta_e0, "delta_e0_std": fit.delta_e0_std,
                "r_factor": fit.r_factor, "k_min": k_min, "k_max": k_max, "fit_r_min": r_min, "fit_r_max": r_max,
                "independent": fit.independent, "variables": fit.variables, "chi2_reduced": fit.chi2_reduced,
                "mcmaster": fit.mcmaster, "amplitude_from": fit.amplitude_from,
            }  # fmt: skip


def _shell_rows(chi: ChiK, prediction: Prediction, scan: Row) -> Iterator[tuple[str, Row]]:
    """The name of each range of one edge, and its row."""
    row = _of_chi(chi) | {"edge": scan["edge"]} | {name: getattr(prediction, name) for name in _OF_PREDICTION}
    row |= {"fit": prediction.verdict}
    for name, shell in (prediction.shells if scan["in_domain"] else prediction.ranges).items():
        some = shell.coordination_high > FEW or math.isnan(shell.coordination_high)
        may_have_atoms = is_finite(shell) or some  # without atoms there is no R, but an N
        if may_have_atoms or name == "first":  # every answer has that row, even if it says that no atoms are there
            told = vars(shell) if scan["in_domain"] else {key: getattr(shell, key) for key in _PLACE}
            pairs = pair_cells(prediction, name) if scan["in_domain"] else {}
            yield name, row | {"range": name.removesuffix(f" {shell.pair}")} | told | pairs


def pair_cells(prediction: Prediction, name: str) -> Row:
    """What several pairs say beside N, R and σ² of a range: for the screen, JSON, the archive and ``pairs.csv``.

    NaN where nothing is known; empty of one pair alone.
    """
    if len(prediction.rdf.pairs) < 2:
        return {}
    order, shell = prediction.orders.get(name), prediction.shells[name]
    said = {quantity: getattr(order, quantity, None) for quantity in _OF_PAIRS[:-1]}
    if order and not order.composition.std < _UNKNOWN:  # of hardly any atoms
        said |= dict.fromkeys(("composition", "order"))
    cells: Row = {}
    for quantity, estimate in (said | {"metal": prediction.metal}).items():
        cells[quantity] = estimate.value if estimate else math.nan
        cells |= {f"{quantity}_{end}": getattr(estimate, end, math.nan) for end in ("std", "low", "high")}
    place = shell.pair, shell.r_min, shell.r_max
    tests = [item for item in prediction.rdf.exchanges if (item.pair, item.r_min, item.r_max) == place]
    if tests and tests[0].of_shell and tests[0].is_open:  # then it is all that is known
        total = prediction.rdf.together(shell.r_min, shell.r_max)
        ends = {f"total_{end}": getattr(total, f"coordination_{end}") for end in ("std", "low", "high")}
        cells |= {"total": total.coordination} | ends
    return cells | {"delta_chi2": tests[0].delta_chi2 if tests else math.nan}


def scan_facts(outcome: Outcome) -> Row:
    """What became of a scan, with every finding of it (name, severity, message, energy [eV], remedy), and its sizes.

    A sample has a title, with the records of its scans.
    """
    findings = [dict(vars(finding)) for finding in outcome.findings]
    facts = {"file": outcome.file, "record": outcome.record, "status": outcome.status, "findings": findings}
    facts |= {"title": printable(outcome.title)} if outcome.parts else {}
    return facts | ({"particles": particle_rows(outcome)} if outcome.particles else {})


def particle_rows(outcome: Outcome) -> list[Row]:
    """One row per shape that particles may have, none without a standard; infinite is what N leaves open."""
    found = outcome.particles
    if found is None:
        return []
    strain = {"strain": found.strain, "strain_std": found.stretch_std}
    return [{"pair": found.shell.pair, **vars(size), **strain} for size in found.sizes]


_Long = tuple[Row, list[np.ndarray]]
"""Rows of a long table: the cells that all share, and the columns of numbers (n,) that follow."""


def chi_tables(outcome: Outcome, answered: bool) -> list[_Long]:
    """χ(k) of every edge, beside it the model's where the command has ``answered``: no row where it is no number."""
    tables: list[_Long] = []
    for edge in outcome.edges:
        if chi := edge.chi:
            scan = {"file": outcome.file, "record": outcome.record, "edge": edge_of(chi)}
            model = edge.prediction.chi_model if edge.prediction else np.zeros_like(chi.chi)
            there = np.isfinite(model)
            columns = [part[there] for part in (chi.k, chi.chi, model)]
            tables.append((scan, columns if answered else columns[:2]))
    return tables


def rdf_tables(outcome: Outcome) -> list[_Long]:
    """Every partial RDF, bin by bin."""
    scan = {"file": outcome.file, "record": outcome.record}
    each = [edge.prediction.rdf for edge in outcome.edges if edge.prediction]
    return [
        (scan | {"pair": pair}, [rdf.r, density, spread])
        for rdf in each
        for pair, density, spread in zip(rdf.pairs, rdf.density, rdf.spread, strict=True)
    ]


def average_rows(file: str, average: Average) -> Iterator[Row]:
    """One row per pair and shell of a trajectory; one without numbers for a pair that shows no shell."""
    warnings = "; ".join(average.warnings)
    row: Row = {"file": file, "record": SIMULATED, "status": "warned" if warnings else "ok", "warnings": warnings}
    row |= {"edge": f"{average.absorber} {average.edge}"}
    for pair, shells in average.shells.items():
        for number, shell in enumerate(shells, start=1):
            yield row | {"range": "first" if number == 1 else f"shell{number}"} | vars(shell)
        if not shells:
            yield row | {"pair": pair}


def average_tables(file: str, average: Average) -> tuple[list[_Long], list[_Long]]:
    """χ(k) and n(r) of a trajectory, with their errors."""
    scan: Row = {"file": file, "record": SIMULATED}
    edge = scan | {"edge": f"{average.absorber} {average.edge}"}
    rdf = average.rdf
    parts = zip(rdf.pairs, rdf.density, rdf.spread, strict=True)
    rows = [(scan | {"pair": pair}, [rdf.r, density, spread]) for pair, density, spread in parts]
    return [(edge, [average.k, average.chi, average.chi_std])], rows


_SERIES_QUANTITIES = (
    *("coordination", "distance", "sigma2", "density", "lattice_constant", "fraction", "composition", "order"),
)
"""Of ``series.csv``, which is scripted against; ``results.h5`` has C₃, total N and the number density besides."""


def series_rows(course: Course) -> Iterator[Row]:
    """Every quantity of every scan of a series, smoothed between transitions."""
    if course.series is None:
        return
    done = [outcome for outcome in course.outcomes if outcome.axis is not None]
    pairs = {name: shell.pair for outcome in done for name, shell in outcome.ranges(course.pair).items()}
    for number, outcome in enumerate(done):
        scan: Row = {"file": outcome.file, "record": outcome.record, "axis": outcome.axis}
        for key, trend in course.series.trends.items():
            if (
                key.quantity in _SERIES_QUANTITIES
                and np.isfinite(trend.value[number])
                and np.isfinite(trend.std[number])
            ):
                pair = pairs[key.range] if key.range else ""
                yield scan | {
                    "phase": key.phase or course.series.phases[number], "pair": pair,
                    "range": key.range.removesuffix(f" {pair}"), "quantity": key.quantity,
                    "value": trend.value[number], "std": trend.std[number],
                }  # fmt: skip


def transition_facts(course: Course) -> Row:
    """The strongest transition of a series, and all else that was found of it as a whole, for ``transition.json``."""
    series = course.series
    if series is None:
        return {**_transition(None), "against": course.against, "standard": course.standard, "others": []}
    strongest = series.strongest
    others = [item for item in (*series.transitions, *strongest.others) if item is not strongest and item.found]
    return {
        **_transition(strongest),
        "against": course.against,
        "standard": course.standard,
        "others": [_transition(item) for item in others],
        "branches": [
            {"rising": part.rising, "scans": len(part.scans), **_transition(item)}
            for part, item in zip(series.branches, series.transitions, strict=True)
        ],
        "hysteresis": asdict(series.hysteresis) if series.hysteresis else None,
        "thermal": [asdict(item) for item in course.thermal],
        "notes": list(series.notes),
    }


def _transition(item: Transition | None) -> Row:
    """One transition; numbers that are not known become null."""
    if item is None:
        return {"found": False, "at": None, "low": None, "high": None, "before": {}, "after": {}}
    sides = {name: _quantities(getattr(item, name)) for name in ("before", "after", "jump")}
    return {
        "found": item.found, "at": item.at, "low": item.low, "high": item.high, "width": item.width,
        "false_alarm": item.strength, **sides,
    }  # fmt: skip


def _quantities(values: Mapping[str, tuple[float, float]]) -> Row:
    """``{"density": …, "density_std": …}``; those of the first range without its name."""
    found: Row = {}
    for name, (value, std) in values.items():
        key = name.removesuffix(" first").replace(" ", "_")
        found |= {key: value, f"{key}_std": std}
    return found


def plain(value: Any) -> Any:
    """Turn a value into one that strict JSON can hold; numbers that are none become null."""
    if value is None or isinstance(value, str | int):  # ``bool`` is one; first, as most are
        return value
    if isinstance(value, dict | Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def json_lines(facts: Row) -> str:
    """Strict JSON with a line for each key, and for each item of a list: of many scans, indenting all takes longest."""

    def text(value: Any) -> str:
        return json.dumps(value, allow_nan=False)

    def lines(value: Any) -> str:
        return "[\n  " + ",\n  ".join(map(text, value)) + "\n ]" if value and isinstance(value, list) else text(value)

    return "{\n" + ",\n".join(f" {text(key)}: {lines(value)}" for key, value in plain(facts).items()) + "\n}\n"


def printable(text: str) -> str:
    """Text in valid Unicode for terminals and tables: control characters are escaped, so that names stay apart."""
    if text.isprintable():
        return text
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class Table:
    r"""A CSV file being written, or one to which rows are added.

    Numbers are written as they are, signs included. A text that a spreadsheet might take for a formula, because its
    first character but for spaces and apostrophes is one of ``= + - @``, gets an apostrophe in front, and no other
    does. Who wants the text back removes one apostrophe from cells of text columns that match ``^'['\s]*[=+\-@]``
    (or the full-width forms of these). Control characters, tabs and line ends are escaped as in Python: ``\n``.
    """

    def __init__(self, stream: TextIO, columns: tuple[str, ...]) -> None:
        self._columns, self._stream = columns, stream
        self._writer = csv.writer(stream, lineterminator="\n")
        if not stream.tell():
            self._writer.writerow(columns)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; keys that are no column are left out."""
        self._writer.writerows([_cell(row.get(column)) for column in self._columns] for row in rows)

    def write_long(self, parts: Iterable[_Long]) -> None:
        """Append rows that differ in their numbers alone, formatted at once: what ``write`` would make of them."""
        for shared, (grid, *columns) in parts:
            values = np.column_stack(columns)
            lines = _lines(grid.astype(np.float64).tobytes(), values.shape[1])
            if np.isfinite(values).all():
                text = lines % tuple(values.ravel().tolist())
            else:
                text = lines.replace("%.7g", "%s") % tuple(map(_cell, values.ravel().tolist()))
            words = io.StringIO()
            csv.writer(words, lineterminator="").writerow(map(_cell, shared.values()))
            self._stream.write(text.replace(_WORDS, words.getvalue()))


_WORDS = "\0"
"""Where the cells that all rows share go: a character that no cell has."""


@lru_cache(maxsize=16)
def _lines(grid: bytes, count: int) -> str:
    """Rows over a grid, of whose numbers these are the bytes, with places for so many numbers more."""
    return "".join(f"{_WORDS},{_cell(place)}{',%.7g' * count}\n" for place in np.frombuffer(grid).tolist())


def _cell(value: Any) -> str:
    """Text of one cell: 7 digits, empty where nothing is known, never a formula."""
    if isinstance(value, float):  # first, as most are
        return f"{value:.7g}" if math.isfinite(value) else ""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | np.number):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return _text(str(value))


@lru_cache(maxsize=64)
def _text(text: str) -> str:
    """A cell of a text column."""
    text = printable(text)
    return f"'{text}" if _FORMULA.match(text) else text
