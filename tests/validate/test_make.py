"""A metal's name, or a plan of one that nobody knows, is all that a model needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.infer.joint import load_joint
from exafsnn.infer.predict import load_model
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, QUANTITIES, scale_of
from exafsnn.learn.model_file import known_models, shipped_models
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate import library
from exafsnn.simulate.library import code_checksum, crystal_potentials
from exafsnn.simulate.plan import plan_for
from exafsnn.validate import make as workshop
from exafsnn.validate import recipes
from exafsnn.validate.calibration import Answer
from exafsnn.validate.joint import Trial
from exafsnn.validate.make import make
from exafsnn.validate.recipes import JointRecipe, Recipe, makeable, recipe_for, recipe_of_file, template

from ..infer import toy_compound as toy


def test_a_name_is_a_metal_and_its_edge() -> None:
    assert recipe_for("pt").name == recipe_for("Pt-L3").name == "pt-l3"
    assert recipe_for("pt-l2").material.edge == "L2"
    assert all(recipe_for(name).name == name for name in makeable())
    for name in ("", "copper", "cu-k-1", "xx", "zn"):
        with pytest.raises(SettingsError):
            recipe_for(name)


@pytest.mark.parametrize(("name", "said"), [("cu-l3", "L2 lies 20 eV above L3"), ("pd-l3", "L2 lies 157 eV above L3")])
def test_an_edge_without_room_is_refused(name: str, said: str) -> None:
    """Before ten minutes are spent on spectra that end before k = 9 Å⁻¹."""
    with pytest.raises(SettingsError, match=said):
        recipe_for(name)


def test_full_is_more_of_everything() -> None:
    quick, full = recipe_for("cu"), recipe_for("cu", full=True)
    assert full.seconds > 2 * quick.seconds
    assert full.training.optimiser.members > quick.training.optimiser.members
    assert full.training.pairs == quick.training.pairs


@pytest.mark.parametrize("name", ["cu-k", "co-k", "w-l3"])
def test_the_template_of_a_name_makes_the_same(tmp_path: Path, name: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(template(name))
    assert recipe_of_file(path) == recipe_for(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("3.6149", "0.36149"), "was it in nm"),
        (('"fcc"', '"foc"'), "none of bcc, fcc, hcp"),
        (('"fcc"', '"hcp"'), "two lattice constants"),
        (('"K"', '"Q"'), "has no Q edge"),
        (('"Cu"', '"Xx"'), "is no element"),
        (("1358.0", "-3"), "none of a metal"),
        (("sigma2", "sigma"), "unknown key sigma"),
        (("a = 3.6149", ""), "a is missing"),
        (("a = 3.6149", 'a = "x"'), "no number"),
        (('name = "cu-k"', 'name = "../cu-k"'), "is no name of a model"),
        (('name = "cu-k"', "name = 3"), "is no name of a model"),
        (('name = "cu-k"', 'name = "Cu-K"'), "is no name of a model"),
        (('name = "cu-k"', 'name = "pt-l3"'), "is that of another edge"),
        (("full = false", 'full = "false"'), "neither true nor false"),
        (("[metal]", "training = 3\n[metal]"), "no table of values"),
        (("[metal]", "[training]\noptimiser = 3\n[metal]"), "no JSON object or table"),
        (("[metal]", "[training.optimiser]\nmembers = 0\n[metal]"), "members = 0"),
        (("[metal]", "[training.optimiser]\nmembers = 'x'\n[metal]"), "members = x is not like"),
        (("[metal]", "[training.pairs]\nr_max = nan\n[metal]"), "r_max = nan is not like"),
        (("[metal]", "[training.pairs]\nphases = [1, 0]\n[metal]"), "phases"),
        (("[metal]", "[training]\nheld_out = 2.0\n[metal]"), "held_out"),
        (("[metal]", "[training.ranges]\nfirst = [1, 99]\n[metal]"), "not within the bins"),
        (("[metal]", "[training.ranges]\nother = [2, 3]\n[metal]"), "'first' is missing"),
        (("[metal]", "[training.ranges]\nfirst = 3\n[metal]"), "two distances"),
        (("[metal]", "[metl]"), "unknown key"),
        (("[metal]", "[metal"), "cannot be read"),
    ],
)
def test_a_wrong_plan_is_told_in_one_sentence(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(template("cu").replace(*change))
    with pytest.raises(SettingsError, match=said):
        recipe_of_file(path)


def lead(tmp_path: Path) -> Recipe:
    """Of a metal that is not in the table."""
    path = tmp_path / "plan.toml"
    plan = template("cu").replace("cu-k", "pb-l3").replace('"Cu"', '"Pb"').replace('"K"', '"L3"')
    path.write_text(plan.replace("3.6149", "4.9508"))
    return recipe_of_file(path)


def test_a_metal_that_nobody_knows_is_made_of_its_record(tmp_path: Path) -> None:
    recipe = lead(tmp_path)
    assert recipe.library.metal.symbol == "Pb"
    assert recipe.library.length_scale == pytest.approx(4.9508 / 3.574)


def test_its_potentials_are_of_its_own_lattice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metal, lengths = lead(tmp_path).library.metal, []
    monkeypatch.setattr(library, "make_potentials", lambda cluster, *_, **__: lengths.extend(cluster))
    crystal_potentials(metal, "fcc", FeffTreatment())
    nearest = np.sort(np.linalg.norm(lengths, axis=1))[1:13]  # behind the absorber itself
    assert nearest == pytest.approx(metal.nearest, rel=1e-3)


def test_what_another_recipe_left_is_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path))
    aside = tmp_path / "cu-k.making"
    left: list[bool] = []

    def stop(*_: object) -> None:
        left.append((aside / "library.h5").exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(workshop, "build", stop)
    for note in ("", "of another"):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        (aside / "library.h5").touch()
        if note:
            (aside / "recipe.json").write_text(note)
        with pytest.raises(KeyboardInterrupt):
            make(recipe_for("cu"), lambda *_: None)
    assert left == [False, False]


def test_libraries_that_were_kept_are_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the same plan and code that are whole; any other is simulated."""
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path))
    recipe, kept = replace(recipe_for("cu"), beside=()), tmp_path / "cu-k.libraries"
    seen: list[str] = []

    def keep() -> None:
        kept.mkdir(exist_ok=True)
        for stem, plan in recipe.plans:
            with h5py.File(kept / f"{stem}.h5", "w") as file:
                file["k"] = np.arange(5.0)
                file.attrs["plan"], file.attrs["code"] = json.dumps(asdict(plan), sort_keys=True), code_checksum()
                file.attrs["checksum"] = library._content_checksum(file)

    def simulated(_config: Path, path: Path, *_: object) -> None:
        seen.append(f"{path.stem} is simulated")
        raise KeyboardInterrupt

    def trained(paths: Sequence[Path], *_: object) -> None:
        seen.append(f"trained on {paths[0].stem}")
        raise KeyboardInterrupt

    def run(of: Recipe) -> str:
        with pytest.raises(KeyboardInterrupt):
            make(of, lambda *_: None)
        return seen.pop()

    monkeypatch.setattr(workshop, "build", simulated)
    monkeypatch.setattr(workshop, "train", trained)
    keep()
    assert run(recipe) == "trained on library"
    other = replace(recipe, library=replace(recipe.library, seed=1))
    assert run(other) == "library is simulated"
    with h5py.File(kept / "trial.h5", "a") as file:
        file.attrs["code"] = "of another time"
    assert run(recipe) == "trial is simulated"
    shutil.rmtree(tmp_path / "cu-k.making")
    keep()
    with h5py.File(kept / "library.h5", "a") as file:
        file["k"][2] = 7.0
    assert run(recipe) == "library is simulated"


