"""Files → a map: iron through its transition, patterns with labels and holes, and what makes no map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ModelError, ScanError, SettingsError
from exafsnn.records import Array
from exafsnn.run.maps import LEAST, Mapped, make_map

from ..conftest import ROOT

X = np.arange(10.0, 40.0, 0.1)


def peaks(share: Array) -> Array:
    """(n, p) counts: a peak that moves and one that grows with the share."""
    moving = np.exp(-0.5 * ((X - 20 - 3 * share[:, None]) / 0.8) ** 2)
    growing = share[:, None] * np.exp(-0.5 * ((X - 32) / 0.5) ** 2)
    return 50 + 2000 * moving + 1000 * growing


def written(folder: Path, shares: Array, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    names = []
    for number, counts in enumerate(rng.poisson(peaks(shares))):
        path = folder / f"p{seed}-{number:02d}.xy"
        path.write_text("\n".join(f"{at:.2f} {count}" for at, count in zip(X, counts, strict=True)) + "\n")
        names.append(str(path))
    return names


def table(folder: Path, names: list[str], values: list[object]) -> str:
    path = folder / "share.csv"
    lines = [f"{Path(name).name},{value}" for name, value in zip(names, values, strict=True)]
    path.write_text("\n".join(["file,value", *lines]) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def iron() -> Mapped:
    """The nine demonstration scans from 1000 K on, of which 1190 K is the first in fcc."""
    return make_map(sorted(map(str, (ROOT / "spectra").glob("fe_1*.dat"))))


def test_the_transition_is_a_gap(iron: Mapped) -> None:
    kelvin = iron.labels.known
    order = np.argsort(kelvin)
    steps = np.linalg.norm(np.diff(iron.points[order], axis=0), axis=1)
    assert kelvin[order][steps.argmax() + 1] == 1190
    assert steps.max() > 1.5 * np.sort(steps)[-2]
    bcc, fcc = iron.clusters[kelvin < 1185], iron.clusters[kelvin > 1185]
    assert not set(bcc) & set(fcc) - {-1}


def test_what_differs_between_bcc_and_fcc_is_relevant(iron: Mapped) -> None:
    kelvin = iron.labels.known
    differ = iron.rows[(kelvin > 1185) & (kelvin < 1260)].mean(0) - iron.rows[(kelvin > 1050) & (kelvin < 1185)].mean(0)
    for space in ("k", "R"):
        chosen = [number for number, window in enumerate(iron.windows) if window.space == space]
        masks = [iron.windows[number].mask(iron.axis) for number in chosen]
        true = [np.linalg.norm(differ * mask if mask.ndim == 1 else mask @ differ) for mask in masks]
        assert np.argmax(iron.mean_relevance[chosen]) == np.argmax(true)


def test_the_shortest_scan_is_told(iron: Mapped) -> None:
    assert "the map ends at 9.1 Å⁻¹" in iron.told[0]
    assert "1220K.dat" in iron.told[0]


@pytest.mark.slow
def test_near_the_edge_it_is_made_of_mu(iron: Mapped) -> None:
    found = make_map([outcome.file for outcome in iron.used], kind="mu", masks=[(7110, 7120)])
    assert found.axis.label == "Energy (eV)"
    assert np.abs(found.rows[:, -1] - 1).max() < 0.2  # 80 eV behind the edge, in edge steps
    assert np.abs(found.rows[:, 0]).max() < 0.02
    assert found.relevance.shape == (9, 1)


def test_labels_that_are_left_empty_are_estimated(tmp_path: Path) -> None:
    shares = np.linspace(0, 1, 24)
    names = written(tmp_path, shares)
    told = [f"{share:.3f}" if number % 6 else "" for number, share in enumerate(shares)]
    found = make_map(names, labels=table(tmp_path, names, told))
    unknown = np.isnan(found.labels.known)
    assert unknown.sum() == 4
    assert np.abs(found.labels.value - shares)[unknown].max() < 0.06
    assert found.labels.missed < 0.05
    assert found.told == ()
    assert [rival.name for rival in found.rivals] == ["PCA", "NMF"]
    assert all(found.left < 0.8 * rival.left for rival in found.rivals)  # of planes, in which peaks do not move


def test_a_line_that_is_missing_is_told(tmp_path: Path) -> None:
    names = written(tmp_path, np.linspace(0, 1, 12))
    found = make_map(names, labels=table(tmp_path, [*names[1:], "other.xy"], [*map(str, range(11)), "5"]))
    assert "has no line of p0-00.xy: estimated, too. An empty value says that it is meant" in found.told[0]
    assert "names other.xy, which is not among the files" in found.told[1]
    assert np.isfinite(found.labels.value).all()


def test_labels_that_are_no_numbers_are_refused_before_anything_is_learned(tmp_path: Path) -> None:
    names = written(tmp_path, np.linspace(0, 1, LEAST))
    with pytest.raises(SettingsError, match=r"share\.csv, line 4: 'high' is no number"):
        make_map(names, labels=table(tmp_path, names, ["1", "2", "high", *"45678"]))
    with pytest.raises(
        SettingsError, match=r"5 files have a value, and from fewer than 6 none is estimated. Give more"
    ):
        make_map(names, labels=table(tmp_path, names, [*"12345", "", "", ""]))


def test_new_files_are_placed_on_a_map_that_was_made(tmp_path: Path) -> None:
    from exafsnn.analyse.map_file import map_bytes

    names = written(tmp_path, np.linspace(0, 1, 20))
    first = make_map(names)
    path = tmp_path / "map.safetensors"
    path.write_bytes(map_bytes(first.map, first.axis, first.limit * first.map.noise_))
    again = make_map(names[3:5], kept=str(path))
    assert np.allclose(again.points, first.points[3:5], atol=1e-9)
    assert again.rivals == ()
    odd = tmp_path / "odd.xy"
    odd.write_text("\n".join(f"{at:.2f} {50 + 900 * (abs(at - 27) < 1)}" for at in X) + "\n")
    short = tmp_path / "short.xy"
    short.write_text("\n".join(f"{at:.2f} 50" for at in X[:100]) + "\n")
    found = make_map([names[0], str(odd), str(short)], kept=str(path))
    assert found.outlying.tolist() == [False, True]
    assert "it reaches from 10 to 19.9 °, the map from 10 to 39.9" in found.outcomes[2].reason
    with pytest.raises(ScanError, match="none of the files fits on the map"):
        make_map([str(short)], kept=str(path))
    with pytest.raises(ModelError):
        make_map(names, kept=names[0])


@pytest.mark.slow
def test_artificial_spectra_lie_between_their_ends(tmp_path: Path) -> None:
    shares = np.linspace(0, 1, 20)
    names = written(tmp_path, shares)
    found = make_map(names, between=(Path(names[2]).name, names[17]))
    assert found.between is not None
    truth = [np.interp(share, [0, 1], [shares[2], shares[17]]) for share in found.between.shares]
    tops = X[found.axis.shown(found.between.rows)[:, X < 28].argmax(axis=1)]
    assert np.allclose(tops, 20 + 3 * np.array(truth), atol=0.35)


@pytest.mark.slow
def test_copies_tell_nothing_of_the_noise(tmp_path: Path) -> None:
    names = written(tmp_path, np.linspace(0, 1, 10))
    copies = []
    for number in range(10):
        copies.append(str(tmp_path / f"copy{number}.xy"))
        Path(copies[-1]).write_text(Path(names[0]).read_text())
    with pytest.raises(ScanError, match=r"all 10 are the same.*copies of one file"):
        make_map(copies)
    found = make_map([*names, *copies])
    assert found.left / found.map.noise_ < 5
    assert found.map.noise_ == pytest.approx(make_map(names).map.noise_, rel=0.4)


def test_what_makes_no_map(tmp_path: Path, iron: Mapped) -> None:
    names = written(tmp_path, np.linspace(0, 1, LEAST))
    with pytest.raises(ScanError, match=r"3 of 3 files can be used, and fewer than 8 make no map. Give more of them"):
        make_map(names[:3])
    with pytest.raises(ScanError, match=r"0 of 1 files.*nothing\.xy: there is no such file"):
        make_map([str(tmp_path / "nothing.xy")])
    with pytest.raises(SettingsError, match="8 spectra make no map of 16 dimensions"):
        make_map(names, dimensions=16)
    with pytest.raises(SettingsError, match="8 points have no 9 clusters"):
        make_map(names, clusters=9)
    with pytest.raises(SettingsError, match=r"p is not on the map\. Name one as on the command line"):
        make_map(names, between=("p", names[0]))
    with pytest.raises(SettingsError, match="patterns have no header"):
        make_map(names, against="temperature")
    with pytest.raises(SettingsError, match=r"joined by \+ are of several edges"):
        make_map([f"{iron.used[0].file}+{iron.used[1].file}"])


def test_a_scan_among_patterns_is_rejected(tmp_path: Path, iron: Mapped) -> None:
    names = written(tmp_path, np.linspace(0, 1, LEAST))
    found = make_map([*names, iron.used[0].file])
    assert "neither 2θ in degrees nor q" in found.outcomes[-1].reason
    assert len(found.points) == LEAST
