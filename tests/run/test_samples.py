"""Scans of several edges as one sample: its name, what becomes of it where an edge cannot be used, and its answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import Finding, ScanError, SettingsError
from exafsnn.records import ChiK
from exafsnn.run import scans as pipeline
from exafsnn.run.axis import axis_of
from exafsnn.run.outcomes import Outcome, sample_of
from exafsnn.run.reading import Reading
from exafsnn.run.samples import expanded, label_of, scans_of, split_name
from exafsnn.run.scans import measure_scans, predict_scans
from exafsnn.settings import BackgroundSettings
from exafsnn.write.glances import glance
from exafsnn.write.tables import scan_facts

from ..infer import toy_compound as toy


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "scans"),
    [
        ("zn.xdi+se.xdi", ("zn.xdi", "se.xdi")),
        ("zn.xdi + se.xdi", ("zn.xdi", "se.xdi")),
        ("zn.xdi+absent.xdi", ("zn.xdi", "absent.xdi")),
        ("absent+none", ("absent", "none")),
        ("fe+zn.xdi", ("fe+zn.xdi",)),
        ("fe+zn.xdi+se.xdi", ("fe+zn.xdi", "se.xdi")),
        ("se.xdi+fe+zn.xdi", ("se.xdi", "fe+zn.xdi")),
        ("a.prj::zn+b.prj::se", ("a.prj::zn", "b.prj::se")),
        ("a.prj::Pt+H2", ("a.prj::Pt+H2",)),
        ("a.prj::Pt+H2+b.prj::Sn+O2", ("a.prj::Pt+H2", "b.prj::Sn+O2")),
        ("a.prj::zn+se.xdi", ("a.prj::zn", "se.xdi")),
        ("zn.xdi+", ("zn.xdi+",)),
        ("+", ("+",)),
    ],
)
def test_plus_joins_scans_unless_it_is_in_the_name_of_a_file_or_record(
    here: None, name: str, scans: tuple[str, ...]
) -> None:
    touch("zn.xdi", "se.xdi", "fe+zn.xdi", "a.prj", "b.prj")
    assert scans_of(name) == scans
    assert split_name(name) == ((name, "") if len(scans) > 1 or "::" not in name else tuple(name.split("::")))


def test_a_sample_is_labelled_without_folders() -> None:
    assert label_of("day 1/zn.xdi+day 1/se.prj::b/c") == "zn.xdi+se.prj::b/c"
    assert label_of("one/zn.xdi") == "zn.xdi"
    assert label_of("day/zn/athena.prj+day/se/athena.prj") == "athena.prj (zn)+athena.prj (se)"


def test_the_title_of_a_sample_names_its_records(make_chi: Callable[..., ChiK]) -> None:
    """Also where each file has but one, as the projects that were merged of each edge: no athena.prj+athena.prj."""
    names = ("zn/athena.prj", "se/athena.prj")
    parts = [
        Outcome(name, chi=make_chi(name, record)) for name, record in zip(names, ("foil", "selenide"), strict=True)
    ]
    sample = sample_of("+".join(names), parts)
    assert sample.title == "athena.prj::foil+athena.prj::selenide"
    assert (scan_facts(sample)["title"], scan_facts(sample)["file"]) == (sample.title, "+".join(names))
    assert sample.title in glance(sample)["html"]
    assert Outcome("day/a.prj", "foil").title == "a.prj::foil"
    assert "title" not in scan_facts(Outcome("day/a.prj", "foil"))


def test_a_pattern_joins_the_scans_of_which_the_same_differs(here: None) -> None:
    """By what stands for ``*``, not by place in a list: one that is missing shifts no other."""
    touch("d/zn_1.xdi", "d/zn_2.xdi", "d/zn_10.xdi", "d/se_1.xdi", "d/se_10.xdi", "d/se_3.xdi", "d/zn_3.xdi.txt")
    assert expanded(["d/zn_*.xdi+d/se_*.xdi"]) == (
        "d/zn_1.xdi+d/se_1.xdi", "d/zn_10.xdi+d/se_10.xdi", "d/zn_2.xdi+d/se_2.xdi", "d/zn_3.xdi+d/se_3.xdi",
    )  # fmt: skip
    assert expanded(["d/zn_[12].xdi+d/se_3.xdi"]) == ("d/zn_1.xdi+d/se_3.xdi", "d/zn_2.xdi+d/se_3.xdi")
    for untouched in ("d/zn_1.xdi", "d/zn_*.xdi", "no_*.xdi+none_*.xdi", "d/zn_*.xdi+d/se_*_*.xdi"):
        assert expanded([untouched]) == (untouched,)


@pytest.fixture
def beam(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scans ``sr``, ``br``, … that are simulated, and the joint model ``toy`` that knows them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    toy.save_toy(tmp_path / "models")

    def read_one(source: str, **_: object) -> ChiK:
        name = source.removesuffix(".chi").split("_")[0]
        if name not in ("sr", "br", "fe", "short", "odd"):
            raise ScanError("there is no such file", where=source, remedy="Check the path")
        chi = toy.measured("Br" if name == "short" else "Sr" if name in ("fe", "odd") else name.capitalize())
        chi = replace(chi, chi=chi.chi[::-1]) if name == "odd" else chi
        chi = replace(chi, source=source, temperature=10.0 if "cold" in source else 300.0)
        return (
            replace(chi, absorber="Fe") if name == "fe" else replace(chi, k_max_usable=8.0) if name == "short" else chi
        )

    def read_all(source: str, **_: object) -> list[tuple[str, ChiK | Exception]]:
        return [(source, read_one(source))]

    monkeypatch.setattr("exafsnn.read.scan.read_one", read_one)
    monkeypatch.setattr("exafsnn.read.scan.read_all", read_all)


def answer(*names: str, **asked: str) -> list[Outcome]:
    return list(predict_scans(names, **asked))  # type: ignore[arg-type]


def test_a_sample_has_one_outcome_with_an_answer_to_each_edge(beam: None) -> None:
    alone, sample = answer("sr.chi", "sr.chi+br.chi", model="toy")
    assert (sample.file, sample.record, sample.edge, sample.model) == ("sr.chi+br.chi", "", "Sr K+Br K", "toy")
    assert [edge.prediction.rdf.pairs for edge in sample.edges if edge.prediction] == [
        ("Sr-Br", "Sr-Sr"), ("Br-Sr", "Br-Br"),
    ]  # fmt: skip
    assert list(sample.ranges("Sr-Br")) == ["first", "first Sr-Sr", "first Br-Sr", "first Br-Br"]
    ours, theirs = (sample.ranges("Sr-Br")[name].coordination for name in ("first", "first Br-Sr"))
    assert ours == pytest.approx(2 * theirs, rel=1e-9)  # one Sr for two Br
    assert (alone.model, alone.edge, len(alone.edges)) == ("toy-sr", "Sr K", 1)
    (again,) = answer("br.chi+sr.chi")
    assert again.edge == "Br K+Sr K"
    assert again.ranges("Sr-Br")["first"].coordination == pytest.approx(ours)


def test_a_sample_goes_on_without_an_edge_that_cannot_be_used(beam: None) -> None:
    for name in ("sr.chi+absent.chi", "absent.chi+sr.chi", "sr.chi+short.chi"):
        (found,) = answer(name)
        assert (found.status, found.edge.startswith("Sr K"), found.model) == ("warned", True, "toy-sr")
        told = [text for text in found.warnings if "left out" in text]
        assert len(told) == 1
        assert told[0].startswith(
            ("absent.chi is left out: there is no such file", "short.chi is left out: the signal")
        )
        assert list(found.ranges("Sr-Br")) == ["first", "first Sr-Sr"]


@pytest.mark.parametrize(
    ("name", "model", "said"),
    [
        ("absent.chi+none.chi", None, r"absent\.chi: there is no such file.*; none\.chi: there is no such file"),
        ("sr.chi+sr_2.chi", None, r"the sample has Sr K and Sr K: one edge twice"),
        ("sr.chi+sr_2.chi", "toy", r"two scans of Sr K"),
        (
            "sr.chi+fe.chi",
            None,
            r"no model is of Sr K and Fe K together\. Joint models: .*ptni \(Pt L3\+Ni K\), .*toy \(Sr K\+Br K\)",
        ),
        ("sr.chi+br.chi+fe.chi", None, r"They are of two edges: give the scans one by one"),
        ("sr.chi+fe.chi", "toy", r"the model toy is for Sr K and Br K, the scan is of Fe K"),
        ("sr.chi+br.chi", "toy-sr", r"the model toy-sr is for Sr K alone, the sample has Sr K and Br K"),
    ],
)
def test_a_sample_of_other_edges_is_rejected_and_costs_no_other(
    beam: None, name: str, model: str | None, said: str
) -> None:
    asked = {"model": model} if model else {}
    bad, good = answer(name, "sr.chi" if model == "toy-sr" else "sr.chi+br.chi", **asked)
    assert bad.status == "rejected"
    assert re.search(said, bad.reason), bad.reason
    assert good.is_answered


def test_a_scan_without_a_model_of_its_edges_name_is_told_the_others(beam: None) -> None:
    (found,) = answer("sr.chi")
    assert "Models of Sr K are toy, toy-sr: name one with --model" in found.reason


def test_two_joint_models_of_the_same_edges_are_a_choice_of_the_users(beam: None, tmp_path: Path) -> None:
    toy.save_joint(tmp_path / "models" / "other.json", ("toy-sr", "toy-br"), None)
    (found,) = answer("sr.chi+br.chi")
    assert "other, toy are models of Sr K and Br K. Name one with --model" in found.reason
    assert answer("sr.chi+br.chi", model="other")[0].is_answered


def test_findings_of_one_edge_say_which_and_those_of_all_are_told_once(beam: None) -> None:
    (found,) = answer("sr.chi+br.chi")
    chis = [replace(edge, found=(Finding("odd", "warning", f"odd {edge.edge}"),)) for edge in found.parts]
    told = replace(found, parts=tuple(chis)).warnings
    assert sum("not calibrated" in text for text in told) == 1
    assert {"Sr K: odd Sr K", "Br K: odd Br K"} <= set(told)


def test_a_scan_that_is_foreign_to_its_model_is_told_the_others_of_its_edge(beam: None, tmp_path: Path) -> None:
    """Not those of which it is a part: their networks are the same."""
    odd, known = answer("odd.chi", "sr.chi", model="toy-sr")
    assert odd.status == "foreign"
    assert "Other models" not in "; ".join(odd.warnings)
    toy.save_part(tmp_path / "models" / "other.safetensors", "Sr")
    odd, known = answer("odd.chi", "sr.chi", model="toy-sr")
    assert "Other models of Sr K: other (--model)" in "; ".join(odd.warnings)
    assert "Other models" not in "; ".join(known.warnings)


def test_where_one_edge_is_foreign_the_sample_is(beam: None) -> None:
    (found,) = answer("sr.chi+br.chi")
    one, other = found.parts
    assert other.prediction is not None
    foreign = replace(found, parts=(one, replace(other, prediction=replace(other.prediction, in_domain=False))))
    assert (found.status, foreign.status) == ("warned", "foreign")


def test_edges_of_two_states_are_told(beam: None) -> None:
    (found,) = measure_scans(["sr.chi+br_cold.chi"])
    assert found.warnings == (
        "its edges were measured at 10 and 300 K. One answer to both needs one state of the sample",
    )
    (same,) = measure_scans(["sr.chi+br.chi"])
    assert same.status == "ok"


def test_samples_do_not_lose_each_other_in_bursts(beam: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BURST", 2)
    names = ["sr.chi+br.chi", "sr_2.chi", "sr_3.chi+br_3.chi", "br_4.chi+sr_4.chi", "br_5.chi"]
    found = answer(*names, model="toy")
    assert [item.file for item in found] == names
    assert [len(item.edges) for item in found] == [2, 1, 2, 2, 1]
    passed = list(predict_scans(names, model="toy", done={(names[0], ""): 1, (names[3], ""): 1}))
    assert [item.file for item in passed] == [names[1], names[2], names[4]]


def test_each_edge_has_its_own_standard(beam: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []
    monkeypatch.setattr(
        "exafsnn.infer.reference.calibrate",
        lambda model, chi, structure: asked.append((model.name, chi.source, structure)),
    )
    standards = {"references": ["br_9.chi", "sr_9.chi"], "structure": ["fcc:4", "bcc:3"]}
    assert all(item.is_answered for item in predict_scans(["sr.chi+br.chi"], **standards))  # type: ignore[arg-type]
    assert asked == [("toy-sr", "sr_9.chi", "bcc:3"), ("toy-br", "br_9.chi", "fcc:4")]


@pytest.mark.parametrize(
    ("references", "structure", "said"),
    [
        (["sr.chi", "sr_2.chi"], "fcc:4", "two references of the Sr K edge"),
        (["sr.chi"], ["fcc:4", "bcc:3"], "there are 2 structures of 1 references"),
        (["sr.chi"], [], "a reference needs its structure"),
        (["sr.chi"], "cubic:4", "structure 'cubic:4' is not understood"),
    ],
)
def test_standards_that_do_not_fit_are_told_before_the_first_scan(
    beam: None, references: list[str], structure: str | list[str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said):
        predict_scans(["sr.chi+br.chi"], references=references, structure=structure)


def test_a_sample_has_one_place_on_the_axis(make_chi: Callable[..., ChiK], here: None, tmp_path: Path) -> None:
    names = [(f"d/zn_{value}K.xdi+d/se_{value}K.xdi", "") for value in (100, 300)]
    chis = {name: replace(make_chi(name[0]), temperature=None) for name in names}
    assert list(axis_of(chis).values()) == [100.0, 300.0]
    assert list(axis_of(chis, "name").values()) == [100.0, 300.0]
    table = tmp_path / "t.csv"
    table.write_text(f"file,value\n{names[0][0]},1\nzn_300K.xdi+se_300K.xdi,2\n")
    assert list(axis_of(chis, "potential", str(table)).values()) == [1.0, 2.0]


def test_samples_are_answered_by_workers_as_here(beam: None) -> None:
    """What a worker gets of a sample is all of its scans."""
    task = (("sr.chi+br.chi", "sr_2.chi"), Reading(), BackgroundSettings(), 7)
    burst = pipeline._measured_files(task)
    pipeline._SHARED.pop(7)
    assert [(source, len(outcome.edges)) for source, outcome in burst] == [("sr.chi+br.chi", 2), ("sr_2.chi", 1)]
    assert np.array_equal(burst[0][1].edges[0].chi.chi, burst[1][1].chi.chi)  # type: ignore[union-attr]
