"""What many tests share: the folder of measured scans, and synthetic records whose truth is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exafsnn.constants import HBAR2_OVER_2M, K2_PER_EV
from exafsnn.errors import Finding, ModelError, ScanError
from exafsnn.records import ChiK, PartialRDF, Prediction, Shell, Spectrum

ROOT = Path(__file__).parents[1]
E0 = {"Fe": 7112.0, "Cu": 8979.0, "Pt": 11564.0, "Ni": 8333.0}
STEP = 1.3
BCC = ((8, 2.485, 0.0050), (6, 2.870, 0.0062), (12, 4.058, 0.0085), (24, 4.760, 0.0095), (8, 4.972, 0.0085))
"""Shells of iron at room temperature: number, distance [Å], σ² [Å²]."""
FIRST = (13.96, 0.31, 13.35, 14.57, 2.6512, 0.0048, 2.6418, 2.6606, 0.0412, 0.0031, 0.0351, 0.0473)
SECOND = (12.2, 0.9, 10.4, 14.0, 4.061, 0.011, 4.039, 4.083, 0.0093, 0.0021, 0.0052, 0.0134)
"""N, R [Å] and σ² [Å²] of two ranges: value, standard deviation, ends of the 95 % interval."""


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of measured scans: ``EXAFSNN_DATA_DIR``, else beside the repository."""
    folder = Path(os.environ.get("EXAFSNN_DATA_DIR", ROOT.parent / "shared" / "spectra"))
    if not folder.is_dir():
        pytest.skip(f"no measured scans: the folder {folder} is absent; name it in EXAFSNN_DATA_DIR")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test finds the user's models, or leaves trajectories in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("EXAFSNN_MODELS", "EXAFSNN_CACHE"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture
def make_prediction() -> Callable[..., Prediction]:
    """Make predictions of iron that no model made."""
    return synthetic_prediction


@pytest.fixture
def make_chi() -> Callable[..., ChiK]:
    """Make χ(k) of iron that no beamline measured."""
    return synthetic_chi


