"""Projects for Athena and larch: what is opened gives our χ(k) again."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from larch import Group
from larch.io import read_athena
from larch.xafs import autobk, pre_edge

import exafsnn
from exafsnn.records import ChiK
from exafsnn.run.scans import measure_scans
from exafsnn.settings import BackgroundSettings, Exports
from exafsnn.write.athena import PROJECT, Project
from exafsnn.write.results import ResultsFolder

SCANS = ["spectra/fe_0300K.dat", "spectra/fe_1000K.dat"]


def groups(path: Path) -> dict[str, Group]:
    """The groups of a project, by label, as larch makes them of its parameters."""
    found = read_athena(str(path), do_preedge=True, do_bkg=True, do_fft=False)
    return {group.label: group for group in vars(found).values() if hasattr(group, "mu")}


def test_larch_makes_the_same_chi_of_a_project(tmp_path: Path) -> None:
    """With all parameters of the project, and none that was not in it."""
    settings = BackgroundSettings(rbkg=1.1, kmax=13.0)
    with ResultsFolder(tmp_path / "out", "preprocess", {}, exports=Exports(("athena",))) as folder:
        for outcome in measure_scans(SCANS, settings=settings):
            folder.add(outcome)
    opened = groups(tmp_path / "out" / PROJECT)
    assert list(opened) == ["fe_0300K.dat", "fe_1000K.dat"]
    for scan, group in zip(SCANS, opened.values(), strict=True):
        chi = exafsnn.read(scan).to_chi(settings)
        assert isinstance(chi, ChiK)
        asked = chi.settings
        again = Group(energy=chi.spectrum.energy, mu=chi.spectrum.mu)
        pre_edge(again, **{name: asked[name] for name in ("e0", "pre1", "pre2", "norm1", "norm2", "nnorm", "nvict")})
        names = ("rbkg", "kmin", "kmax", "kweight", "dk", "clamp_lo", "clamp_hi", "nclamp", "kstep", "nfft")
        autobk(again, ek0=chi.e0, win=asked["window"], **{name: asked[name] for name in names})
        np.testing.assert_allclose(group.chi, again.chi, rtol=0, atol=1e-9)
        assert np.abs(group.chi - chi.chi)[20:].max() < 1e-7
        assert (group.e0, group.atsym) == (chi.e0, "Fe")


def test_an_interrupted_run_goes_on_with_its_project(tmp_path: Path, make_chi: Callable[..., ChiK]) -> None:
    first, second = make_chi("o'neill\\one.dat"), make_chi("two.dat")
    file = replace(make_chi("three.chik"), spectrum=None)
    begun = Project(tmp_path)
    begun.add([first])
    begun.close()
    rest = Project(tmp_path)
    rest.add([file, second])
    rest.finish()
    assert rest.left_out == 1
    assert [path.name for path in tmp_path.iterdir()] == [PROJECT]
    assert list(groups(tmp_path / PROJECT)) == ["one.dat", "two.dat"]
    text = gzip.decompress((tmp_path / PROJECT).read_bytes()).decode()
    assert text.count("$old_group") == 2
    assert "aaaab" in text


def test_our_own_reader_opens_it(tmp_path: Path, make_chi: Callable[..., ChiK]) -> None:
    chi = make_chi("one.dat")
    project = Project(tmp_path)
    project.add([chi])
    project.finish()
    back = exafsnn.read(tmp_path / PROJECT)
    assert chi.spectrum
    np.testing.assert_array_equal(back.mu, chi.spectrum.mu)
    assert (back.absorber, back.edge) == ("Fe", "K")


def test_without_a_scan_there_is_no_project(tmp_path: Path) -> None:
    Project(tmp_path).finish()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exports", [(), ("athena",)])
def test_it_is_listed_among_the_results(tmp_path: Path, exports: tuple[str, ...]) -> None:
    with ResultsFolder(tmp_path, "preprocess", {}, exports=Exports(exports)) as folder:
        for outcome in measure_scans(SCANS[:1]):
            folder.add(outcome)
    assert (PROJECT in (tmp_path / "settings.json").read_text()) == bool(exports)
    assert (tmp_path / PROJECT).exists() == bool(exports)
