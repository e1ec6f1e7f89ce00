"""A scan and its answer → files of columns that any program reads, one for each space, with names in the head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from exafsnn import __version__
from exafsnn.measure.transforms import to_r, wavelet
from exafsnn.records import Array, ChiK, Prediction
from exafsnn.settings import Exports
from exafsnn.write.larch_groups import group_of
from exafsnn.write.tables import printable

_Columns = Mapping[str, Array]


def column_files(name: str, chi: ChiK, prediction: Prediction | None, asked: Exports) -> Iterator[tuple[str, str]]:
    """The names and texts of a scan's files: ``.mu``, ``.chik``, ``.chir``, ``.chiq`` and, of an answer, ``.rdf``.

    Parameters
    ----------
    name
        What they begin with.
    chi
        The scan.
    prediction
        The answer, which χ(k) and χ(R) of the model and n(r) are of.
    asked
        k weights (a file of each), window, and range of χ(q).
    """
    head = [f"exafsnn {__version__}: {chi.absorber} {chi.edge}, {printable(chi.source)}"]
    if chi.record:
        head.append(f"record: {printable(chi.record)}")
    if chi.spectrum is not None:
        yield f"{name}.mu", _text([*head, f"E0: {chi.e0:.3f} eV, edge step: {chi.edge_step:.6g}"], _of_mu(chi))
    model = {"chi_model": prediction.chi_model} if prediction else {}
    yield f"{name}.chik", _text([*head, *_facts(chi, prediction)], {"k": chi.k, "chi": chi.chi, **model})
    for weight in asked.kweights:
        low, high = asked.k_range or (prediction.k_window if prediction else (None, None))
        each = {"": chi} | ({"_model": _with(chi, prediction.chi_model)} if prediction else {})
        seen = {end: to_r(one, weight, low, high, asked.dk, asked.window) for end, one in each.items()}
        first = seen[""]
        said = f"k weight {weight}, {asked.window} window {first.k_range[0]:.2f} to {first.k_range[1]:.2f} 1/A"
        said += "" if asked.dk is None else f", dk {asked.dk:g}"
        columns = {"r": first.r}
        back = {end: one.to_q(*asked.r_range) for end, one in seen.items()}
        columns_q = {"q": back[""].q}
        for end, one in seen.items():
            columns |= {f"re{end}": one.values.real, f"im{end}": one.values.imag, f"mag{end}": one.magnitude}
            values = back[end].values
            columns_q |= {f"re{end}": values.real, f"im{end}": values.imag, f"mag{end}": np.abs(values)}
        yield f"{name}-k{weight}.chir", _text([*head, f"chi(R), not phase-corrected: {said}"], columns)
        of = f"chi(q) of R {asked.r_range[0]:g} to {asked.r_range[1]:g} A, dR 0.5: {said}"
        yield f"{name}-k{weight}.chiq", _text([*head, of], columns_q)
    if prediction:
        yield f"{name}.rdf", _text([*head, f"model {prediction.model}", "n(r) in 1/A"], _of_rdf(prediction))


def wavelet_png(chi: ChiK, weight: int) -> bytes:
    """The figure of a scan's wavelet map."""
    from exafsnn.write.figures import png, wavelet_figure

    return png(wavelet_figure(chi, wavelet(chi, weight)))


def _facts(chi: ChiK, prediction: Prediction | None) -> list[str]:
    said = [f"noise of chi: {chi.noise:.3e}, usable to k = {chi.k_end:.2f} 1/A"]
    if prediction:
        said.append(f"model {prediction.model}: delta E0 {prediction.delta_e0:.3f} eV, S02 {prediction.amplitude:.4f},"
                    f" R-factor {prediction.misfit:.4f}")  # fmt: skip
    return said


def _with(chi: ChiK, values: Array) -> Any:
    """The same scan with another χ(k), zero where a model says nothing."""
    return replace(chi, chi=np.where(np.isfinite(values), values, 0.0))


def _of_mu(chi: ChiK) -> _Columns:
    """μ(E), its pre-edge line, post-edge curve and background, normalised and flattened as by larch."""
    group = group_of(chi)
    names = {"energy": "energy", "mu": "mu", "pre_edge": "pre_edge", "post_edge": "post_edge", "bkg": "background",
             "norm": "norm", "flat": "flat"}  # fmt: skip
    return {shown: np.asarray(getattr(group, name)) for name, shown in names.items() if hasattr(group, name)}


def _of_rdf(prediction: Prediction) -> _Columns:
    rdf = prediction.rdf
    columns = {"r": rdf.r}
    for pair, density, spread in zip(rdf.pairs, rdf.density, rdf.spread, strict=True):
        columns |= {f"n_{pair}": density, f"std_{pair}": spread}
    return columns


def _text(head: list[str], columns: _Columns) -> str:
    lines = [*(f"# {line}" for line in head), f"# {' '.join(columns)}"]
    lines += [" ".join(f"{value:.9g}" for value in row) for row in np.column_stack(list(columns.values())).tolist()]
    return "\n".join(lines) + "\n"
