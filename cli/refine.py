"""``exafsnn refine``: scans → RDFs, improved against the data."""

from __future__ import annotations

from typing import Any

import click

from .answer import answer_options, show_answers


@click.command()
@answer_options
def refine(scans: tuple[str, ...], **options: Any) -> int:
    """Predict the radial distribution functions of SCANS, then improve each against its data.

    A scan is a file, or one record of it as FILE::RECORD. Scans joined by + are the edges of one sample, as in
    zn.xdi+se.xdi, and are answered together. The results go to a folder, a table of them to the screen.

    With --reference the errors of the theory are found, too, and taken out: use one if you can.
    """
    from exafsnn.run.scans import refine_scans

    return show_answers("refine", refine_scans, scans, **options)
