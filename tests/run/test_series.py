"""A heating series as one analysis: the simulated iron of ``spectra/``, of a theory and a potential of no training.

Its first scan, the foil before it was heated, is the standard.
"""

from __future__ import annotations

import csv
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from exafsnn.analyse.columns import Key
from exafsnn.errors import SettingsError
from exafsnn.read import scan as reader
from exafsnn.run.series import Follower, follow

SPECTRA = Path(__file__).parents[2] / "spectra"
SCANS = [str(path) for path in sorted(SPECTRA.glob("*.dat"))]


@pytest.fixture(scope="module")
def truth():
    with (SPECTRA / "truth.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def course():
    return follow(SCANS, structure="bcc:2.8667")


def test_who_waits_is_told_of_each_scan_with_its_place(course):
    told, refined = [], []
    follower = Follower(structure="bcc:2.8667", eager=True)
    own = follower._refined
    follower._refined = lambda chunks, tools: own((refined.append(len(chunk)) or chunk for chunk in chunks), tools)
    found = follower.follow(dict.fromkeys(SCANS[:8]), finished=lambda outcome: told.append((len(refined), outcome)))
    assert [outcome.axis for _, outcome in told] == course.series.axis[:8].tolist()
    assert (refined, told[0][0]) == ([1, 2, 4, 1], 1)
    for ours, theirs in zip(found.outcomes, course.outcomes, strict=False):
        shells = ours.prediction.shells["first"], theirs.prediction.shells["first"]
        assert shells[0].coordination == pytest.approx(shells[1].coordination, rel=1e-3)


def values(rows, name):
    return np.array([float(row[name]) for row in rows])


def test_the_axis_is_that_of_the_headers(course, truth):
    assert np.array_equal(course.series.axis, values(truth, "temperature_K"))
    assert [outcome.axis for outcome in course.outcomes] == course.series.axis.tolist()


def test_there_is_one_transition_between_the_scans_around_1185_k(course):
    found = course.series.strongest
    assert found.found
    assert (found.low, found.high) == (1180.0, 1190.0)
    assert not found.others
    assert course.series.phases == ("bcc",) * 10 + ("fcc",) * 6


def test_coordination_is_that_of_each_scan(course, truth):
    trend = course.series.trends[Key("coordination", "first")]
    assert np.abs(trend.value - values(truth, "coordination_1.9_3.3")).max() <= 0.35


def test_every_error_bar_of_the_lattice_is_true_to_three_standard_deviations(course, truth):
    true = values(truth, "lattice_constant_A")
    for phase in ("bcc", "fcc"):
        trend = course.series.trends[Key("lattice_constant", phase=phase)]
        known = np.isfinite(trend.value)
        assert np.all(np.abs(trend.value - true)[known] < 3 * trend.std[known])


def test_the_lattice_constant_is_that_of_the_box(course, truth):
    true = values(truth, "lattice_constant_A")
    for phase in ("bcc", "fcc"):
        found = course.series.trends[Key("lattice_constant", phase=phase)].value
        known = np.array([row["phase"] == phase for row in truth])
        assert np.abs(found / true - 1)[known].max() < 0.003


def test_density_falls_by_four_percent_to_just_below_the_transition(course):
    density = course.series.trends[Key("density")].value
    assert density[9] / density[0] - 1 == pytest.approx(-0.04, abs=0.007)


def test_density_steps_by_one_percent(course):
    """True +0.91 %."""
    density = course.series.trends[Key("density")].value
    assert density[10] / density[9] - 1 == pytest.approx(0.01, abs=0.005)


def test_the_first_scan_has_the_lattice_of_its_structure(course):
    assert course.lattices[0].constant[0] == pytest.approx(2.8667, rel=5e-4)


def test_number_density_is_that_of_two_atoms_in_a_cube(course):
    a = course.lattices[0].constant[0]
    assert course.lattices[0].number_density[0] == pytest.approx(2 / a**3, rel=2e-3)
    trends = course.series.trends
    per_atom = trends[Key("density")].value / trends[Key("number_density")].value  # g/cm³ over Å⁻³
    assert per_atom == pytest.approx(55.845 * 1.66054, rel=1e-3)


def test_a_scan_of_another_edge_is_rejected_and_the_others_go_on(data_dir):
    found = follow([SCANS[0], str(data_dir / "cu" / "cu_metal_rt.xdi"), SCANS[1]], against="order")
    assert [outcome.status == "rejected" for outcome in found.outcomes] == [False, True, False]
    assert "the model fe-k is for Fe K, the scan is of Cu K" in found.outcomes[1].reason


def test_fcc_iron_is_no_bcc_standard():
    """A cooling run begins with the hot phase: the structure given is not its own."""
    with pytest.raises(SettingsError, match="looks like fcc, not bcc"):
        follow(SCANS[12:6:-1], structure="bcc:2.8667")


def test_a_hot_standard_is_known_by_its_lattice_though_motion_lengthens_its_distances(truth):
    """A cooling run begins hot: the mean distance is 0.06 Å above the lattice's there."""
    found = follow(SCANS[:-4:-1], structure=f"fcc:{truth[-1]['lattice_constant_A']}")
    assert {item.status for item in found.outcomes} <= {"ok", "warning"}
    with pytest.raises(SettingsError, match="Å when hot"):
        follow(SCANS[:-4:-1], structure="fcc:3.45")


def test_a_standard_that_is_not_the_coldest_is_told():
    found = follow([SCANS[4], SCANS[0], SCANS[1]], structure="bcc:2.8818")
    assert "the standard is the first scan, at 700 K" in found.series.notes[0]


def test_a_scan_that_cannot_be_used_is_rejected_and_the_others_go_on(tmp_path):
    bad = tmp_path / "bad.dat"
    bad.write_text("not a scan\n")
    found = follow([SCANS[0], str(bad), SCANS[1]])
    assert [outcome.status == "rejected" for outcome in found.outcomes] == [False, True, False]
    assert found.outcomes[1].axis is None
    assert found.lattices[1] is None
    assert len(found.series.axis) == 2


def test_scans_of_a_time_are_in_its_order_however_they_are_given(tmp_path):
    """What is rejected comes last."""
    bad = tmp_path / "bad.dat"
    bad.write_text("not a scan\n")
    given = [str(bad)]
    for number, hour in enumerate((11, 9, 10)):
        lines = Path(SCANS[number]).read_text().splitlines(keepends=True)
        given.append(str(tmp_path / f"scan_{number}.dat"))
        Path(given[-1]).write_text("".join([lines[0], f"# Begun: 2026-11-01T{hour:02}:00:00\n", *lines[1:]]))
    found = follow(given, against="begun")
    assert [item.axis for item in found.outcomes] == [0, 3600, 7200, None]
    assert [Path(item.file).name for item in found.outcomes] == ["scan_1.dat", "scan_2.dat", "scan_0.dat", "bad.dat"]
    assert found.series.axis == pytest.approx([0, 3600, 7200])
    assert len(found.lattices) == 4


def test_a_series_of_nothing_has_no_analysis(tmp_path):
    found = follow([str(tmp_path / "absent.dat")])
    assert found.series is None
    assert found.outcomes[0].status == "rejected"


def test_a_scan_outside_the_domain_is_left_out_of_the_analysis(data_dir):
    """An oxide among the metal: it is answered with a warning, has no lattice, and moves nothing."""
    oxide = str(data_dir / "oxides" / "Fe2O3_rt_01.xdi")
    alone, mixed = (
        follow(scans, structure="bcc:2.8667", against="order") for scans in (SCANS[:7], [*SCANS[:7], oxide])
    )
    assert not mixed.outcomes[-1].prediction.in_domain
    assert mixed.lattices[-1] is None
    assert mixed.series.phases[-1] == ""
    assert any("outside the model's domain" in note for note in mixed.series.notes)
    key = Key("coordination", "first")
    assert np.allclose(alone.series.trends[key].value, mixed.series.trends[key].value[:7])
    assert np.isnan(mixed.series.trends[key].value[-1])
    assert not mixed.series.strongest.found


def test_a_battery_among_nickel_is_foreign_and_told_which_other_model_there_is(data_dir):
    scan = str(data_dir / "operando_ni" / "norm_op2_cell4_pos1_dq1_0001_av240_00001.txt")
    (found,) = follow([scan], columns="energy=1,mu=2", against="order").outcomes
    assert found.status == "foreign"
    assert "Other models of Ni K: ni-o" in "; ".join(found.prediction.warnings)


def test_an_oxide_is_no_standard_though_its_distances_fit(data_dir):
    """Hematite has its near iron where bcc iron would have it, if R alone were asked."""
    oxide = str(data_dir / "oxides" / "Fe2O3_rt_01.xdi")
    with pytest.raises(
        SettingsError, match=r"Fe2O3_rt_01\.xdi: the scan is outside the domain .* cannot be its standard"
    ):
        follow([oxide, *SCANS[:2]], structure="bcc:2.8665", against="order")


def test_a_scan_named_twice_counts_once(monkeypatch):
    """A file with many records, and one of these again by its own name."""
    read_all = reader.read_all
    both = lambda source, **asked: chain.from_iterable(read_all(name, **asked) for name in SCANS[:2])  # noqa: E731
    monkeypatch.setattr(
        reader, "read_all", lambda source, **asked: (both if source == "both" else read_all)(source, **asked)
    )
    found = follow(["both", SCANS[0]])
    assert [outcome.status == "rejected" for outcome in found.outcomes] == [False, False, True]
    assert "came before" in found.outcomes[2].reason
    assert found.series.axis.tolist() == [300.0, 400.0]


def test_when_the_standard_changes_all_answers_are_made_anew(tmp_path):
    """The first scan of a watched folder is cut short by a network; its other half comes later."""
    first, second = tmp_path / "fe_300K.dat", tmp_path / "fe_400K.dat"
    whole = Path(SCANS[0]).read_text()
    first.write_text("".join(whole.splitlines(keepends=True)[:-60]))
    second.write_text(Path(SCANS[1]).read_text())
    follower = Follower(structure="bcc:2.8667")
    short = follower.follow({str(first): 1, str(second): 1})
    first.write_text(whole)
    found = follower.follow({str(first): 2, str(second): 1})
    fresh = follow([str(first), str(second)], structure="bcc:2.8667")
    n = [course.outcomes[1].prediction.amplitude for course in (short, found, fresh)]
    assert n[1] == n[2] != n[0]


def test_measured_iron_from_room_temperature_to_60_k(data_dir, tmp_path):
    """N stays, the lattice shrinks (2.8665 to 2.861 Å), σ² falls by what the log-ratio of both spectra says."""
    names = ("fe.300", "fe.301", "fe.060", "fe.061", "fe.062")
    values = tmp_path / "values.csv"
    values.write_text("file,value\n" + "".join(f"{name},{60 if name < 'fe.1' else 300}\n" for name in names))
    found = follow([str(data_dir / "fe" / name) for name in names], values=str(values), structure="bcc:2.8665")
    assert not found.series.strongest.found
    shells = [outcome.prediction.shells["first"] for outcome in found.outcomes]
    warm, cold = shells[:2], shells[2:]
    n = [np.mean([shell.coordination for shell in part]) for part in (warm, cold)]
    assert n[1] == pytest.approx(n[0], rel=0.04)
    assert abs(n[1] - n[0]) < 2 * np.hypot(warm[0].coordination_std, cold[0].coordination_std)
    a = [np.mean([lattice.constant[0] for lattice in part]) for part in (found.lattices[:2], found.lattices[2:])]
    assert a == pytest.approx([2.8665, 2.861], abs=0.01)
    assert a[1] - a[0] == pytest.approx(2.861 - 2.8665, abs=0.004)
    fall = np.mean([shell.sigma2 for shell in cold]) - np.mean([shell.sigma2 for shell in warm])
    assert fall == pytest.approx(-0.0022, abs=0.0003)
