"""The results of ``predict``, ``refine`` and ``compare`` → one self-contained HTML page, of what their folder holds.

The answer in words first, then a table, then each scan with its fit in vector pictures, one click away. No script,
nothing from elsewhere; all text is escaped by the template engine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn import __version__
from exafsnn.partials import APART
from exafsnn.records import Array
from exafsnn.run.samples import label_of
from exafsnn.words import plus_minus, shortened
from exafsnn.write.archive import read_scan
from exafsnn.write.markup import template
from exafsnn.write.panels import magnitude_of_chi_r, rdf_limits, rounded, tells
from exafsnn.write.tables import Row, printable
from exafsnn.write.vector import COLOURS, INK, Plot

MOST_ROWS, MOST_DRAWN = 300, 50
"""Rows of the table, and scans with pictures."""
_R_MAX = 6.5
_SOME = 0.3
"""Atoms that are worth a sentence."""
_FINDINGS = 12
"""Of a scan."""
_DO = {"predict": "predicted", "refine": "refined", "compare": "refined, and compared with shell fits"}
_NETWORK = (
    "A neural network, trained on molecular dynamics and FEFF, gave n(r), the number of atoms per Å at distance r from"
    " an absorbing atom"
)
_REFINED = f"{_NETWORK}; its answer was then improved against the data, with what the model knows of such samples."
_METHOD = {
    "predict": f"{_NETWORK}.",
    "refine": _REFINED,
    "compare": f"{_REFINED} larch's feffit fitted the same shells, by paths of the same theory (compare.csv).",
}
_BOTH = (
    "χ(k) was measured from the scan by the algorithms of larch (AUTOBK); N, R and σ² are the integral, mean and"
    " variance of n(r) within a range. Errors are one standard deviation, set on simulated scans of states and theories"
    " that networks had not seen. What n(r) implies is turned back into a spectrum: how much of the measured one it"
    " explains is said of each scan.",
    "When you publish, cite exafsnn (CITATION.cff), larch (Newville, J. Phys. Conf. Ser. 430, 012007 (2013)) and FEFF"
    " (Rehr & Albers, Rev. Mod. Phys. 72, 621 (2000)), and give the model and the version below; settings.json has all"
    " that was asked for.",
)


def scans_page(command: str, scans: Sequence[Row], rows: Sequence[Row], archive: Path, facts: Mapping[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    command
        That made the results.
    scans
        What became of each (``tables.scan_facts``).
    rows
        Their ranges (``tables.summary_rows``).
    archive
        ``results.h5``.
    facts
        Everything that was asked for, and the models.
    """
    names = _names(scans)
    links = {_key(scan): f"scan-{number}" for number, scan in enumerate(scans[:MOST_DRAWN], start=1)}
    own: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        own.setdefault(_key(row), []).append(row)
    table = [
        ({"name": names[_key(row)], "link": links.get(_key(row), "")}, row["status"], _cells(row))
        for row in rows
        if row.get("range", "first") in ("first", "metal", "oxide")
    ]
    return template("scans.html").render(
        title=f"{len(scans)} {'scan' if len(scans) == 1 else 'scans'} {_DO[command]}",
        subtitle=_subtitle(facts),
        answers=list(_answers(scans, rows, facts, names)),
        headings=("scan", "status", "pair", "range", "N", "R (Å)", "σ² (Å²)", "fit"),
        rows=table[:MOST_ROWS],
        left_out=max(0, len(table) - MOST_ROWS),
        shell_headings=(
            *("range", "pair", "from – to (Å)", "N", "R (Å)", "σ² (Å²)"),
            *(("N feffit", "R feffit", "σ² feffit") if command == "compare" else ()),
        ),
        scans=[
            _scan(scan, own.get(_key(scan), []), names[_key(scan)], links[_key(scan)], archive)
            for scan in scans[:MOST_DRAWN]
        ],
        undrawn=max(0, len(scans) - MOST_DRAWN),
        method=(_METHOD[command], *_BOTH),
        made=f"Made by exafsnn {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, models"
        f" {', '.join(facts['models']) or 'none'}.",
    )


def _key(row: Row) -> tuple[str, str]:
    return row["file"], row["record"]


def _name(row: Row) -> str:
    name = row.get("title") or label_of(row["file"])
    return printable(f"{name}::{row['record']}" if row["record"] else name)


def _subtitle(facts: Mapping[str, Any]) -> str:
    asked = facts["settings"]
    references = [label_of(name) for name in asked.get("references") or ()]
    standard = f"standard {' and '.join(references)} ({asked.get('structure')})" if references else "no standard"
    return printable(" · ".join([*(f"model {name}" for name in facts["models"]), standard]))