def test_the_oxide_of_platinum_is_held_by_springs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No force field is asked for it, nor missed."""
    monkeypatch.setattr(recipes, "has_force_field", lambda: False)
    recipe = recipe_for("pt")
    assert not recipe.lacking
    assert len(recipe.beside) == 1
    solids = [solid for of in recipe.beside for plan in (of.library, of.trial) for solid in plan.solids]
    assert {solid.weights for solid in solids} == {("springs",)}
    palladium = recipe_for("pd")
    assert (len(palladium.lacking), palladium.beside) == (1, ())


def test_a_plan_of_a_template_names_the_same_oxides(tmp_path: Path) -> None:
    plan = tmp_path / "pt.toml"
    plan.write_text(template("pt").replace("# oxides = ", "oxides = "))
    assert recipe_of_file(plan).beside == recipe_for("pt").beside


@pytest.mark.slow
def test_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EXAFSNN_MODELS", "EXAFSNN_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    quick = lead(tmp_path)
    plans = [plan_for(quick.material, seed, 0.12) for seed in (1, 2)]
    plans = [
        replace(plan, treatments=plan.treatments[1:2], sites=replace(plan.sites, sites=2, control_sites=4))
        for plan in plans
    ]
    optimiser = replace(quick.training.optimiser, members=2, steps=400)
    calibration = replace(quick.training.calibration, sessions=6)
    training = replace(quick.training, optimiser=optimiser, calibration=calibration, forward_steps=50)
    recipe = replace(quick, name="tiny", library=plans[0], trial=plans[1], training=training)

    def killed(*_: object) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workshop, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            make(recipe, lambda *_: None)
    assert known_models() == shipped_models()
    monkeypatch.setattr(workshop, "build", lambda *_: pytest.fail("the libraries were simulated again"))
    with monkeypatch.context() as patch:
        patch.setattr(workshop, "tried", killed)
        with pytest.raises(KeyboardInterrupt):
            make(recipe, lambda *_: None)
    monkeypatch.setattr(workshop, "train", lambda *_: pytest.fail("it was trained again"))
    path = make(recipe, lambda *_: None)
    assert path == tmp_path / "EXAFSNN_MODELS" / "tiny.safetensors"
    assert sorted(item.name for item in path.parent.iterdir()) == ["tiny.json", "tiny.md", "tiny.safetensors"]
    assert known_models() == sorted([*shipped_models(), "tiny"])
    model = load_model("tiny")
    page = (path.parent / "tiny.md").read_text()
    assert "The L3 edge of Pb" in page
    assert page.count("| refined") == 6
    assert (model.absorber, model.ranges["first"]) == ("Pb", quick.material.first)


COMPOUND = '[compound]\nstructure = "zincblende:5.6687 ZnSe"\nabsorber = "Zn"\nedge = "K"\n'


def test_a_compound_is_a_plan_of_four_lines(tmp_path):
    plan = tmp_path / "znse.toml"
    plan.write_text(COMPOUND)
    recipe = recipe_of_file(plan)
    assert recipe.name == "znse-zn"
    assert not recipe.is_by_edge
    assert recipe.training.ranges[1][0] == "first Zn-Zn"
    assert recipe.library.material.neighbours == ("Se", "Zn")
    assert recipe.states == recipe.library.states + recipe.trial.states > 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('absorber = "Zn"\n', ""), "absorber is missing"),
        (('"Zn"', '"Cd"'), "Cd"),
        (("[compound]", "[metal]\n[compound]"), "two models"),
        (("5.6687", "0.56687"), "nm"),
        (("5.6687", "56.687"), "56.687 Å. Give it in Å, between 1 and 30"),
        (("zincblende:5.6687 ZnSe", "absent.cif"), r"bad\.toml, \[compound\], .*absent\.cif: cannot be read"),
    ],
)
def test_plans_of_compounds_that_cannot_be_are_refused(tmp_path, change, said):
    plan = tmp_path / "bad.toml"
    plan.write_text(COMPOUND.replace(*change))
    with pytest.raises(SettingsError, match=said):
        recipe_of_file(plan)


EDGES = COMPOUND.replace('absorber = "Zn"\nedge = "K"\n', 'edges = ["Zn K", "Se K"]\n')


def test_two_edges_are_two_models_of_the_same_states(tmp_path):
    plan = tmp_path / "znse.toml"
    plan.write_text(EDGES)
    recipe = recipe_of_file(plan)
    assert isinstance(recipe, JointRecipe)
    one, other = recipe.parts
    assert (recipe.name, one.name, other.name) == ("znse", "znse-zn", "znse-se")
    assert recipe.composition == (1.0, 1.0)
    assert one.library.seed == other.library.seed
    assert one.library.solids == other.library.solids
    assert one.training.ranges[0] == other.training.ranges[0]
    assert recipe.states == one.states + other.states
    plan.write_text('name = "mine"\n' + EDGES.replace("zincblende:5.6687 ZnSe", "antifluorite:6.5 Cu2S"))
    with pytest.raises(SettingsError, match="Zn"):
        recipe_of_file(plan)
    plan.write_text(plan.read_text().replace("Zn K", "Cu K").replace("Se K", "S K"))
    found = recipe_of_file(plan)
    assert isinstance(found, JointRecipe)
    assert [part.name for part in found.parts] == ["mine-cu", "mine-s"]
    assert found.composition == (2.0, 1.0)


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ('"Zn K"', "two elements"),
        ('["Zn K"]', "two elements"),
        ('["Zn K", "Zn L3"]', "two elements"),
        ('["Zn K", "Se"]', "two elements"),
        ('["Zn K", "Se K"]\nabsorber = "Zn"', "unknown key absorber: with structure there may be edges, motion"),
        ('["Zn K", "Cd K"]', "Cd"),
    ],
)
def test_edges_that_cannot_be_are_refused(tmp_path, edges, said):
    plan = tmp_path / "bad.toml"
    plan.write_text(EDGES.replace('["Zn K", "Se K"]', edges))
    with pytest.raises(SettingsError, match=said):
        recipe_of_file(plan)


def test_a_joint_model_goes_on_where_it_was(tmp_path, monkeypatch):
    """Its parts are made one by one, and appear together with it."""
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path / "models"))
    plan = tmp_path / "toy.toml"
    plan.write_text('name = "toy"\n' + EDGES)
    recipe, made = recipe_of_file(plan), []

    def part(of: Recipe, folder: Path, *_: object) -> None:
        made.append(of.name)
        toy.save_part(
            folder / f"{of.name}.safetensors", dict(zip(("toy-zn", "toy-se"), toy.ELEMENTS, strict=True))[of.name]
        )
        (folder / f"{of.name}.md").write_text(f"# {of.name}")
        (folder / f"{of.name}.libraries").mkdir(exist_ok=True)
        for stem in ("library", "trial"):
            (folder / f"{of.name}.libraries" / f"{stem}.h5").write_bytes(of.name.encode())
        if len(made) == 1:
            raise KeyboardInterrupt

    given = []

    def tried(name: str, libraries: Sequence[Sequence[Path]], trial: Sequence[Sequence[Path]], *_: object) -> Trial:
        given.extend(path.read_text() for of in (*libraries, *trial) for path in of)
        return trial_of(name)

    monkeypatch.setattr(workshop, "_made", part)
    monkeypatch.setattr(workshop, "joint_tried", tried)
    with pytest.raises(KeyboardInterrupt):
        make(recipe, lambda *_: None)
    assert known_models() == shipped_models()
    path = make(recipe, lambda *_: None, keep=True)
    assert made == ["toy-zn", "toy-se"]
    assert given == ["toy-zn", "toy-se"] * 2
    names = {item.name for item in path.parent.iterdir()}
    parts = {f"toy-{edge}{end}" for edge in ("zn", "se") for end in (".safetensors", ".json", ".md", ".libraries")}
    assert names == {"toy.json", "toy.md"} | parts
    model = load_joint("toy")
    assert all(edge.intervals for edge in model.both)
    with pytest.raises(SettingsError, match="toy-zn is a model of one edge"):
        make(replace(recipe, name="toy-zn"), lambda *_: None)
    page = path.with_suffix(".md").read_text()
    assert "| predicted blind | N of Sr-Br | " in page
    assert "| refined with reference | R [Å] of Br-Br | " in page
    assert "known within 5%" in page


def trial_of(name: str) -> Trial:
    """Answers of a joint model to itself, wrong by what a generator says."""
    rng, model = np.random.default_rng(0), load_joint(name)

    def answers(edge: int) -> list[Answer]:
        names = [scale_of(key, of) for key in QUANTITIES[:3] for of in model.edges[edge].ranges]
        return [
            Answer(
                kind, {key: (rng.normal(0, 0.1, 1), np.array([0.1])) for key in (*names, "density")},
                np.ones((1, 8)), (0.1, 0.1, 0.0, 1.0), None, trajectory, "toy",
            )
            for kind in KINDS_OF_ANSWERS for trajectory in range(20)
        ]  # fmt: skip

    return Trial((answers(0), answers(1)), (answers(0), answers(1)))


@pytest.mark.parametrize(
    ("absorber", "edge", "name"), [("Zn", "K", "znse-zn"), ("Se", "K", "znse-se"), ("Zn", "L1", "znse-zn-l1")]
)
def test_an_unusual_edge_is_in_the_name(absorber, edge, name):
    cells = {"ZnSe": None}
    assert recipes._name_of(cells, absorber, edge) == name


def test_no_model_of_another_crystal_is_replaced(tmp_path, monkeypatch):
    """Rutile and anatase have one name, until the plan gives another; the same crystal may be made better."""
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path))
    texts = {"rutile": "rutile:4.594,2.959 TiO2", "anatase": "anatase:3.785,9.514 TiO2"}
    for kind, text in texts.items():
        plan = COMPOUND.replace("zincblende:5.6687 ZnSe", text).replace('"Zn"', '"Ti"')
        (tmp_path / f"{kind}.toml").write_text(plan)
    rutile, anatase = (recipe_of_file(tmp_path / f"{kind}.toml") for kind in texts)
    assert rutile.name == anatase.name == "tio2-ti"
    (tmp_path / "tio2-ti.safetensors").touch()
    info = {"library": {"plan": json.loads(json.dumps(asdict(rutile.library)))}}
    monkeypatch.setattr(workshop, "read_model", lambda _: SimpleNamespace(info=info))

    def begun(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workshop, "build", begun)
    for recipe in (recipe_of_file(tmp_path / "rutile.toml", full=True), replace(anatase, name="tio2-anatase")):
        with pytest.raises(KeyboardInterrupt):
            make(recipe, lambda *_: None)
    with pytest.raises(SettingsError, match=r"tio2-ti already, of another structure.*name = "):
        make(anatase, lambda *_: None)


def test_a_metal_is_made_again_beside_its_oxides_or_without(tmp_path, monkeypatch):
    """The model keeps the plan of all that it learned from."""
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path))
    monkeypatch.setattr(recipes, "has_force_field", lambda: True)
    recipe = recipe_for("ni-k")
    whole = replace(recipe.library, solids=recipe.beside[0].library.solids)
    (tmp_path / "ni-k.safetensors").touch()
    info = {"library": {"plan": json.loads(json.dumps(asdict(whole)))}}
    monkeypatch.setattr(workshop, "read_model", lambda _: SimpleNamespace(info=info))

    def begun(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workshop, "build", begun)
    for again in (recipe_for("ni-k", full=True), replace(recipe, beside=())):
        with pytest.raises(KeyboardInterrupt):
            make(again, lambda *_: None)


def test_the_template_of_a_crystal_makes_the_same(tmp_path):
    (tmp_path / "short.toml").write_text(COMPOUND)
    (tmp_path / "long.toml").write_text(template("zincblende:5.6687 ZnSe"))
    assert recipe_of_file(tmp_path / "long.toml") == recipe_of_file(tmp_path / "short.toml")


@pytest.mark.parametrize(
    ("plan", "said"), [("full = true\n", "no .metal., .compound. or .alloy.*template cu.*structure, absorber")]
)
def test_a_plan_of_nothing_is_told_of_both_kinds(tmp_path, plan, said):
    (tmp_path / "plan.toml").write_text(plan)
    with pytest.raises(SettingsError, match=said):
        recipe_of_file(tmp_path / "plan.toml")


SEVERAL = '["rocksalt:4.177 NiO", "layered:2.878,14.19,0.258 LiNiO2"]'


@pytest.mark.parametrize(
    ("motion", "weights"),
    [("", {2}), ('motion = "springs"', {1}), ('motion = ["forces", "springs"]', {1, 2})],
)
def test_several_crystals_are_one_model(tmp_path, motion, weights):
    plan = COMPOUND.replace('"zincblende:5.6687 ZnSe"', SEVERAL).replace('"Zn"', '"Ni"') + motion
    (tmp_path / "plan.toml").write_text(plan)
    recipe = recipe_of_file(tmp_path / "plan.toml")
    assert recipe.name == "nio-linio2-ni"
    assert recipe.material.neighbours == ("O", "Ni", "Li")
    assert {len(solid.weights) for solid in recipe.library.solids} == weights
    one = recipe_of_file(write(tmp_path / "one.toml", COMPOUND))
    assert recipe.states == pytest.approx(2**0.5 * one.states, abs=6)
    assert recipe.seconds > one.seconds


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("motion", ['"sprngs"', '["springs", "forces"]', "3", '["springs", 3]'])
def test_motion_that_says_nothing_is_refused(tmp_path, motion):
    (tmp_path / "plan.toml").write_text(f"{COMPOUND}motion = {motion}\n")
    with pytest.raises(SettingsError, match="does not say what moves ZnSe"):
        recipe_of_file(tmp_path / "plan.toml")


def test_a_metal_is_made_with_the_oxides_that_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "has_force_field", lambda: True)
    recipe = recipe_for("ni-k")
    assert [name for name, _ in recipe.plans] == ["library", "nio-library", "trial", "nio-trial"]
    assert [name for name, *_ in recipe.training.ranges] == ["first", "metal Ni-Ni", "first Ni-O", "oxide Ni-Ni"]
    oxide, metal = recipe.beside[0].library, recipe.library
    assert oxide.own_sites.far >= metal.own_sites.far
    assert oxide.treatments == metal.treatments
    path = tmp_path / "plan.toml"
    path.write_text("oxides = []\n" + template("ni-k"))
    assert recipe_of_file(path).beside == ()
    assert recipe_of_file(path).training.ranges == recipe.material.ranges


def test_oxides_of_one_formula_are_all_simulated(tmp_path: Path) -> None:
    texts = ("rutile:4.594,2.959 TiO2", "anatase:3.785,9.514 TiO2")
    path = tmp_path / "plan.toml"
    path.write_text(f"oxides = {json.dumps(texts)}\n" + template("ti-k"))
    recipe = recipe_of_file(path)
    assert [name for name, _ in recipe.plans] == [
        *("library", "tio2-rutile-library", "tio2-anatase-library"),
        *("trial", "tio2-rutile-trial", "tio2-anatase-trial"),
    ]
    theories = {solid.theory(None) for _, plan in recipe.plans for solid in plan.solids}
    assert theories == {"TiO2 rutile", "TiO2 anatase"}
    path.write_text(f"oxides = {json.dumps(texts[:1] * 2)}\n" + template("ti-k"))
    with pytest.raises(SettingsError, match="given twice"):
        recipe_of_file(path)


@pytest.mark.parametrize("plan", ["COMPOUND", "ALLOY"])
def test_oxides_beside_anything_but_a_metal_are_refused(tmp_path: Path, plan: str) -> None:
    (tmp_path / "plan.toml").write_text('oxides = ["rocksalt:4.1771 NiO"]\n' + globals()[plan])
    with pytest.raises(SettingsError, match=r"of a \[metal\], not of"):
        recipe_of_file(tmp_path / "plan.toml")


def test_a_plan_may_name_oxides_that_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('oxides = ["cuprite:4.7306 Ag2O"]\n' + template("ag-k"))
    assert recipe_of_file(path).beside[0].compound.neighbours == ("O", "Ag")
    path.write_text('oxides = ["cuprite:4.7306 Cu2O"]\n' + template("ag-k"))
    with pytest.raises(SettingsError, match="Ag"):
        recipe_of_file(path)
    path.write_text('oxides = "Ag2O"\n' + template("ag-k"))
    with pytest.raises(SettingsError, match="no list of crystals"):
        recipe_of_file(path)


def test_without_what_simulates_oxides_it_says_which_are_lacking(monkeypatch) -> None:
    monkeypatch.setattr(recipes, "has_force_field", lambda: False)
    recipe = recipe_for("pd-k")
    assert recipe.beside == ()
    assert recipe.lacking == ("cooperite:3.0434,5.3363 PdO",)
    assert recipe.training.ranges == recipe.material.ranges


ALLOY = '[alloy]\nelements = ["Pt", "Ni"]\nedges = ["Pt L3", "Ni K"]\n'


def test_an_alloy_is_two_edges_of_the_same_states_in_any_composition(tmp_path):
    plan = tmp_path / "ptni.toml"
    plan.write_text(ALLOY)
    recipe = recipe_of_file(plan)
    assert isinstance(recipe, JointRecipe)
    assert (recipe.name, recipe.composition) == ("ptni", None)
    one, other = recipe.parts
    assert (one.name, other.name) == ("ptni-pt", "ptni-ni")
    assert one.library.bimetals == other.library.bimetals
    assert one.trial.bimetals == other.trial.bimetals
    assert [tuple(limits) for _, *limits in one.training.ranges] == [
        tuple(limits) for _, *limits in other.training.ranges
    ]
    assert one.training.pairs.mixed[0] > 0.3
    assert abs(one.training.pairs.e0) < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('["Pt", "Ni"]', '["Pt", "Pd"]'), "the two whose edges"),
        (('["Pt", "Ni"]', '"PtNi"'), "the two whose edges"),
        (('["Pt L3", "Ni K"]', '["Pt L3"]'), "two elements"),
        (('elements = ["Pt", "Ni"]\n', ""), "elements is missing"),
        (("Ni", "Au"), "Au"),
        (("[alloy]", "[compound]\n[alloy]"), "two models"),
    ],
)
def test_alloys_that_cannot_be_are_refused(tmp_path, change, said):
    plan = tmp_path / "bad.toml"
    plan.write_text(ALLOY.replace(*change))
    with pytest.raises(SettingsError, match=said):
        recipe_of_file(plan)


def test_neighbours_that_scatter_alike_are_refused(tmp_path):
    plan = tmp_path / "ptau.toml"
    plan.write_text(ALLOY.replace("Ni K", "Au L3").replace("Ni", "Au"))
    with pytest.raises(SettingsError, match="scatter alike"):
        recipe_of_file(plan)
