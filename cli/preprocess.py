"""``exafsnn preprocess``: scans → χ(k)."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from exafsnn.settings import Exports
from exafsnn.workers import cores

from . import screen
from .progress import Work
from .scan_options import background_settings, scan_options

_K_MAX = "k max (1/Å)"
_COLUMNS = {
    "scan": screen.scan_of,
    "status": screen.text("status"),
    "edge": screen.text("edge"),
    "E₀ (eV)": screen.number("e0", 1),
    "edge step": screen.number("edge_step", 3),
    "noise of χ": screen.number("noise", 5),
    _K_MAX: screen.number("k_max_usable", 1),
}


@click.command()
@scan_options
def preprocess(
    scans: tuple[str, ...],
    columns: str | None,
    merge: bool,
    foil_columns: str | None,
    e0_foil: float | None,
    output: str,
    full: bool,
    exports: Exports,
    as_json: bool,
    log: str | None,
    glances: str | None,
    **background: float | None,
) -> int:
    """Measure χ(k) of SCANS, and say what is wrong with them."""
    from exafsnn.run.samples import expanded, of_folders
    from exafsnn.run.scans import measure_scans
    from exafsnn.write.results import ResultsFolder

    loose, scans = of_folders(scans), expanded(scans)
    work = Work(len(scans), log, glances)
    settings = background_settings(**background)
    asked: dict[str, Any] = {"columns": columns, "merge": merge, "foil_columns": foil_columns, "e0_foil": e0_foil}
    folder = ResultsFolder(
        output,
        "preprocess",
        asked | {"background": settings.to_mapping()},
        scans if merge else (),
        full,
        workers=cores(),
        sources=scans,
        exports=exports,
        progress=work.drawn,
    )
    shown = {name: cell for name, cell in _COLUMNS.items() if name != _K_MAX}
    shown[f"{_K_MAX}, {settings.kmax:g} asked" if settings.kmax else _K_MAX] = _COLUMNS[_K_MAX]
    how: dict[str, Any] = {"settings": settings, "workers": cores(), "eager": glances is not None}
    measured = partial(measure_scans, work.sources(scans), **asked, **how)
    return screen.show_scans(measured, folder, shown, as_json, work, loose)
