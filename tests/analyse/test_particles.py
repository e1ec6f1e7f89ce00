"""Particles: counted clusters, closed forms, and what an N tells of the size and what not."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run
from numpy.testing import assert_allclose
from scipy.spatial import cKDTree

from exafsnn.analyse.particles import (
    CUBOCTAHEDRON,
    ICOSAHEDRON,
    SAME,
    TRUNCATED_OCTAHEDRON,
    ParticleFinder,
    Shape,
    Size,
    shapes_of,
    sizes_of,
)
from exafsnn.infer.structure import parse_structure
from exafsnn.metals import METALS, Metal

FCC, BCC, HCP = (parse_structure(text) for text in ("fcc:3.9242", "bcc:2.8665", "hcp:2.507,4.070"))
REACH = {FCC: (2.1, 3.3), BCC: (1.9, 3.3), HCP: (1.9, 3.0)}
"""The range ``first`` [Å]."""
SPECTRA = Path(__file__).parents[2] / "spectra"
EVERY = [(structure, shape) for structure in REACH for shape in shapes_of(structure, REACH[structure])]
IDS = [f"{structure.kind} {shape.name}" for structure, shape in EVERY]


def ball(structure) -> Shape:
    return shapes_of(structure, REACH[structure])[-1]


def clusters(shape: Shape, shells: int):
    """The same particle, atom by atom."""
    from ase.cluster import Icosahedron, Octahedron

    if shape is ICOSAHEDRON:
        return Icosahedron("Pt", shells + 1)
    edge = 2 * shells + 1 if shape is CUBOCTAHEDRON else 3 * shells + 1
    return Octahedron("Pt", edge, cutoff=shells)


@pytest.mark.parametrize("shells", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [CUBOCTAHEDRON, ICOSAHEDRON, TRUNCATED_OCTAHEDRON], ids=lambda shape: shape.name)
def test_polyhedra_are_counted_atom_by_atom(shape: Shape, shells: int) -> None:
    positions = clusters(shape, shells).positions
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    nearest = distances[distances > 0].min()
    neighbours = (distances < 1.2 * nearest).sum(axis=1) - 1
    assert shape.atoms(shells) == pytest.approx(len(positions))
    assert shape.coordination(shells) == pytest.approx(neighbours.mean())


@pytest.mark.parametrize(
    ("shape", "shells", "atoms", "coordination"),
    [
        (CUBOCTAHEDRON, 1, 13, 5.538), (CUBOCTAHEDRON, 2, 55, 7.855),
        (ICOSAHEDRON, 1, 13, 6.462), (ICOSAHEDRON, 2, 55, 8.509),
        (TRUNCATED_OCTAHEDRON, 1, 38, 7.579), (TRUNCATED_OCTAHEDRON, 2, 201, 9.433),
    ],
)  # fmt: skip
def test_magic_numbers(shape: Shape, shells: int, atoms: int, coordination: float) -> None:
    assert shape.atoms(shells) == pytest.approx(atoms)
    assert shape.coordination(shells) == pytest.approx(coordination, abs=5e-4)


@pytest.mark.parametrize(("structure", "radius"), [(FCC, 4.0), (FCC, 7.5), (BCC, 6.0), (HCP, 6.5)])
def test_spheres_are_counted_averaged_over_their_centres(structure, radius: float) -> None:
    """All atoms within the radius of 1000 places in the cell, and the neighbours that they have of each other."""
    atoms, cell = crystal(structure, radius + 5.0)
    low, high = REACH[structure]
    count = neighbours = 0
    for centre in np.random.default_rng(0).random((1000, 3)) * cell:
        inside = cKDTree(atoms[np.linalg.norm(atoms - centre, axis=1) < radius])
        count += inside.n
        neighbours += inside.count_neighbors(inside, high) - inside.count_neighbors(inside, low)
    shape = ball(structure)
    assert count / 1000 == pytest.approx(shape.atoms(radius), rel=0.01)
    assert neighbours / count == pytest.approx(shape.coordination(radius), rel=0.01)


def crystal(structure, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) atoms to ``reach`` on all sides of a cell at the origin, and (3,) the edges of that [Å]."""
    from ase.build import bulk

    right_angles = "orthorhombic" if structure.kind == "hcp" else "cubic"
    cell = bulk("X", structure.kind, **dict(zip("ac", structure.constants, strict=False)), **{right_angles: True})
    edges = cell.cell.lengths()
    sides = np.ceil(reach / edges).astype(int)
    return (cell * tuple(2 * sides + 1)).positions - sides * edges, edges


@pytest.mark.parametrize(("structure", "shape"), EVERY, ids=IDS)
def test_larger_particles_have_more_neighbours_up_to_the_bulk(structure, shape: Shape) -> None:
    found = shape.coordination(shape.least * np.geomspace(1, 1e4, 300))
    bulk = 14 if structure is BCC else 12
    assert (np.diff(found) > 0).all()
    assert found[-1] < bulk == pytest.approx(shape.bulk)
    assert found[-1] == pytest.approx(bulk, rel=1e-3)


