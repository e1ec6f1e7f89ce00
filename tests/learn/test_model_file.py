"""A model survives the disk; a damaged one is refused in words; loading runs no code."""

from __future__ import annotations

import hashlib
import json
import pickle
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from exafsnn.errors import ExafsnnError, ModelError
from exafsnn.infer.predict import load_model
from exafsnn.learn import model_file
from exafsnn.learn.domain import GIVEN, Domain
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, LEVELS
from exafsnn.learn.model_file import (
    SHIPPED,
    find_model,
    known_models,
    read_model,
    save_model,
    set_calibration,
    shipped_models,
)

BAD_SCALE = {"weights": [0.0] * 9, "low": [0.0] * len(LEVELS), "high": [-1.0] * len(LEVELS)}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The shipped model; that tensors name their JSON is not checked, so that tests can forge what comes after."""
    monkeypatch.setattr(model_file, "info_checksum", lambda info: "forged")
    monkeypatch.setattr(model_file, "_named_info", lambda content: "forged")
    (tmp_path / "own.safetensors").write_bytes((SHIPPED / "fe-k.safetensors").read_bytes())
    (tmp_path / "own.json").write_bytes((SHIPPED / "fe-k.json").read_bytes())
    return tmp_path / "own.safetensors"


def test_all_shipped_models_together_are_small():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 60e6


def test_the_shipped_model_is_small_and_says_what_it_is():
    assert "fe-k" in shipped_models()
    assert find_model("fe-k").stat().st_size <= 4e6
    info = load_model("fe-k").info
    assert info["library"]["states"] >= 200
    assert info["library"]["sites"] >= 12000
    assert len(info["library"]["plan"]["treatments"]) > 1
    assert info["members"] >= 5


def test_a_copy_is_the_same_model(copy):
    one, other = read_model("fe-k"), read_model(str(copy))
    assert one.checksum == other.checksum
    for mine, theirs in zip(one.members, other.members, strict=True):
        assert mine.parts.keys() == theirs.parts.keys()
        assert all(np.array_equal(mine.parts[name], theirs.parts[name]) for name in mine.parts)


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        save_model(tmp_path / f"{name}.safetensors", {}, {"x": torch.arange(5.0)})
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("cut", [0, 7, 100, 100_000])
def test_a_truncated_model_is_refused(copy, cut):
    copy.write_bytes(copy.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"not those|cannot be read|header"):
        read_model(str(copy))


def test_one_changed_bit_is_noticed(copy):
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(ModelError, match="not those that the JSON"):
        read_model(str(copy))


class Trap:
    def __reduce__(self):
        return (exit, ("the model ran code",))


def reseal(path, content):
    """Write tensors that the JSON beside them describes."""
    path.write_bytes(content)
    tell(path, sha256=hashlib.sha256(content).hexdigest())


def tell(path, **changes):
    """Change the JSON of a model of the first format; None removes a key."""
    beside = path.with_suffix(".json")
    info = json.loads(beside.read_text()) | changes
    beside.write_text(json.dumps({key: value for key, value in info.items() if value is not None}))


@pytest.mark.parametrize("sealed", [False, True])
def test_a_pickle_is_not_run(copy, sealed):
    content = pickle.dumps(Trap())
    if sealed:
        reseal(copy, content)
    else:
        copy.write_bytes(content)
    with pytest.raises(ModelError, match="header would have"):
        read_model(str(copy))


def test_a_pickle_in_the_json_is_not_run(copy):
    copy.with_suffix(".json").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"cannot be read.*Copy or fetch"):
        read_model(str(copy))


@pytest.mark.parametrize("length", [1 << 20, 1 << 62, (1 << 64) - 1])
def test_a_header_that_claims_too_much_is_refused(copy, length):
    reseal(copy, length.to_bytes(8, "little") + copy.read_bytes()[8:])
    with pytest.raises(ModelError, match="header"):
        read_model(str(copy))


def test_a_header_that_lies_is_refused(copy):
    content = copy.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = next(key for key in header if key != "__metadata__")
    for change in ({"shape": [10**12, 10**12]}, {"data_offsets": [0, 10**15]}, {"dtype": "F128"}, {"shape": [-1]}):
        text = json.dumps(header | {name: header[name] | change}).encode()
        reseal(copy, len(text).to_bytes(8, "little") + text + content[8 + length :])
        with pytest.raises(ModelError, match="cannot be read"):
            read_model(str(copy))


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "[" * 100_000, '{"a": NaN}', "{}", "null", '{"__metadata__": 1}'])
def test_a_header_that_is_none_is_refused(copy, text):
    reseal(copy, len(text).to_bytes(8, "little") + text.encode())
    with pytest.raises(ModelError, match="own"):
        read_model(str(copy))


def test_a_file_that_is_too_large_is_not_read(copy):
    with copy.open("ab") as stream:
        stream.truncate(1 << 40)  # a hole: no disk is used
    with pytest.raises(ModelError, match=r"own.safetensors has \d+ bytes, and a model at most"):
        read_model(str(copy))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("member0.first.bias", torch.full((344,), torch.nan), "member0.first.bias is not finite"),
        ("forward.kernel", torch.full((291, 160), torch.inf), "is not finite"),
        ("member1.first.weight", torch.zeros(3, 3), r"first.weight has shape \(3, 3\), not"),
        ("member1.first.weight", torch.zeros(30_000, 0), r"has shape \(30000, 0\)"),
        ("forward.layers.0.weight", torch.zeros(20_000, 160), "has shape"),
        ("forward.k", torch.zeros(7), r"forward.k has shape \(7,\), not \(\d+,\)"),
        ("errors.blind", torch.zeros(13), "errors.blind has shape"),
        ("member9.first.bias", torch.zeros(2), "unknown tensor 'member9"),
        ("other", torch.zeros(2), "unknown tensor 'other'"),
        ("member0.more", torch.zeros(2), r"more has shape \(2,\), not None"),
        ("member0.mean", None, r"mean has shape None"),
        ("errors.reference", None, "errors.reference' is missing"),
    ],
)
def test_tensors_are_checked(copy, name, value, said):
    tensors = load_file(copy)
    tensors.pop(name, None)
    reseal(copy, save(tensors | ({} if value is None else {name: value})))
    with pytest.raises(ModelError, match=said):
        read_model(str(copy))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ranges": None}, "lacks the key 'ranges'"),
        ({"sha256": None}, "lacks the key 'sha256'"),
        ({"more": 1}, "unknown key 'more'"),
        ({"format": "exafsnn-model-3"}, "'exafsnn-model-3' is not exafsnn-model-5"),
        ({"format": None}, "None"),
        ({"format": ["x"] * 9}, "is not exafsnn-model"),
        ({"members": 10**9}, "members = 1000000000 is no number"),
        ({"members": 6}, "member5|mean|shape None"),
        ({"members": 4}, "unknown tensor 'member4"),
        ({"members": "5"}, "is no number of networks"),
        ({"misfit_limit": "big"}, "no limit"),
        ({"misfit_limit": 10**400}, "cannot be read"),
        ({"misfit_limit": 0}, "no limit"),
        ({"absorber": "../x"}, "absorber = '../x' is none"),
        ({"edge": "=K"}, "edge"),
        ({"ranges": {"first": [1, 2], "../x": [1, 2]}}, "range '../x' is none"),
        ({"ranges": {"first": [1]}}, "range 'first'"),
        ({"ranges": {}}, "range 'first' is missing"),
        ({"ranges": [1]}, "ranges|range"),
        ({"features": 7}, r"\[feature\] is no JSON object"),
        ({"pairs": {"residue": {}}}, "residue = {} is not like 0.02"),
        ({"pairs": {"r_step": 1e-300}}, "no grid goes from"),
        ({"pairs": {"r_max": 1e300}}, "no grid goes from"),
        ({"pairs": {"noise": [1, 2, 3]}}, "noise"),
        ({"features": {"kstep": 1e-9}}, "no grid goes from"),
        ({"features": {"rstep": 1e-9}}, "no grid goes from"),
        ({"features": {"kmax": 1e12}}, "no grid goes from"),
        ({"features": {"kmax": 17.0}}, "forward.kernel has shape"),
        ({"features": {"kstep": 0.002}}, "no grid goes from 2 to 16.5 in steps of 0.002"),
        ({"features": {"rstep": 0.001, "rmax": 100.0}}, "no grid goes from 0.9 to 100 in steps of 0.001"),
        ({"pairs": {"r_step": 0.002}}, "no grid goes from .* in steps of 0.002"),
        ({"features": {"kstep": 0.01, "rstep": 0.003}}, r"no features are 3072 of 1451 points"),
        ({"features": {"rstep": 0.01}}, "weight has shape"),
        ({"features": {"kind": "nospace"}}, "no features are of kind"),
        ({"features": {"kind": True}}, "kind = True"),
        ({"network": {"hidden": 10**6}}, "has shape"),
        ({"network": {"hidden": -1}}, "cannot be read|has shape"),
        ({"network": {"layers": 10**9}}, "layers"),
        ({"network": {"hidden": 10**30}}, "has shape"),
        ({"network": {"hidde": 3}}, "unknown key hidde"),
        ({"ranges": {"first": [3.3, 1.9]}}, "range 'first' is not within the bins"),
        ({"pairs": {"amplitude": -0.75}}, "amplitude and its standard deviation are not positive"),
        ({"domain": {"weights": [1e300, 0.0, 0.0, 0.0], "limit": 1.0}}, "weights that are none"),
        ({"domain": {"weights": [0.0] * 4, "limit": 0.0}}, "the domain is none"),
        ({"domain": {"weights": [0.0] * 4, "limit": 640.0}}, "the domain ends at 640 times what is usual"),
        ({"domain": {"weights": [0.0] * 4, "limit": 1.0, "beside": {}}}, "the domain is none"),
        ({"domain": {"weights": [0.0] * 4, "limit": 1.0, "beside": {"weights": [0.0] * 4, "limit": 1.0}}}, "is none"),
        ({"intervals": {"predicted blind": {}}}, "not of the answers"),
        ({"intervals": {kind: {"distance": BAD_SCALE} for kind in KINDS_OF_ANSWERS}}, "each within the next"),
        ({"atlas": {"phases": [], "lattice": [], "perfect": []}}, "does not describe its"),
    ],
)
def test_the_json_is_checked(copy, changes, said):
    tell(copy, **changes)
    with pytest.raises(ModelError, match=said):
        read_model(str(copy))


def test_what_would_not_be_read_is_not_written(copy):
    """A network that learned too little has no domain; the model stays as it was."""
    before = copy.read_bytes()
    with pytest.raises(ModelError, match=r"ends at 640 times .*Train it longer"):
        set_calibration(str(copy), read_model(str(copy)).intervals, Domain((0.0,) * GIVEN, 640.0))
    assert copy.read_bytes() == before


@pytest.mark.parametrize(
    ("features", "kernel"),
    [
        ({"rstep": 0.001, "rmax": 100.0}, None),
        ({"kind": "kspace", "kstep": 0.002}, 7251),
        ({"kind": "both", "kmax": 99.0, "kstep": 0.05}, 1951),
    ],
)
def test_what_a_model_says_of_its_grids_takes_no_memory(copy, features, kernel):
    """Grids are held against the tensors, and to what is sane, before any matrix is made of them."""
    tensors = load_file(copy)
    if kernel:
        bins = tensors["forward.kernel"].shape[1]
        tensors |= {"forward.kernel": torch.zeros(kernel, bins), "forward.k": torch.zeros(kernel)}
    info = json.loads(copy.with_suffix(".json").read_text())
    reseal(copy, save(tensors))
    tell(copy, features=info["features"] | features)
    size = sum(path.stat().st_size for path in copy.parent.iterdir())
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"no grid goes from|no features are"):
            read_model(str(copy))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - 4 * size < 2e7


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", '"x"', "{}", "[" * 100_000, '{"a":' * 100_000, '{"format": NaN}', '{"format": Infinity}',
        '{"format": 1e999}', '{"format": ' + "9" * 100_000 + "}", "\ud800", "{'format': 1}", '{"format": 1,}',
    ],
)  # fmt: skip
def test_json_that_is_none_is_refused(copy, text):
    copy.with_suffix(".json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError):
        read_model(str(copy))


@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 1 << 30), value=st.integers(0, 255), cut=st.booleans())
def test_no_damage_escapes(tmp_path_factory, place, value, cut):
    """Whatever becomes of the bytes, sealed or not, the model is read or refused in words."""
    path = tmp_path_factory.mktemp("model") / "own.safetensors"
    path.write_bytes(small_tensors()[0])
    path.with_suffix(".json").write_bytes(small_tensors()[1])
    content = bytearray(path.read_bytes())
    place %= min(len(content), 4000)  # the header
    content[place:] = bytes([value]) + (b"" if cut else content[place + 1 :])
    reseal(path, bytes(content))
    with suppress(ModelError):
        read_model(str(path))


def small_tensors():
    """The shipped model: its tensors, and its JSON."""
    return (SHIPPED / "fe-k.safetensors").read_bytes(), (SHIPPED / "fe-k.json").read_bytes()


@pytest.fixture
def sealed(tmp_path):
    """A model of the format that is written now."""
    info = json.loads((SHIPPED / "fe-k.json").read_text())
    own = {key: value for key, value in info.items() if key not in ("format", "sha256")}
    save_model(tmp_path / "new.safetensors", own | {"misfit_limit": 0.7}, load_file(SHIPPED / "fe-k.safetensors"))
    return tmp_path / "new.safetensors"


def test_both_files_name_each_other(sealed):
    assert read_model(str(sealed)).info["format"] == "exafsnn-model-5"
    tell(sealed, misfit_limit=1e3)
    with pytest.raises(ModelError, match="the JSON is not the one that the tensors name"):
        read_model(str(sealed))


def test_a_model_cut_between_its_two_files_is_refused(sealed, copy):
    copy.write_bytes(sealed.read_bytes())
    with pytest.raises(ModelError, match=r"not those that the JSON.*run exafsnn train again"):
        read_model(str(copy))


def test_a_model_that_is_not_finite_is_not_written(tmp_path):
    with pytest.raises(ModelError, match="training ended in x that is not finite"):
        save_model(tmp_path / "own.safetensors", {}, {"x": torch.tensor([1e30])})
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(ExafsnnError, match=r"cannot be written.*Make its folder first"):
        save_model(tmp_path / "none" / "own.safetensors", {}, {"x": torch.ones(1)})


@pytest.mark.parametrize("name", ["", "/", "a\0b", 300 * "x", ".."])
def test_names_that_no_file_can_have_are_no_model(name):
    with pytest.raises(ModelError, match="no such model"):
        read_model(name)


def test_an_unknown_setting_is_refused(copy):
    path = copy.with_suffix(".json")
    info = json.loads(path.read_text())
    info["features"]["kmx"] = 3
    path.write_text(json.dumps(info))
    with pytest.raises(ModelError, match="unknown key"):
        read_model(str(copy))


def test_a_missing_model_names_those_there_are():
    with pytest.raises(ModelError, match="fe-k"):
        read_model("fe-l")


def test_an_atlas_of_monsters_is_refused(copy):
    tensors = load_file(copy)
    monsters = {f"atlas.{name}": torch.full_like(tensors[f"atlas.{name}"], 6e4) for name in ("scores", "shapes")}
    reseal(copy, save(tensors | monsters))
    with pytest.raises(ModelError, match="the atlas holds densities of more than"):
        read_model(str(copy))


def test_a_folder_that_cannot_be_read_hides_no_shipped_model(monkeypatch):
    monkeypatch.setenv("EXAFSNN_MODELS", "x" * 5000)
    assert find_model("fe-k").parent == SHIPPED
    assert "fe-k" in known_models()


def test_make_is_named_where_it_knows_the_metal():
    with pytest.raises(ModelError, match="make it with exafsnn make ir-l3"):
        find_model("ir-l3")
    with pytest.raises(ModelError) as told:
        find_model("zn-k")
    assert "exafsnn make" not in str(told.value)
