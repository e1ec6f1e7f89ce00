"""From an EXAFS scan to the radial distribution function around the absorbing atom, with error bars.

A scan is **measured** into χ(k); structures are **simulated** into training spectra; a network **learns** the inverse;
it **infers** an RDF from a measured χ(k); the RDF is **analysed**. One folder per verb. The main job in three lines::

    chi = exafsnn.read("foil.xdi").to_chi()
    prediction = exafsnn.load_model("fe-k").predict(chi)
    prediction.rdf.shell("Fe-Fe", 1.9, 3.3).coordination

Many scans at once: ``exafsnn.predict_scans`` and ``exafsnn.refine_scans``, which are what the commands call. The names
below are imported when they are first used, so that ``import exafsnn`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exafsnn.analyse.order import orders_of
    from exafsnn.errors import ExafsnnError, ScanError
    from exafsnn.infer.adapt import adapt
    from exafsnn.infer.joint import load_any as load_model
    from exafsnn.infer.reference import calibrate
    from exafsnn.infer.refine import Refiner
    from exafsnn.read.scan import from_larch
    from exafsnn.read.scan import read_one as read
    from exafsnn.records import ChiK, Order, PartialRDF, Prediction, Shell, Spectrum
    from exafsnn.run.adapt import adapt_scans
    from exafsnn.run.compare import compare_scans
    from exafsnn.run.scans import answer_stack, measure_scans, predict_scans, refine_scans
    from exafsnn.run.series import follow, follow_records
    from exafsnn.settings import BackgroundSettings
    from exafsnn.write.archive import read_scan

__version__ = "0.1.0"

_PLACES = {
    "read": ("exafsnn.read.scan", "read_one"),
    "from_larch": ("exafsnn.read.scan", "from_larch"),
    "load_model": ("exafsnn.infer.joint", "load_any"),
    "calibrate": ("exafsnn.infer.reference", "calibrate"),
    "measure_scans": ("exafsnn.run.scans", "measure_scans"),
    "predict_scans": ("exafsnn.run.scans", "predict_scans"),
    "refine_scans": ("exafsnn.run.scans", "refine_scans"),
    "Refiner": ("exafsnn.infer.refine", "Refiner"),
    "adapt": ("exafsnn.infer.adapt", "adapt"),
    "adapt_scans": ("exafsnn.run.adapt", "adapt_scans"),
    "compare_scans": ("exafsnn.run.compare", "compare_scans"),
    "answer_stack": ("exafsnn.run.scans", "answer_stack"),
    "follow": ("exafsnn.run.series", "follow"),
    "follow_records": ("exafsnn.run.series", "follow_records"),
    "read_scan": ("exafsnn.write.archive", "read_scan"),
    "orders_of": ("exafsnn.analyse.order", "orders_of"),
    "Spectrum": ("exafsnn.records", "Spectrum"),
    "ChiK": ("exafsnn.records", "ChiK"),
    "PartialRDF": ("exafsnn.records", "PartialRDF"),
    "Shell": ("exafsnn.records", "Shell"),
    "Order": ("exafsnn.records", "Order"),
    "Prediction": ("exafsnn.records", "Prediction"),
    "BackgroundSettings": ("exafsnn.settings", "BackgroundSettings"),
    "ExafsnnError": ("exafsnn.errors", "ExafsnnError"),
    "ScanError": ("exafsnn.errors", "ScanError"),
}

__all__ = [
    "read",
    "from_larch",
    "load_model",
    "calibrate",
    "measure_scans",
    "predict_scans",
    "refine_scans",
    "Refiner",
    "adapt",
    "adapt_scans",
    "compare_scans",
    "answer_stack",
    "follow",
    "follow_records",
    "read_scan",
    "orders_of",
    "Spectrum",
    "ChiK",
    "PartialRDF",
    "Shell",
    "Order",
    "Prediction",
    "BackgroundSettings",
    "ExafsnnError",
    "ScanError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its room."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, original = _PLACES[name]
    return getattr(import_module(room), original)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
