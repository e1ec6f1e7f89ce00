"""``exafsnn predict``: scans → RDFs."""

from __future__ import annotations

from typing import Any

import click

from .answer import answer_options, show_answers


@click.command()
@answer_options
def predict(scans: tuple[str, ...], **options: Any) -> int:
    """Predict the radial distribution functions of SCANS.

    A scan is a file, or one record of it as FILE::RECORD. Scans joined by + are the edges of one sample, as in
    zn.xdi+se.xdi, and are answered together. The results go to a folder, a table of them to the screen.
    """
    from exafsnn.run.scans import predict_scans

    return show_answers("predict", predict_scans, scans, **options)
