"""Two edges of one sample: tied exactly, better than one, no worse than one where the other tells nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from exafsnn_cli.main import run

from exafsnn.errors import ModelError
from exafsnn.infer.estimates import Signals
from exafsnn.infer.joint import JointModel, load_any, load_joint
from exafsnn.infer.joint_fit import JointTheory
from exafsnn.infer.joint_refine import JointRefiner
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.theory import Theory
from exafsnn.infer.tied import Tied
from exafsnn.learn.joint_file import read_joint
from exafsnn.learn.model_file import find_model, known_models
from exafsnn.physics.distortion import smooth_modes
from exafsnn.records import ChiK, Prediction

from . import toy_compound as toy

LATTICES = (5.55, 5.6, 5.66)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    found = tmp_path_factory.mktemp("models")
    toy.save_toy(found)
    return found


@pytest.fixture(scope="module")
def joint(folder) -> JointModel:
    return load_joint(str(folder / "toy.json"))


@pytest.fixture(scope="module")
def samples() -> list[list[ChiK]]:
    """Of three lattice constants; one ends early, one is noisy at its second edge."""
    found = [[toy.measured(name, a, seed=seed) for seed, name in enumerate(toy.ELEMENTS)] for a in LATTICES]
    found[1][0] = replace(found[1][0], k_max_usable=10.0)
    found[2][1] = toy.measured("Br", LATTICES[2], noise=2e-3, seed=5)
    return found


@pytest.fixture(scope="module")
def refiner(joint) -> JointRefiner:
    return JointRefiner(joint)


@pytest.fixture(scope="module", params=["predicted", "refined"])
def ask(request, joint, refiner):
    return joint.predict_all if request.param == "predicted" else refiner.refine_all


def cells(prediction: Prediction, pair: str) -> tuple[np.ndarray, np.ndarray]:
    """The density of a pair, and its samples."""
    row, samples = prediction.rdf.pairs.index(pair), prediction.rdf.samples
    assert samples is not None
    return prediction.rdf.density[row], samples[:, row]


def test_as_many_bonds_are_counted_from_both_ends(ask, samples):
    """c_A n_AB(r) = c_B n_BA(r): one Sr for two Br, in the RDF, in each sample, and in N."""
    for one, other in ask(samples):
        (ours, samples_), (theirs, mirrored) = cells(one, "Sr-Br"), cells(other, "Br-Sr")
        assert np.array_equal(0.5 * ours, theirs)
        assert np.array_equal((0.5 * samples_).astype(np.float16), mirrored)  # as they are kept
        ours, theirs = one.shells["first"], other.shells["first"]
        assert (ours.pair, theirs.pair) == ("Sr-Br", "Br-Sr")
        assert theirs.coordination == pytest.approx(0.5 * ours.coordination, rel=1e-12)
        assert theirs.distance == pytest.approx(ours.distance, rel=1e-12)
        assert theirs.coordination_std == pytest.approx(0.5 * ours.coordination_std, rel=1e-6)


def test_the_crystal_is_found(refiner, samples):
    for a, (one, other) in zip(LATTICES, refiner.refine_all(samples), strict=True):
        for shell, count in ((one.shells["first"], 8.0), (other.shells["first Br-Br"], 6.0)):
            assert abs(shell.coordination - count) < 2 * shell.coordination_std  # nobody tells the amplitude
        assert one.shells["first"].distance == pytest.approx(0.4330 * a, abs=0.004)
        assert one.shells["first Sr-Sr"].distance == pytest.approx(0.7071 * a, abs=0.008)
        assert other.shells["first Br-Br"].distance == pytest.approx(0.5 * a, abs=0.008)
        assert max(one.misfit, other.misfit) < 0.02


def test_two_edges_are_surer_than_one(refiner, samples):
    one, other = refiner.refine(samples[0])
    alone = [refiner.refine([chi])[0] for chi in samples[0]]
    assert one.shells["first"].distance_std < 0.95 * min(found.shells["first"].distance_std for found in alone)
    for found, each in zip((one, other), alone, strict=True):
        assert (found.rdf.spread.sum(axis=1) < each.rdf.spread.sum(axis=1)).all()


def test_an_edge_that_tells_nothing_changes_nothing(refiner, samples):
    """The other edge drowns in noise: what is left is the answer of the one, within its errors."""
    noisy = toy.measured("Br", LATTICES[0], noise=3.0, seed=4)
    one = refiner.refine([samples[0][0], noisy])[0]
    alone = refiner.refine([samples[0][0]])[0]
    for name, shell in alone.ranges.items():
        for quantity in ("coordination", "distance", "sigma2"):
            apart = getattr(one.shells[name], quantity) - getattr(shell, quantity)
            assert abs(apart) < getattr(shell, f"{quantity}_std"), (name, quantity)


def test_one_edge_is_answered_by_its_own_model(joint, refiner, samples):
    for edge, chi in enumerate(samples[0]):
        expected = joint.edges[edge].predict(chi)
        found = joint.predict([chi])
        assert len(found) == 1
        assert found[0].model == expected.model
        assert np.array_equal(found[0].rdf.density, expected.rdf.density)
        assert refiner.refine([chi])[0].rdf.pairs == expected.rdf.pairs


def test_a_batch_is_its_samples_one_by_one(ask, samples):
    """In any order, and beside samples of one edge."""
    mixed = [samples[0], samples[1][::-1], [samples[2][1]], samples[2], [samples[0][0]]]
    together = ask(mixed)
    for sample, found in zip(mixed, together, strict=True):
        (alone,) = ask([sample])
        assert [each.chi for each in found] == list(sample)
        for ours, theirs in zip(found, alone, strict=True):
            for name, shell in theirs.shells.items():
                for quantity in ("coordination", "distance", "sigma2"):
                    std = getattr(shell, f"{quantity}_std")
                    assert getattr(ours.shells[name], quantity) == pytest.approx(
                        getattr(shell, quantity), abs=3e-3 * std
                    )
                    assert getattr(ours.shells[name], f"{quantity}_std") == pytest.approx(std, rel=3e-3)
            assert ours.misfit == pytest.approx(theirs.misfit, rel=3e-3)


def test_arrays_are_the_records(refiner, samples):
    """Of samples that share their grids."""
    answers = refiner.answers([Signals.of([sample[edge] for sample in samples]) for edge in (0, 1)])
    for row, found in enumerate(refiner.refine_all(samples)):
        for edge, prediction in enumerate(found):
            n = answers[edge].shells["first"].coordination[row]
            assert n == pytest.approx(prediction.shells["first"].coordination, rel=1e-6)
    assert answers[0].origin.model.startswith("toy (")


@pytest.fixture(params=[0.5, None], ids=["fixed", "varying"])
def tied(request, joint) -> Tied:
    return replace(joint.tied, ratio=request.param)


@pytest.fixture
def rows(joint, tied) -> torch.Tensor:
    one, other = (edge.atlas.density.double()[:2] for edge in joint.edges)
    return tied.together(one, other)


def test_sides_and_rows_are_the_same(tied, rows, joint):
    one, other = tied.sides(rows)
    assert torch.allclose(tied.together(one, other), rows, rtol=1e-12)
    assert tied.partials.pairs == ("Sr-Br", "Sr-Sr", "Br-Br")
    assert torch.allclose(one, joint.edges[0].atlas.density.double()[:2], atol=0.05)
    assert torch.allclose(other, joint.edges[1].atlas.density.double()[:2], atol=0.05)
    if tied.ratio is None:
        assert torch.allclose(rows[:, -1], torch.tensor(0.5).double(), rtol=1e-3)


def test_far_shells_do_not_tell_the_composition(joint):
    """One edge counts half as many again of what is far; the ratio is that of near shells all the same."""
    tied = Tied(joint.edges[0].partials, joint.edges[1].partials, None)
    first, second = (torch.cat([edge.atlas.density[:5]]).double() for edge in joint.edges)
    assert tied.ratio_between(first, second) == pytest.approx(np.full((5, 1), 0.5), rel=0.01)
    far = torch.from_numpy(np.tile(1 + 0.5 * (tied.first.r > 3.8), len(tied.second.pairs)))
    assert tied.ratio_between(first, second * far) == pytest.approx(np.full((5, 1), 0.5), rel=0.12)


def test_derivatives_of_both_edges_are_those_of_differences(joint, tied, rows):
    theories = [Theory(edge.forward, edge.pairs) for edge in joint.edges]
    theory = JointTheory(theories, tied)
    size = theories[0].session(np.zeros(2), 1.0, np.full(2, 0.9), 0.1).mean.shape[1]
    assert size > 2 + 2 * len(smooth_modes(theories[0].k, lowest=1))
    shared = 0.03 * torch.randn(2, 2 * size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shared[:, [0, size]] = 0.0  # zeros move the measured axis, not what is computed
    points = (slice(10, 150), slice(40, 200))

    def value(some: torch.Tensor, session: torch.Tensor) -> torch.Tensor:
        return theory.linear(some, session, points).value

    found = theory.linear(rows, shared, points)
    assert found.value.shape == (2, 300)
    cells = [15, 70, 130, 200, rows.shape[1] - 60, rows.shape[1] - 1]
    for values, by, chosen in ((rows, found.by_density, cells), (shared, found.by_shared, [1, 4, size + 1, size + 5])):
        for cell in chosen:
            step = torch.zeros_like(values)
            step[:, cell] = 1e-4
            ends = [
                (rows + sign * step, shared) if values is rows else (rows, shared + sign * step) for sign in (1, -1)
            ]
            numeric = (value(*ends[0]) - value(*ends[1])) / 2e-4
            assert (by[:, :, cell] - numeric).abs().max() < 1e-4 * numeric.abs().max(), cell


def test_a_varying_composition_is_found(tmp_path, samples):
    """The models have only seen one Sr for two Br; that is what the spectra show."""
    found = JointRefiner(load_joint(str(toy.save_toy(tmp_path, None)))).refine(samples[0])
    one, other = (prediction.shells["first"].coordination for prediction in found)
    assert other / one == pytest.approx(0.5, rel=0.03)
    for ours, theirs in zip(cells(found[0], "Sr-Br"), cells(found[1], "Br-Sr"), strict=True):
        strong = ours > 0.3
        ratios = np.where(strong, theirs / np.where(strong, ours, 1.0), np.nan).reshape(-1, strong.shape[-1])
        spread = np.nanmax(ratios, axis=1) / np.nanmin(ratios, axis=1) - 1
        assert (spread < 5e-3).all()  # one composition at all distances, but for half precision


def test_it_is_found_by_its_name(folder, monkeypatch):
    monkeypatch.setenv("EXAFSNN_MODELS", str(folder))
    assert {"toy", "toy-sr", "toy-br"} <= set(known_models())
    assert find_model("toy") == folder / "toy.json"
    assert isinstance(load_any("toy"), JointModel)
    assert isinstance(load_any("toy-sr"), Model)
    with pytest.raises(ModelError, match="joint model"):
        load_model("toy")
    with pytest.raises(ModelError, match="one edge, not a joint one"):
        read_joint("toy-sr")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("Sr", "Ca"), "is for Sr K and Br K, the scan is of Ca K"),
        (("Sr", "Sr"), "two scans of Sr K"),
        ((), "no scan"),
    ],
)
def test_scans_that_are_no_sample_are_refused(joint, samples, names, said):
    scan = samples[0][0]
    with pytest.raises(ModelError, match=said):
        joint.predict([replace(scan, absorber=name) for name in names])


def write(path: Path, **changes: object) -> None:
    """Change what a joint model says, with its checksum left as it was."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"composition": [1.0, 3.0]}, "does not say what its checksum says"),
        ({"format": "exafsnn-joint-0"}, "model format 'exafsnn-joint-0' is not exafsnn-joint-1"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, change, said):
    path = toy.save_toy(tmp_path)
    write(path, **change)
    with pytest.raises(ModelError, match=said) as caught:
        load_joint(str(path))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"composition": [1.0]}, "composition"),
        ({"composition": [1.0, -2.0]}, "composition"),
        ({"composition": "1:2"}, "composition"),
        ({"parts": []}, "two parts"),
        ({"parts": [{"name": "../toy-sr", "sha256": "x"}, {"name": "toy-br", "sha256": "x"}]}, "no name of a part"),
        ({"intervals": {"predicted": []}}, "intervals"),
        ({"intervals": {"predicted blind": 1, "refined blind": [{}, {}]}}, "two edges"),
        ({"intervals": {"predicted blind": [{}, {}], "refined blind": [{}, {}]}}, "quantities"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_refused(tmp_path, monkeypatch, change, said):
    path = toy.save_toy(tmp_path)
    monkeypatch.setattr("exafsnn.learn.joint_file.info_checksum", lambda info: info["sha256"])  # as if it were sealed
    write(path, **change)
    with pytest.raises(ModelError, match=said):
        load_joint(str(path))


def test_a_part_that_was_made_anew_is_refused(tmp_path):
    path = toy.save_toy(tmp_path)
    part = tmp_path / "toy-br.safetensors"
    toy.save_part(part, "Br", misfit_limit=0.4)
    with pytest.raises(ModelError, match="toy-br is another model than the one that toy was made of"):
        load_joint(str(path))
    part.unlink()
    with pytest.raises(ModelError, match="no tensors beside its JSON"):
        load_joint(str(path))


def test_parts_of_unlike_states_make_no_model(tmp_path, monkeypatch):
    toy.save_part(tmp_path / "toy-sr.safetensors", "Sr")
    known = toy.states()
    monkeypatch.setattr(toy, "states", lambda: [(1.01 * a, *others) for a, *others in known])
    toy.save_part(tmp_path / "toy-br.safetensors", "Br")
    with pytest.raises(ModelError, match="did not learn from the same states"):
        toy.save_joint(tmp_path / "toy.json", ("toy-sr", "toy-br"), (1.0, 2.0))


def test_parts_that_count_otherwise_make_no_model(tmp_path):
    toy.save_part(tmp_path / "toy-sr.safetensors", "Sr")
    for ranges, said in (({"first": (2.0, 3.4)}, "between other distances"), ({"first": (2.0, 3.2)}, "both of Sr")):
        toy.save_part(tmp_path / "other.safetensors", "Br" if "distances" in said else "Sr", ranges=ranges)
        with pytest.raises(ModelError, match=said):
            toy.save_joint(tmp_path / "toy.json", ("toy-sr", "other"), (1.0, 2.0))


def test_the_command_lists_it(folder, monkeypatch, capsys):
    monkeypatch.setenv("EXAFSNN_MODELS", str(folder))
    assert run(["models", "toy", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert (facts["name"], facts["parts"]) == ("toy", ["toy-sr", "toy-br"])
    assert facts["ranges"].keys() == {"first", "first Sr-Sr", "first Br-Br"}
    assert run(["models"]) == 0
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert next(line for line in shown if line[0] == "toy")[1:4] == ["Sr", "K+Br", "K"]