@pytest.fixture
def beamline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace readers and model by fakes that know the files ``good.dat``, ``bad.dat``, … by name."""
    from exafsnn.read import scan

    monkeypatch.setattr(scan, "read_one", fake_read)
    monkeypatch.setattr(scan, "read_all", fake_read_all)
    monkeypatch.setattr("exafsnn.infer.joint.load_any", FakeModel)
    monkeypatch.setattr("exafsnn.infer.reference.calibrate", lambda model, chi, structure: structure)


def fake_read_all(source: str, **asked: Any) -> Iterator[tuple[str, ChiK | Exception]]:
    for name in [f"{source}::one", f"{source}::two"] if source == "many.prj" else [source]:
        try:
            yield name, fake_read(name, **asked)
        except Exception as error:
            yield name, error


def fake_read(source: str, *, columns: str | None = None, e0: float | None = None, **_: object) -> ChiK:
    file, _, record = source.partition("::")
    if file == "absent.dat":
        raise ScanError("there is no such file", where=source, remedy="Check the path")
    if file == "bad.dat":
        raise ScanError("no edge", where="bad.dat, line 7", remedy="Measure one")
    if file == "broken.dat":
        raise ZeroDivisionError
    fatal = Finding("inverted", "fatal", "The sign is inverted", remedy="Swap I0 and It")
    chi = synthetic_chi(file, record, findings=(fatal,) if file == "fatal.dat" else ())
    return replace(chi, absorber="Cu") if file == "copper.dat" else chi


class FakeModel:
    """The model ``fe-k``, which always finds iron."""

    def __init__(self, name: str) -> None:
        if name != "fe-k":
            raise ModelError("no such model", where=name, remedy="Shipped models: fe-k")
        self.name, self.identity, self.absorber, self.edge = name, "fe-k (0123)", "Fe", "K"
        self.ranges = {"first": (1.9, 3.3)}
        self.ensemble = SimpleNamespace(crystals=lambda _kind, _constant: [0])

    def predict(self, chi: ChiK, reference: object = None) -> Prediction:
        changes = (
            {"amplitude": 0.7} if reference else {"findings": (Finding("no-reference", "warning", "no reference"),)}
        )
        if chi.source == "nan.dat":
            changes["misfit"] = float("nan")
        return synthetic_prediction(chi=chi, **changes)

    def check(self, chi: ChiK) -> None:
        """Any scan is one of iron."""

    def seen_as(self, density: np.ndarray) -> list[str]:
        """Any is bcc."""
        return ["bcc"] * len(density)

    def oxidised(self, density: np.ndarray) -> np.ndarray:
        """None is."""
        return np.zeros(len(density))

    def predict_all(self, scans: Sequence[ChiK], reference: object = None) -> list[Prediction]:
        return [self.predict(chi, reference) for chi in scans]


def synthetic_prediction(file: str = "fe.300", record: str = "", **changes: object) -> Prediction:
    """Prediction of bcc iron with a plausible spread."""
    chi = changes.pop("chi", None) or synthetic_chi(file, record)
    assert isinstance(chi, ChiK)
    r = np.arange(1.5, 6.3, 0.03) + 0.015
    density = sum(n * _gaussian(r, distance, sigma2 + 0.0009) for n, distance, sigma2 in BCC)
    samples = _samples(r, density)
    rdf = PartialRDF(r, ("Fe-Fe",), density[None], samples.std(axis=0), samples, smoothing=0.03)
    values = {
        "shells": {
            "first": Shell("Fe-Fe", 1.9, 3.3, *FIRST, 2e-4, 1e-4),
            "second": Shell("Fe-Fe", 3.3, 4.5, *SECOND, 1e-4, 2e-4),
        },
        "delta_e0": 3.2,
        "delta_e0_std": 0.6,
        "amplitude": 0.84,
        "amplitude_std": 0.05,
        "chi_model": 0.98 * _chi_of_shells(chi.k, 0.003),
        "misfit": 0.0214,
        "misfit_noise": 1.7,
        "in_domain": True,
        "domain_score": 0.4,
        "model": "fe-k 0123456789ab",
        "k_window": (3.0, 14.0),
    }
    return Prediction(chi, rdf, **(values | changes))  # type: ignore[arg-type]


def synthetic_chi(file: str = "fe.300", record: str = "", findings: tuple[Finding, ...] = ()) -> ChiK:
    """χ(k) of bcc iron with noise, and the scan behind it."""
    k = 0.05 * np.arange(330)
    noise = 4e-4 * np.random.default_rng(1).standard_normal(k.size)
    chi = _chi_of_shells(k, 0.0) + noise * (1 + (k / 10) ** 2)
    energy = 7112.0 + np.concatenate([np.arange(-150, -20, 5.0), np.arange(-20, 30, 0.5), HBAR2_OVER_2M * k[60:] ** 2])
    background = _background(energy)
    wavenumber = np.sqrt(np.clip(energy - 7112.0, 0, None) / HBAR2_OVER_2M)
    mu = background + 0.9 * np.interp(wavenumber, k, chi) * (energy > 7112.0)
    spectrum = Spectrum(energy, mu, "Fe", "K", file, record, temperature=300.0)
    return ChiK(
        k, chi, "Fe", "K", 4e-4, 7112.0, 0.9, 16.0, file, record, 300.0,
        findings=findings, spectrum=spectrum, background=background,
    )  # fmt: skip


def _chi_of_shells(k: np.ndarray, more_disorder: float) -> np.ndarray:
    """Single scattering with a crude amplitude and phase."""
    q = np.maximum(k, 0.5)
    amplitude = 0.5 * np.exp(-(((q - 6.5) / 5.0) ** 2)) * np.exp(-0.25 / q)
    waves = sum(
        n / (q * r**2) * np.exp(-2 * r / 8.0 - 2 * (s2 + more_disorder / 10) * q**2) * np.sin(2 * q * r - 0.9 * q + 2)
        for n, r, s2 in BCC
    )
    return np.asarray(amplitude * waves * (1 - np.exp(-(q**2))))


def _background(energy: np.ndarray) -> np.ndarray:
    """μ₀(E) of an iron foil."""
    x = energy - 7112.0
    white_line = 0.25 * np.exp(-(((x - 18.0) / 9.0) ** 2))
    return np.asarray(
        0.6 - 2e-4 * x + (0.9 - 3e-4 * np.clip(x, 0, None)) * (np.arctan(x / 2) / np.pi + 0.5) + white_line
    )


def _gaussian(r: np.ndarray, centre: float, variance: float) -> np.ndarray:
    return np.asarray(np.exp(-((r - centre) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))


def _samples(r: np.ndarray, density: np.ndarray) -> np.ndarray:
    """(24, 1, b) RDFs around ``density``, with correlated deviations."""
    random = np.random.default_rng(2)
    smooth = np.exp(-((r[:, None] - r[None]) ** 2) / (2 * 0.12**2))
    deviations = random.standard_normal((24, r.size)) @ np.linalg.cholesky(smooth + 1e-6 * np.eye(r.size)).T
    return np.asarray(np.clip(density * (1 + 0.06 * deviations) + 0.25 * np.abs(deviations), 0, None))[:, None]


def energy_grid(e0: float, k_max: float, pre: float = 200.0) -> np.ndarray:
    """Energies of an ordinary scan: 5 eV, 0.5 eV, then 0.05 Å⁻¹ apart."""
    k = np.arange(3.0, k_max + 0.025, 0.05)
    return e0 + np.concatenate([np.arange(-pre, -20, 5.0), np.arange(-20, 34, 0.5), HBAR2_OVER_2M * k**2])


def true_chi(k: np.ndarray) -> np.ndarray:
    """One shell of 12 atoms at 2.55 Å, crude amplitude, vanishing at k = 0."""
    q = np.maximum(k, 0.3)
    return 12 * 0.4 * np.exp(-2 * 0.005 * q**2) * np.sin(2 * 2.55 * q) / (q * 2.55**2) * (1 - np.exp(-(q**4) / 20))


def true_mu(energy: np.ndarray, e0: float) -> np.ndarray:
    """Pre-edge line, smooth edge, and χ(k) on a flat atomic background."""
    k = np.sqrt(np.clip(energy - e0, 0, None) * K2_PER_EV)
    rise = np.arctan((energy - e0) / 1.0) / np.pi + 0.5
    return 0.6 - 1e-4 * (energy - e0) + STEP * rise * (1 + true_chi(k) * (energy > e0))


def make(element: str = "Fe", edge: str = "K", k_max: float = 16.0, pre: float = 200.0) -> Spectrum:
    energy = energy_grid(E0[element], k_max, pre)
    return Spectrum(energy, true_mu(energy, E0[element]), element, edge, source="made.dat")


@pytest.fixture
def make_scan() -> Callable[..., Spectrum]:
    """Make a scan: ``make_scan("Fe", k_max=16)``."""
    return make


@pytest.fixture
def scan(make_scan: Callable[..., Spectrum]) -> Spectrum:
    """A scan of iron."""
    return make_scan("Fe")


@pytest.fixture
def counts(scan: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """I0 and It of the scan."""
    i0 = 1e5 + 10 * (scan.energy - 7112.0)
    return i0, i0 * np.exp(-scan.mu)


@pytest.fixture
def truth() -> Callable[[np.ndarray], np.ndarray]:
    """χ(k) of the scans that ``make_scan`` makes."""
    return true_chi


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a file: header lines, then rows of the given columns; returns its name."""

    def writer(*columns: np.ndarray, header: str = "", name: str = "scan.dat", between: str = "  ") -> str:
        rows = [between.join(f"{value:.10g}" for value in row) for row in np.column_stack(columns)]
        path = tmp_path / name
        path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
        return str(path)

    return writer


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let averages of trajectories do without FEFF, in this process."""
    pytest.importorskip("ase")
    from .toy_scattering import toy_theory

    monkeypatch.setattr("exafsnn.simulate.average.make_theory", toy_theory)


@pytest.fixture
def crystal_in_motion() -> Callable[..., Any]:
    """Make frames of copper that remember one another: ``crystal_in_motion(60, seed=1)``."""
    pytest.importorskip("ase")
    from .toy_scattering import crystal_in_motion

    return crystal_in_motion