def _answers(
    scans: Sequence[Row], rows: Sequence[Row], facts: Mapping[str, Any], names: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """What a newcomer asks first, in sentences."""
    states = Counter(scan["status"] for scan in scans)
    done = states["ok"] + states["warned"]
    said = [f"{done} of {len(scans)} scans have an answer" if len(scans) > 1 or not done else "The scan has an answer"]
    if states["warned"]:
        said.append(f"{states['warned']} with a warning that may change its numbers")
    if states["foreign"]:
        said.append(f"{states['foreign']} foreign: of another material than the model knows, and without numbers")
    if states["rejected"]:
        said.append(f"{states['rejected']} rejected, with the reason below")
    yield f"{'; '.join(said)}."
    done_rows = [row for row in rows if row["status"] in ("ok", "warned") and "range" in row]
    apart = {
        row["pair"] for row in done_rows if row["range"] in APART
    }  # "first" of these may hold a part of the other's
    firsts = [row for row in done_rows if row["range"] == "first" and row["pair"] not in apart]
    of_both = [row for row in done_rows if row["range"] in APART and row["coordination"] > _SOME]
    for pair, name in dict.fromkeys((row["pair"], row["range"]) for row in (*of_both, *firsts)):
        told = [row for row in (*of_both, *firsts) if (row["pair"], row["range"]) == (pair, name)]
        told = [row for row in told if math.isfinite(row["distance"]) and row["coordination"] > _SOME]
        if told:
            yield _of_pair(pair, told, f", of the {name}" if name in APART else "")
    yield from _of_metal([row for row in done_rows if math.isfinite(row.get("metal", math.nan))], names)
    if done_rows and not facts["settings"].get("references"):
        yield (
            "There was no standard: N rests on what amplitude such scans usually have, and its error says how much"
            " of it is doubt about that. A foil measured alike (--reference) makes it a third or less."
        )


def _of_metal(told: Sequence[Row], names: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """How much of each element is in its metal, and in which scan; of many where it is least, and where most."""
    by_element: dict[str, dict[tuple[str, str], Row]] = {}
    for row in told:
        by_element.setdefault(row["pair"].partition("-")[0], {})[_key(row)] = row
    for element, scans in by_element.items():
        ordered = sorted(scans.values(), key=lambda row: row["metal"])
        least, most = (
            (plus_minus(100 * max(row["metal"], 0.0), 100 * row["metal_std"], "%"), names[_key(row)])
            for row in (ordered[0], ordered[-1])
        )
        if len(scans) == 1:
            yield f"{least[0]} of the {element} atoms of {least[1]} are in the metal."
        else:
            span = f"from {least[0]} ({least[1]}) to {most[0]} ({most[1]})"
            yield f"The share of the {element} atoms that are in the metal goes {span}, in {len(scans)} scans."


def _of_pair(pair: str, told: Sequence[Row], of: str) -> str:
    """How many neighbours, and how far away, in a sentence."""
    absorber, _, neighbour = pair.partition("-")
    within = f"from {told[0]['r_min']:.1f} to {told[0]['r_max']:.1f} Å"
    if len(told) == 1:
        n = plus_minus(told[0]["coordination"], told[0]["coordination_std"])
        distance = plus_minus(told[0]["distance"], told[0]["distance_std"], "Å")
        return f"Around {absorber} there are {n} {neighbour} neighbours {within}{of}, {distance} away on average."
    number, away = (sorted(row[name] for row in told) for name in ("coordination", "distance"))
    return (
        f"Around {absorber} there are {number[0]:.1f} to {number[-1]:.1f} {neighbour} neighbours {within}{of},"
        f" {away[0]:.3f} to {away[-1]:.3f} Å away on average, in {len(told)} scans."
    )


def _names(scans: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Names without folders, but for those that are the same then."""
    short = {_key(scan): _name(scan) for scan in scans}
    times = Counter(short.values())
    whole = {_key(scan): printable("::".join(filter(None, _key(scan)))) for scan in scans}
    return {key: name if times[name] == 1 else whole[key] for key, name in short.items()}


def _cells(row: Row) -> list[str]:
    """Those of the table of all scans."""
    return [str(row.get("pair", "")), str(row.get("range", "")), *_numbers(row), str(row.get("fit", ""))]


def _numbers(row: Row, of: str = "") -> list[str]:
    """N, R and σ² of a row, or those of a fit; why there are none."""
    names = [f"{of}{name}" for name in ("coordination", "distance", "sigma2")]
    found = [plus_minus(row[name], row[f"{name}_std"]) if row.get(name) is not None else "" for name in names]
    return [row["feffit_remark"], "", ""] if of and row.get("feffit_remark") else found


def _scan(scan: Row, rows: Sequence[Row], name: str, link: str, archive: Path) -> dict[str, Any]:
    """What is shown of one scan or sample."""
    findings = sorted(scan["findings"], key=lambda item: ("fatal", "warning", "note").index(item["severity"]))
    compared = any("feffit_remark" in row for row in rows)
    shells = [
        [
            *(row["range"], row["pair"], f"{row['r_min']:.2f} – {row['r_max']:.2f}", *_numbers(row)),
            *(_numbers(row, "feffit_") if compared else ()),
        ]
        for row in rows
        if "range" in row
    ]
    answered = [row for row in rows if "fit" in row]
    edges = list(dict.fromkeys(row["edge"] for row in answered))
    each = edges[0].split("+") if edges else []
    return {
        "link": link,
        "name": name,
        "status": scan["status"],
        "verdict": answered[0]["fit"] if answered else "",
        "rows": shells,
        "edges": [_edge(read_scan(archive, scan["file"], scan["record"], edge)) for edge in each],
        "findings": [
            (item["severity"], printable(shortened(_sentence(item), 400))) for item in findings[:_FINDINGS]
        ],
    }  # fmt: skip


def _sentence(finding: Row) -> str:
    return f"{finding['message']}. {finding['remedy']}" if finding["remedy"] else str(finding["message"])


def _edge(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures of one edge, and what was applied."""
    k, chi, implied = (kept[f"chi/{name}"] for name in ("k", "chi", "chi_model"))
    window = float(kept["k_window"][0]), float(kept["k_window"][1])
    facts = [str(kept["edge"]), f"k {window[0]:.1f} – {window[1]:.1f} Å⁻¹", f"R-factor {float(kept['misfit']):.3f}"]
    if kept["in_domain"]:
        facts.append(f"ΔE₀ {plus_minus(float(kept['delta_e0']), float(kept['delta_e0_std']), 'eV')}")
        facts.append(f"S₀² {plus_minus(float(kept['amplitude']), float(kept['amplitude_std']))}")
    plots = [_plot_k(k, chi, implied, window), _plot_r(k, chi, implied, window), _plot_rdf(kept)]
    return {"facts": " · ".join(facts), "plots": plots}


def _plot_k(k: Array, chi: Array, implied: Array, window: tuple[float, float]) -> Plot:
    used = (k >= window[0]) & (k <= window[1])
    reach = 1.15 * float(np.abs(k**2 * chi)[used].max()) or 1.0
    plot = Plot("k (Å⁻¹)", "k²χ(k) (Å⁻²)", (1.0, min(float(k[-1]), window[1] + 1.5)), rounded(-reach, reach))
    plot.shade(*window)
    plot.line(k, k**2 * chi, INK, "measured")
    told = tells(implied)
    plot.line(k[told], (k**2 * implied)[told], COLOURS[1], "implied")
    return plot


def _plot_r(k: Array, chi: Array, implied: Array, window: tuple[float, float]) -> Plot:
    r = np.arange(0, _R_MAX, 0.02)
    both = [magnitude_of_chi_r(k, values, window, r) for values in (chi, implied)]
    plot = Plot("R (Å), not phase-corrected", "|χ(R)| (Å⁻³)", (0.0, _R_MAX), rounded(0.0, 1.05 * np.max(both) or 1.0))
    for values, colour, name in zip(both, (INK, COLOURS[1]), ("measured", "implied"), strict=True):
        plot.line(r, values, colour, name)
    return plot


def _plot_rdf(kept: Mapping[str, Any]) -> Plot:
    r, density, spread = (kept[f"rdf/{name}"] for name in ("r", "density", "spread"))
    limits = rdf_limits(r)
    plot = Plot("r (Å)", "n(r) (Å⁻¹)", limits, rounded(0.0, 1.05 * float((density + spread).max()) or 1.0))
    shown = (r >= limits[0]) & (r <= limits[1])
    for number, pair in enumerate(kept["pairs"]):
        colour = COLOURS[number % len(COLOURS)]
        low, high = np.maximum(density[number] - spread[number], 0.0), density[number] + spread[number]
        plot.band(r[shown], low[shown], high[shown], colour)
        plot.line(r, density[number], colour, pair)
    return plot
