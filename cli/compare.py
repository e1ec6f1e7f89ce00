"""``exafsnn compare``: answers beside larch's fits of the same shells."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from . import screen
from .answer import OF_RANGE, answer_options, show_answers
from .scan_options import POSITIVE

_COLUMNS = {
    **OF_RANGE,
    "N": screen.number("coordination", 2),
    "N feffit": screen.number("feffit_coordination", 2),
    "R (Å)": screen.number("distance", 3),
    "R feffit": screen.number("feffit_distance", 3),
    "σ² (Å²)": screen.number("sigma2", 4),
    "σ² feffit": screen.number("feffit_sigma2", 4),
    "R-factor": screen.number("misfit", 3),
    "of feffit": screen.text("feffit_remark"),
}


@click.command()
@answer_options
@click.option(
    "--s02", type=POSITIVE, metavar="X", help="S₀² of the fits; by default the reference's, or what is usual."
)
@click.option("--shells", type=int, metavar="N", help="Fit the N nearest shells; by default those of the range first.")
@click.option("--c3", "skewed", is_flag=True, help="Fit a third cumulant of the nearest shell, too.")
def compare(scans: tuple[str, ...], s02: float | None, shells: int | None, skewed: bool, **options: Any) -> int:
    """Refine SCANS, and hold each answer against a shell fit by larch's feffit.

    Both rest on the same scattering: the paths of the fit, which are written beside the results as FEFF's files, are
    those of the model. N, R and σ² of each shell and E₀ are free.
    """
    from exafsnn.run.compare import compare_scans

    how: dict[str, Any] = {"amplitude": s02, "most": shells, "skewed": skewed}
    return show_answers("compare", partial(compare_scans, **how), scans, shown=_COLUMNS, more=how, **options)
