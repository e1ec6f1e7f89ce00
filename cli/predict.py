"""``exafsnn predict``: scans → RDFs."""

from __future__ import annotations

import click

from . import screen
from .scan_options import background_settings, scan_options

_COLUMNS = {
    "scan": screen.scan_of,
    "status": screen.text("status"),
    "range": screen.text("range"),
    "N": screen.number("coordination", 2),
    "R (Å)": screen.number("distance", 3),
    "σ² (Å²)": screen.number("sigma2", 4),
    "ΔE₀ (eV)": screen.number("delta_e0", 1),
    "S₀²": screen.number("amplitude", 2),
    "R-factor": screen.number("misfit", 3),
}


@click.command()
@scan_options
@click.option("--model", metavar="NAME", help="Model by name or path; by default that of the scan's edge.")
@click.option("--reference", "references", multiple=True, metavar="SCAN", help="Standard of known structure.")
@click.option("--structure", metavar="S", help="Its structure: bcc:a, fcc:a, hcp:a,c in Å, …")
def predict(
    scans: tuple[str, ...],
    columns: str | None,
    output: str,
    full: bool,
    as_json: bool,
    model: str | None,
    references: tuple[str, ...],
    structure: str | None,
    **background: float | None,
) -> int:
    """Predict the radial distribution functions of SCANS.

    A scan is a file, or one record of it as FILE::RECORD. The results go to a folder, a table of them to the screen.
    """
    if bool(references) != bool(structure):
        raise click.UsageError("--reference and --structure belong together: give both, or neither")
    from exafsnn.pipeline import predict_scans
    from exafsnn.results import ResultsFolder

    settings = background_settings(**background)
    outcomes = predict_scans(
        screen.with_bar(scans, "scans"),
        model=model,
        references=references,
        structure=structure,
        columns=columns,
        settings=settings,
    )
    asked = {"model": model, "references": references, "structure": structure, "columns": columns}
    folder = ResultsFolder(output, "predict", {**asked, "background": settings.to_mapping()}, references, full)
    return screen.show_scans(outcomes, folder, _COLUMNS, as_json)