@pytest.mark.parametrize(("structure", "shape"), EVERY, ids=IDS)
def test_from_size_to_coordination_and_back(structure, shape: Shape) -> None:
    sizes = shape.least * np.geomspace(1, 100, 50)
    assert_allclose(shape.sizes(shape.coordination(sizes)), sizes, rtol=1e-6)


def test_shapes_that_a_crystal_does_not_have_are_left_out() -> None:
    names = {structure.kind: [shape.name for shape in shapes_of(structure, REACH[structure])] for structure in REACH}
    assert names["fcc"] == ["cuboctahedron", "icosahedron", "truncated octahedron", "sphere"]
    assert names["bcc"] == names["hcp"] == ["sphere"]


@pytest.mark.parametrize("metal", METALS.values(), ids=METALS)
def test_every_metal_has_shapes(metal: Metal) -> None:
    """With the number of neighbours in the bulk that each has in its range."""
    shapes = shapes_of(parse_structure(metal.structure), metal.first)
    assert len(shapes) == (4 if metal.phase == "fcc" else 1)
    assert {round(shape.bulk, 6) for shape in shapes} == {14 if metal.phase == "bcc" else 12}


def sizes(structure, *near: float) -> dict[str, Size]:
    found = sizes_of(shapes_of(structure, REACH[structure]), structure.volume, *near)
    return {size.shape: size for size in found}


def test_a_particle_is_found_by_its_coordination() -> None:
    """923 atoms of platinum in a cuboctahedron: as a ball of their volume 2.98 nm wide."""
    near = CUBOCTAHEDRON.coordination(6)
    found = sizes(FCC, near, near - 0.5, near + 0.5)["cuboctahedron"]
    assert found.atoms == pytest.approx(923, rel=1e-5)
    assert found.atoms_low < 923 < found.atoms_high
    assert found.diameter == pytest.approx(0.1 * (6 * 923 * 3.9242**3 / 4 / math.pi) ** (1 / 3))
    assert found.diameter_low < found.diameter < found.diameter_high


def test_the_ball_is_as_wide_as_the_one_that_was_counted() -> None:
    near = float(ball(BCC).coordination(12.0))
    assert sizes(BCC, near, near, near)["sphere"].diameter == pytest.approx(2.4, rel=1e-6)


def test_a_shape_without_so_few_neighbours_is_left_out() -> None:
    assert set(sizes(FCC, 6.0, 5.0, 7.0)) == {"cuboctahedron", "sphere"}
    assert sizes(FCC, 8.0, 7.0, 9.0)["truncated octahedron"].atoms_low == pytest.approx(38)
    assert not sizes(FCC, 1.0, 0.5, 1.5)


@pytest.mark.parametrize("high", [12.5, 12.0, 12 * (1 - SAME)])
def test_what_may_be_bulk_has_no_upper_end(high: float) -> None:
    for size in sizes(FCC, 10.5, 9.0, high).values():
        assert math.isinf(size.atoms_high)
        assert math.isinf(size.diameter_high)
        assert 1 < size.diameter_low < size.diameter < 10


def test_bulk_has_no_size_but_a_least_one() -> None:
    for size in sizes(FCC, 12.1, 11.9, 12.3).values():
        assert math.isinf(size.atoms)
        assert math.isinf(size.diameter)
        assert 10 < size.diameter_low < 25


