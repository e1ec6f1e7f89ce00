"""A killed training goes on where it stopped, with the members that it had, and ends with the same bits."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from exafsnn.errors import ExafsnnError, SettingsError
from exafsnn.files import only_writer
from exafsnn.learn import training
from exafsnn.learn.member_file import read_member, training_key, write_member
from exafsnn.learn.network import NetworkSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.learn.training import OptimiserSettings, TrainingSettings, settings_for, train
from exafsnn.metals import METALS, metal_of
from exafsnn.simulate.solids import cell_of, compound_of

SETTINGS = TrainingSettings(
    network=NetworkSettings(hidden=8, layers=2, recognise=4), optimiser=OptimiserSettings(members=2, steps=2, batch=16)
)


@pytest.fixture
def trained(monkeypatch, bank):
    """Numbers of the members that were trained; libraries and all that follows the members are made up."""
    numbers = []

    def fake_all(libraries, parts, settings, workers, progress):
        key = training_key("library", settings.to_mapping())
        members = training._train_members(bank, settings, workers, progress, parts, key)
        tensors = {f"member{i}.{k}": v for i, member in enumerate(members) for k, v in member.state_dict().items()}
        return {"threads": torch.get_num_threads()}, tensors

    real = training.train_member

    def count(*task):
        numbers.append(task[-1])
        return real(*task)

    monkeypatch.setattr(training, "_train_all", fake_all)
    monkeypatch.setattr(training, "train_member", count)
    return numbers


@pytest.fixture
def whole(trained, tmp_path):
    path = train([], tmp_path / "whole", SETTINGS, workers=1)
    trained.clear()
    return path


def names(folder):
    return [path.name for path in folder.iterdir()]


def interrupt(output, monkeypatch, settings=SETTINGS):
    """Train the first member, and no further."""

    def stop(done, total, message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([], output, settings, stop, workers=1)
    return output.with_name(output.name + ".parts")


def same(one, other):
    return all(one.with_suffix(s).read_bytes() == other.with_suffix(s).read_bytes() for s in (".safetensors", ".json"))


def test_a_model_is_all_that_is_left(whole, tmp_path):
    assert sorted(names(tmp_path)) == ["whole.json", "whole.safetensors"]


def test_members_that_are_done_are_not_trained_again(whole, trained, tmp_path, monkeypatch):
    parts = interrupt(tmp_path / "cut.safetensors", monkeypatch)
    assert trained == [0]
    assert not (tmp_path / "cut.safetensors").exists()
    (parts / ".half.12.unfinished").touch()
    (tmp_path / ".cut.json.12.unfinished").touch()
    train([], tmp_path / "cut", SETTINGS, workers=1)
    assert trained == [0, 1]
    assert same(tmp_path / "cut.safetensors", whole)
    assert sorted(names(tmp_path)) == ["cut.json", "cut.safetensors", "whole.json", "whole.safetensors"]


def test_a_damaged_member_is_trained_again_aloud(whole, trained, tmp_path, monkeypatch):
    parts = interrupt(tmp_path / "cut.safetensors", monkeypatch)
    (member,) = parts.glob("*.safetensors")
    content = bytearray(member.read_bytes())
    content[-1] ^= 1
    member.write_bytes(content)
    with pytest.warns(UserWarning, match="member0.safetensors: the member is damaged. It is trained again"):
        train([], tmp_path / "cut", SETTINGS, workers=1)
    assert trained == [0, 0, 1]
    assert same(tmp_path / "cut.safetensors", whole)


def test_members_of_another_training_are_not_taken(whole, trained, tmp_path, monkeypatch):
    other = replace(SETTINGS, optimiser=replace(SETTINGS.optimiser, seed=8))
    interrupt(tmp_path / "cut.safetensors", monkeypatch, other)
    train([], tmp_path / "cut", SETTINGS, workers=1)
    assert trained == [0, 0, 1]
    assert same(tmp_path / "cut.safetensors", whole)


def test_a_second_training_says_so(trained, tmp_path):
    with only_writer(tmp_path / "cut.safetensors"), pytest.raises(ExafsnnError, match="another run is writing it"):
        train([], tmp_path / "cut", SETTINGS, workers=1)
    assert not trained


def test_the_key_is_of_all_that_decides():
    key = training_key("library", SETTINGS.to_mapping())
    assert key == training_key("library", SETTINGS.to_mapping())
    assert key != training_key("other", SETTINGS.to_mapping())
    assert key != training_key("library", replace(SETTINGS, held_out=0.2).to_mapping())


def test_a_member_survives_the_disk_to_the_bit(tmp_path):
    tensors = {"x": torch.randn(5, 3), "y": torch.randn(2, 3).T}
    write_member(tmp_path, "key", 1, tensors)
    found = read_member(tmp_path, "key", 1)
    assert found is not None
    assert all(torch.equal(found[name], value) for name, value in tensors.items())
    assert read_member(tmp_path, "key", 0) is None


@pytest.mark.parametrize("content", [b"", b"\x80\x04}.", b"\xff" * 20])
def test_what_is_no_member_is_not_taken(tmp_path, content):
    write_member(tmp_path, "key", 0, {"x": torch.ones(2)})
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert read_member(tmp_path, "key", 0) is None
    assert not path.exists()


def test_networks_of_a_metal_and_its_oxide_learn_longer():
    metal, oxide = metal_of("Ni"), compound_of("nio", [cell_of("rocksalt:4.18 NiO")[1]], "Ni", "K")
    alone, both = settings_for(metal), settings_for(metal, [oxide])
    assert both.optimiser.steps == round(2.8 * alone.optimiser.steps)
    assert both.forward_steps == round(1.4 * alone.forward_steps)
    assert both.pairs.apart_sigma2 > alone.pairs.apart_sigma2 == 0


def test_lithium_is_learned_from_in_any_number():
    """It hardly scatters; the settings come back from a model's file as they were, with anything else refused."""
    compound = compound_of("linio2", [cell_of("layered:2.878,14.19,0.258 LiNiO2")[1]], "Ni", "K")
    pairs = settings_for(compound).pairs
    assert [compound.neighbours[number] for number in pairs.any_number] == ["Li"]
    assert PairSettings.checked(json.loads(json.dumps(asdict(pairs)))) == pairs
    for wrong in ([-1], [0.5], ["Li"], 2):
        with pytest.raises(SettingsError, match="any_number"):
            PairSettings.checked({"any_number": wrong})
    assert settings_for(compound_of("nio", [cell_of("rocksalt:4.18 NiO")[1]], "Ni", "K")).pairs.any_number == ()


def test_the_shares_of_crystals_are_all_there_is():
    for metal in METALS.values():
        bcc, fcc, hcp, melt = settings_for(metal).pairs.phases
        shares = {"bcc": bcc, "fcc": fcc, "hcp": hcp}
        assert sum(shares.values()) + melt == pytest.approx(1.0)
        assert max(shares, key=shares.get) == metal.phase
        if metal.hot:
            assert sorted(shares, key=shares.get)[-2] == metal.hot
