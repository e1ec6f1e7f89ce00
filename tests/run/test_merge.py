"""Repeats become one scan with less noise, on one energy axis; what is no repeat is left out, and told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run

from exafsnn.errors import ScanError
from exafsnn.measure.scans import remove_background
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.merge import merged
from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import measure_scans, predict_scans
from exafsnn.run.series import follow
from exafsnn.settings import BackgroundSettings

SPECTRA = Path(__file__).parents[2] / "spectra"
SETTINGS = BackgroundSettings()


@pytest.fixture(scope="module")
def clean() -> Spectrum:
    """A simulated scan, raw, of which the small noise is its own."""
    return read_one(SPECTRA / "fe_0300K.dat")


def repeat(scan: Spectrum, seed: int, noise: float = 3e-4, shift: float = 0.0, scale: float = 1.0) -> Spectrum:
    """The same measured again: other noise, a monochromator that drifted, a thicker place."""
    own = np.random.default_rng(seed).normal(0, noise, len(scan.mu))
    return replace(scan, energy=scan.energy + shift, mu=scale * (scan.mu + own) + 0.1)


def named(*scans: Spectrum | ChiK | Exception) -> list[tuple[str, Spectrum | ChiK | Exception]]:
    return [(f"scan{number}", scan) for number, scan in enumerate(scans)]


def one(scans: list[tuple[str, Spectrum | ChiK | Exception]]) -> Spectrum | ChiK | Exception:
    """The only one of what was merged."""
    ((_, found),) = merged(scans, SETTINGS)
    return found


def found_in(scan: Spectrum | ChiK | Exception, name: str) -> list[str]:
    assert not isinstance(scan, Exception)
    return [finding.message for finding in scan.findings if finding.name == name]


def test_noise_falls_with_the_number_of_scans(clean: Spectrum) -> None:
    shared = remove_background(clean).noise  # all have that of the scan that they repeat
    single = remove_background(repeat(clean, 0, 2e-3)).noise
    nine = one(named(*(repeat(clean, seed, 2e-3) for seed in range(9))))
    assert isinstance(nine, Spectrum)
    own = np.sqrt(remove_background(nine).noise ** 2 - shared**2)
    assert own == pytest.approx(np.sqrt(single**2 - shared**2) / 3, rel=0.25)


def test_the_quiet_one_counts_more(clean: Spectrum) -> None:
    both = one(named(repeat(clean, 1, 3e-4), repeat(clean, 2, 12e-4)))
    (said,) = found_in(both, "merged")
    shares = [int(part.split("%")[0]) for part in said.split("(")[1:]]
    assert shares[0] > 80


def test_a_drifted_axis_is_laid_on_the_first(clean: Spectrum) -> None:
    """Half an electronvolt would smear χ; the mean of scans that drifted is that of scans that did not."""
    shifts = (0.0, 0.6, -0.4)
    drifted = one(named(*(repeat(clean, n, 1e-5, shift) for n, shift in enumerate(shifts))))
    (said,) = found_in(drifted, "aligned")
    moved = [float(part) for part in said.split("by ")[1].split(" eV")[0].split(", ")]
    assert moved == pytest.approx([0.0, -0.6, 0.4], abs=0.02)
    still = remove_background(repeat(clean, 0, 1e-5))
    chi = remove_background(drifted)
    used = (still.k > 3) & (still.k < 12)
    apart = np.interp(still.k, chi.k, chi.chi) - still.chi
    assert np.linalg.norm((apart * still.k**2)[used]) < 0.01 * np.linalg.norm((still.chi * still.k**2)[used])


def test_thickness_does_not_matter(clean: Spectrum) -> None:
    both = one(named(repeat(clean, 1, 1e-5), repeat(clean, 2, 1e-5, scale=2.5)))
    alone = remove_background(repeat(clean, 1, 1e-5))
    chi = remove_background(both)
    assert chi.edge_step == pytest.approx(1.0, abs=0.01)
    used = (alone.k > 3) & (alone.k < 12)
    assert np.abs(np.interp(alone.k, chi.k, chi.chi) - alone.chi)[used].max() < 2e-3


def test_what_is_no_repeat_stays_a_scan_of_its_own(clean: Spectrum) -> None:
    hot = read_one(SPECTRA / "fe_1000K.dat")
    unread = ScanError("no rows of numbers were found")
    found = dict(merged(named(clean, hot, repeat(clean, 1), unread), SETTINGS))
    mean, other, error = found.values()
    assert list(found) == [f"{clean.source} (2 merged)", "scan1", "scan3"]
    assert error is unread
    assert found_in(mean, "no-repeat") == []
    (said,) = found_in(other, "no-repeat")
    assert "scan0" in said
    np.testing.assert_array_equal(other.mu, hot.mu)


def test_of_two_that_differ_nothing_is_made(clean: Spectrum) -> None:
    found = merged(named(clean, read_one(SPECTRA / "fe_1000K.dat")), SETTINGS)
    assert [name for name, _ in found] == ["scan0", "scan1"]
    assert all(found_in(scan, "no-repeat") for _, scan in found)


def test_two_samples_of_two_scans_are_two_means(clean: Spectrum) -> None:
    hot = read_one(SPECTRA / "fe_1000K.dat")
    found = merged(named(clean, hot, repeat(clean, 1), repeat(hot, 2)), SETTINGS)
    assert [name.rpartition(" (")[2] for name, _ in found] == ["2 merged)", "2 merged)"]


def test_a_copy_counts_once(clean: Spectrum) -> None:
    found = one(named(clean, replace(clean, source="copy"), repeat(clean, 1)))
    assert len(found_in(found, "copy")) == 1
    assert "merged of 2 scans" in found_in(found, "merged")[0]


def test_chi_files_are_merged_too(make_chi) -> None:
    k, rng = np.arange(0, 15.01, 0.05), np.random.default_rng(0)
    base = make_chi()
    files = [
        replace(base, k=k, chi=np.interp(k, base.k, base.chi) + rng.normal(0, 1e-3, len(k)), noise=np.nan,
                k_max_usable=np.nan, spectrum=None)
        for _ in range(4)
    ]  # fmt: skip
    found = one(named(*files))
    assert isinstance(found, ChiK)
    rest = [each.chi - np.interp(k, base.k, base.chi) for each in (files[0], found)]
    assert np.std(rest[1]) == pytest.approx(np.std(rest[0]) / 2, rel=0.2)


def test_one_alone_stays_and_none_is_the_error(clean: Spectrum) -> None:
    assert one(named(clean)) is clean
    errors = named(ScanError("empty"), ScanError("empty too"))
    assert merged(errors, SETTINGS) == errors


def test_the_scans_of_each_temperature_become_one() -> None:
    scans = [str(SPECTRA / f"fe_{kelvin}K.dat") for kelvin in ("0300", "0700")]
    outcomes = list(measure_scans([*scans, *scans], merge=True))
    assert [outcome.file for outcome in outcomes] == scans  # given twice, they are read once


def test_merged_scans_are_one_row_that_says_so(tmp_path: Path, clean: Spectrum) -> None:
    files = [tmp_path / f"foil_{number}.dat" for number in range(3)]
    for number, file in enumerate(files):
        own = repeat(clean, number)
        header = "# Element.symbol: Fe\n# Element.edge: K\n# energy mu\n"
        file.write_text(header + "".join(f"{e:.3f} {mu:.6f}\n" for e, mu in zip(own.energy, own.mu, strict=True)))
    bad = tmp_path / "foil_9.dat"
    bad.write_text("nothing\n")
    out = tmp_path / "out"
    assert run(["predict", *map(str, files), str(bad), "--merge", "-o", str(out)]) == 3
    facts = json.loads((out / "settings.json").read_text())
    assert [scan["file"] for scan in facts["scans"]] == [str(bad), f"{files[0]} (3 merged)"]
    assert {str(file) for file in files} <= {item["file"] for item in facts["inputs"] if item["sha256"]}


def with_foil(tmp_path: Path, scan: Spectrum, drift: float) -> Path:
    """A file of a scan on a drifted axis, with a foil of the same edge behind it."""
    path = tmp_path / f"drift{drift:g}.dat"
    lines = [f"{e + drift:.4f} {mu:.6f} {mu:.6f}" for e, mu in zip(scan.energy, scan.mu, strict=True)]
    path.write_text("# Element.symbol: Fe\n# Element.edge: K\n# energy mu foil\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("drift", [-6.5, 0.0, 3.0])
def test_energies_are_calibrated_by_the_foil_behind(tmp_path: Path, clean: Spectrum, drift: float) -> None:
    path = with_foil(tmp_path, clean, drift)
    (outcome,) = measure_scans([str(path)], columns="energy=1,mu=2", foil_columns="energy=1,mu=3", e0_foil=7110.75)
    assert outcome.chi
    assert outcome.chi.e0 == pytest.approx(7110.75, abs=0.01)
    assert "calibrated" in {finding.name for finding in outcome.chi.findings}


def unused(outcome: Outcome) -> str:
    """What is told of columns that nobody takes."""
    return next((item.message for item in outcome.findings if item.name == "columns-unused"), "")


def test_the_columns_of_a_foil_play_a_part(tmp_path: Path, clean: Spectrum) -> None:
    """Of a foil that calibrates in every file, of one that is the standard in its own."""
    here, there = (str(with_foil(tmp_path, clean, drift)) for drift in (0.0, 3.0))
    of_scan, of_foil = "energy=1,mu=2", "energy=1,mu=3"
    assert [unused(each) for each in measure_scans([here], columns=of_scan)] == ["Columns that play no part: 3 (foil)"]
    assert [unused(each) for each in measure_scans([here, there], columns=of_scan, foil_columns=of_foil)] == ["", ""]
    asked = {"references": [here], "structure": "bcc:2.8665", "columns": of_scan, "reference_columns": of_foil}
    found = ["", "Columns that play no part: 3 (foil)"]
    assert [unused(each) for each in predict_scans([here, there], **asked)] == found
    assert [unused(each) for each in follow([here, there], **asked, against="order").outcomes] == found


def test_a_foil_that_cannot_be_used_rejects_its_scan(tmp_path: Path, clean: Spectrum) -> None:
    path = with_foil(tmp_path, clean, 0.0)
    (outcome,) = measure_scans([str(path)], columns="energy=1,mu=2", foil_columns="energy=1,mu=7")
    assert "the foil cannot be used" in outcome.reason


@pytest.mark.parametrize(("kelvins", "rows"), [((295.4, 295.6), 1), ((295.0, None), 1), ((60.0, 300.0), 2)])
def test_a_temperature_is_one_within_two_kelvin(tmp_path: Path, clean: Spectrum, kelvins, rows: int) -> None:
    files = []
    for number, kelvin in enumerate(kelvins):
        own, path = repeat(clean, number), tmp_path / f"foil{number}.dat"
        head = f"# Sample.temperature: {kelvin} K\n" if kelvin else ""
        lines = (f"{e:.3f} {mu:.6f}\n" for e, mu in zip(own.energy, own.mu, strict=True))
        path.write_text(f"# Element.symbol: Fe\n# Element.edge: K\n{head}# energy mu\n" + "".join(lines))
        files.append(str(path))
    assert len(list(measure_scans(files, merge=True))) == rows


def test_what_a_foil_cannot_calibrate_is_told(tmp_path: Path, clean: Spectrum) -> None:
    path = with_foil(tmp_path, clean, 0.0)
    (outcome,) = measure_scans([str(path)], columns="energy=1,mu=2", foil_columns="energy=1,mu=3", e0_foil=8000.0)
    assert "--e0-foil" in outcome.reason
    chi = clean.to_chi()
    file = tmp_path / "foil.chi"
    file.write_text("# Element.symbol: Fe\n# Element.edge: K\n# k chi\n"
                    + "".join(f"{k:.3f} {value:.8f}\n" for k, value in zip(chi.k, chi.chi, strict=True)))  # fmt: skip
    (outcome,) = measure_scans([str(file)], foil_columns="energy=1,mu=3")
    assert "no energies" in outcome.reason


def test_wrong_usage(tmp_path: Path) -> None:
    scan, out = str(SPECTRA / "fe_0300K.dat"), ["-o", str(tmp_path / "out")]
    assert run(["predict", scan, "--e0-foil", "7112", *out]) == 2
    assert run(["predict", f"{scan}+{SPECTRA / 'fe_0400K.dat'}", "--merge", *out]) == 2
    assert run(["series", scan, "--merge", "--watch", str(tmp_path), *out]) == 2
    assert run(["series", scan, "--merge", "--against", "order", *out]) == 2


def test_measured_repeats(data_dir: Path) -> None:
    """Three scans of iron at 60 K are one; that at 300 K is none of them."""
    scans = [str(data_dir / "fe" / name) for name in ("fe.060", "fe.061", "fe.062")]
    alone = [outcome.chi for outcome in measure_scans(scans)]
    mean, other = measure_scans([*scans, str(data_dir / "fe" / "fe.300")], merge=True)
    assert mean.file.endswith("fe.060 (3 merged)")
    assert (mean.status, other.status) == ("ok", "warned")
    assert mean.chi
    assert mean.chi.noise < 1.05 * min(chi.noise for chi in alone if chi)  # most of it is the same in each
    assert other.file.endswith("fe.300")