class Known:
    """A model that sees every RDF as of one phase."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.ranges = {"first": (1.9, 3.3)}

    def seen_as(self, density: np.ndarray) -> list[str]:
        return [self.phase] * len(density)

    def oxidised(self, density: np.ndarray) -> np.ndarray:
        return np.zeros(len(density))


def fewer(prediction, coordination: float, high: float, **changes: object):
    """The same prediction with another N."""
    from dataclasses import replace

    shell = replace(
        prediction.shells["first"], coordination=coordination, coordination_low=coordination - 1, coordination_high=high
    )
    return replace(prediction, shells={"first": shell}, **changes)


def test_the_sentence_tells_range_shapes_and_interval(make_prediction) -> None:
    standard = make_prediction()
    finder = ParticleFinder(Known("bcc"), "bcc:2.8665", standard)
    particle, bulk = finder.find([fewer(standard, 12.0, 13.0), fewer(standard, 13.9, 14.5)])
    assert particle.finding.name == "particles"
    assert (
        particle.finding.message
        == "N 12.0 (11.0 to 13.0): particles of 1.8 to 5.6 nm (sphere), of 2.8 nm if N is exact"
    )
    assert bulk.finding.name == "particles-or-bulk"
    assert bulk.finding.message == "N 13.9 (12.9 to 14.5): bulk, or particles of more than 5.0 nm (sphere)"
    assert particle.strain == 0
    assert particle.stretch_std == pytest.approx(math.sqrt(2) * 0.0048 / 2.6512)


def test_of_another_phase_or_a_foreign_sample_nothing_is_told(make_prediction) -> None:
    """Iron that has become fcc has 12 neighbours instead of 14: that is no surface."""
    standard = make_prediction()
    sample = fewer(standard, 12.0, 13.0)
    for phase in ("fcc", "hcp", "liquid"):
        assert ParticleFinder(Known(phase), "bcc:2.8665", standard).find([sample]) == [None]
    foreign = fewer(standard, 12.0, 13.0, in_domain=False)
    assert ParticleFinder(Known("bcc"), "bcc:2.8665", standard).find([foreign]) == [None]
    assert ParticleFinder(Known("hcp"), "fcc:3.6", standard).find([fewer(standard, 9, 10)]) != [None]


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "particles.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


COLUMNS = "file,record,pair,shape,atoms,atoms_low,atoms_high,diameter,diameter_low,diameter_high,strain,strain_std"


def test_results_have_the_table_only_with_a_standard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Iron at 400 K is bulk, and at 1190 K it is fcc."""
    names = [str(SPECTRA / f"fe_{temperature}K.dat") for temperature in ("0400", "1190")]
    reference = ["--reference", str(SPECTRA / "fe_0300K.dat"), "--structure", "bcc:2.8667"]
    assert run(["predict", *names, "-o", str(tmp_path)]) == 0
    assert not (tmp_path / "particles.csv").exists()
    capsys.readouterr()
    assert run(["predict", *names, *reference, "-o", str(tmp_path), "--json"]) == 0
    (row,) = table(tmp_path)
    assert ",".join(row) == COLUMNS
    assert (row["file"], row["pair"], row["shape"]) == (names[0], "Fe-Fe", "sphere")
    assert row["atoms"] == row["atoms_high"] == row["diameter"] == row["diameter_high"] == ""
    assert 1 < float(row["diameter_low"]) < 20
    assert abs(float(row["strain"])) < 0.002 + 2 * float(row["strain_std"])
    warm, hot = json.loads(capsys.readouterr().out)["scans"]
    assert warm["particles"][0]["diameter_high"] is None
    assert "particles" not in hot
    written = json.loads((tmp_path / "settings.json").read_text())
    assert written["scans"][0]["findings"][-1]["name"] == "particles-or-bulk"
    assert "particles.csv" in written["files"]


@pytest.mark.parametrize("command", ["refine", "series"])
def test_platinum_on_carbon(command: str, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fuel-cell catalyst: particles of a few nanometres, whose bonds are shorter than the foil's."""
    names = [str(data_dir / "nanoparticles/xafs_TEC10E50E_20231031_H.nor"), str(data_dir / "metals/Ptfoil.chik")]
    reference = ["--reference", str(data_dir / "metals/pt_metal_rt.xdi"), "--structure", "fcc:3.9242"]
    more = ["--against", "order"] if command == "series" else []
    assert run([command, *names, *reference, *more, "-o", str(tmp_path)]) == 0
    rows = table(tmp_path)
    assert [row["shape"] for row in rows] == 2 * ["cuboctahedron", "icosahedron", "truncated octahedron", "sphere"]
    for particle, foil in zip(rows[:4], rows[4:], strict=True):
        assert float(particle["diameter_low"]) < 2.0
        assert 1.3 < float(particle["diameter"]) < 2.5
        assert particle["diameter_high"] == "" or 2.0 < float(particle["diameter_high"]) < 15.0  # it may be the bulk's
        assert float(particle["strain"]) < -2 * float(particle["strain_std"])
        assert foil["diameter_high"] == ""  # N may be the bulk's
        assert float(foil["diameter_low"]) > 1.5 * float(particle["diameter_low"])
        assert abs(float(foil["strain"])) < 2 * float(foil["strain_std"])
    assert "bulk, or particles" not in capsys.readouterr().err  # of which that is no news


@pytest.mark.xfail(strict=True, reason="N 9.1 ± 0.6: of 1.4 to 2 nm, by shape")
def test_the_size_of_platinum_on_carbon(data_dir: Path, tmp_path: Path) -> None:
    name = str(data_dir / "nanoparticles/xafs_TEC10E50E_20231031_H.nor")
    reference = ["--reference", str(data_dir / "metals/pt_metal_rt.xdi"), "--structure", "fcc:3.9242"]
    run(["refine", name, *reference, "-o", str(tmp_path)])
    for row in table(tmp_path):
        assert 1.5 < float(row["diameter"]) < 2.5
        assert 2.5 < float(row["diameter_high"] or "inf") < 8.0


def test_platinum_on_carbon_is_not_the_bulk(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(data_dir / "nanoparticles/xafs_TEC10E50E_20231031_H.nor")
    reference = ["--reference", str(data_dir / "metals/pt_metal_rt.xdi"), "--structure", "fcc:3.9242"]
    assert run(["refine", name, *reference, "-o", str(tmp_path)]) == 0
    assert all(2.0 < float(row["diameter_high"] or "inf") < 15.0 for row in table(tmp_path))
    assert "_H.nor: N 9." in capsys.readouterr().err
