"""The only caller of the FEFF programs: potentials once per material and treatment, then sums over scattering paths.

A ``Potentials`` holds the files that ``pot`` and ``xsph`` (FEFF8.5L) or the first module of FEFF6L wrote. A
``PathSummer`` reuses them in one scratch folder: it writes a list of paths, runs the path modules and reads χ(k) back.
Clusters come from ``simulate``; tables go to ``physics.scattering``.

FEFF is described by Ankudinov, Ravel, Rehr & Conradson, Phys. Rev. B 58, 7565 (1998) (version 8) and Zabinsky, Rehr,
Ankudinov, Albers & Eller, Phys. Rev. B 52, 2995 (1995) (version 6). The programs come with xraylarch.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exafsnn.constants import BOHR_ANGSTROM
from exafsnn.errors import SimulationError
from exafsnn.processes import run_program
from exafsnn.records import Array
from exafsnn.settings import Settings

_PLATFORMS = {"Linux": "linux64", "Darwin": "darwin64", "Windows": "win64"}
_TIMEOUT = 1800.0
"""A step of FEFF that takes longer hangs [s]: self-consistent potentials take minutes where others share the cores."""
_ELECTRONS = re.compile(r"^ +(\d+) +(\d) +(\d+\.\d{3}) *$", re.MULTILINE)
"""Potential, angular momentum and number of electrons, as FEFF8.5L's potentials tell them."""
_ELECTRONS_APART = 2.0
"""Valence electrons of one kind by which potentials of one element may differ."""
_RATIO = slice(21, 31)
"""Where FEFF8.5L's list of paths has their amplitudes."""
_PATH_STEPS = {"8.5L": ("feff8l_genfmt", "feff8l_ff2x"), "6L": ("feff6l",)}
_REUSED = {
    "8.5L": (
        "phase.pad",
        "xsect.json",
        "global.json",
        "genfmt.json",
        "ff2x.json",
        "pot.json",
        "xsph.json",
        "libpotph.json",
    ),
    "6L": ("phase.bin", "feff.inp"),
}


@dataclass(frozen=True)
class FeffTreatment(Settings):
    """How FEFF builds the scattering potential: the choices that differ between practitioners."""

    name: str = "scf-hl"
    program: str = "8.5L"
    """``"8.5L"`` or ``"6L"``."""
    exchange: int = 0
    """Self-energy: 0 Hedin-Lundqvist, 1 Dirac-Hara, 2 ground state, 3 Dirac-Hara with Hedin-Lundqvist's losses, 5
    partially non-local."""
    scf_radius: float = 4.0
    """Radius of the self-consistent potentials [Å]; 0: overlapped free atoms."""
    overlap: float = 1.15
    """Muffin-tin overlap: AFOLP of FEFF8.5L, FOLP of FEFF6L."""
    k_max: float = 18.0
    """Largest k of the calculation [Å⁻¹]."""


@dataclass(frozen=True)
class ScatteringPath:
    """One path absorber → atoms → absorber."""

    positions: Array
    """(legs − 1, 3) the scatterers in order, relative to the absorber [Å]."""
    potentials: tuple[int, ...]
    """Unique-potential index of each scatterer."""
    degeneracy: float = 1.0
    """Weight of the path in the sum."""


@dataclass(frozen=True)
class Potentials:
    """What FEFF's potential and phase modules wrote for one material, treatment and absorber."""

    treatment: FeffTreatment
    symbols: tuple[str, ...]
    """Element of each unique potential; the absorber first."""
    files: dict[str, bytes]


@dataclass(frozen=True)
class PhaseShifts:
    """The photoelectron of one material, treatment and absorber, as FEFF's phase module left it."""

    k: Array
    """(e,) real wavenumbers above the Fermi level [Å⁻¹]."""
    momentum: np.ndarray
    """(e,) complex momentum p between the muffin tins [Å⁻¹]; 1/Im p is the mean free path."""
    upper: np.ndarray
    """(potentials, e, l) complex phase shifts of j = l + ½; zero where FEFF has none."""
    lower: np.ndarray
    """(potentials, e, l) the same of j = l − ½."""
    moments: np.ndarray
    """(8, e) reduced dipole matrix elements to the final states in FEFF's order, with the absorber's phase shifts."""
    hole: int
    """FEFF's number of the core level: 1 K, 2 L1, 3 L2, 4 L3."""


@dataclass(frozen=True)
class _EffectiveScattering:
    """Effective scattering of single-scattering paths, as FEFF tabulates it.

    χ(k) = magnitude · reduction · exp(−2R/λ) / (kR²) · sin(2kR + phase), per atom, S₀² = 1.
    """

    k: Array
    """(m,) [Å⁻¹]."""
    r: Array
    """(p,) half path length [Å]."""
    magnitude: Array
    """(p, m) |F_eff| · reduction factor [Å]."""
    phase: Array
    """(p, m) total phase shift [rad], continuous in k."""
    mean_free_path: Array
    """(m,) λ(k) [Å]."""


class CoreAsValenceError(SimulationError):
    """FEFF's self-consistency ended with core electrons among the valence ones."""


def program_folder() -> Path:
    """Folder of the FEFF programs that xraylarch brings for this platform.

    Raises
    ------
    SimulationError
        If xraylarch, or a build for this platform, is not installed.
    """
    spec = importlib.util.find_spec("larch")
    place = _PLATFORMS.get(platform.system())
    if spec is None or spec.origin is None or place is None:
        raise SimulationError("FEFF programs not found", remedy="Install xraylarch, which carries them")
    folder = Path(spec.origin).parent / "bin" / place
    if not folder.is_dir():
        raise SimulationError("FEFF programs not found", where=str(folder), remedy="Reinstall xraylarch")
    return folder


def make_potentials(
    positions: Array, symbols: Sequence[str], treatment: FeffTreatment, *, edge: str = "K", feff_numbers: Sequence[int]
) -> Potentials:
    """Run FEFF's potential and phase modules for a cluster around an absorber.

    Parameters
    ----------
    positions
        (n, 3) atoms relative to the absorber, which is the first row [Å]. The whole sphere.
    symbols
        Element of each unique potential, the absorber's own first.
    treatment
        Exchange, self-consistency, overlap.
    edge
        Absorption edge.
    feff_numbers
        (n) unique-potential index of each atom; 0 for the absorber alone.

    Raises
    ------
    SimulationError
        If FEFF fails or leaves out a file; ``CoreAsValenceError`` if its self-consistency took core electrons for
        valence ones.
    """
    with tempfile.TemporaryDirectory(prefix="exafsnn-feff-") as name:
        folder = Path(name)
        (folder / "feff.inp").write_text(_input_text(positions, symbols, treatment, edge, feff_numbers))
        if treatment.program == "8.5L":
            for program in ("rdinp", "pot", "xsph"):
                said = _run(f"feff8l_{program}", folder)
                if program == "pot":
                    _check_electrons(said, symbols)
            _switch_control(folder, "CONTROL 1 1 0 0 0 0", "CONTROL 0 0 0 0 1 1")
            _run("feff8l_rdinp", folder)
        else:
            _run("feff6l", folder)
            _switch_control(folder, "CONTROL 1 0 0 0", "CONTROL 0 0 1 0")
        files = {item: _read(folder, item) for item in _REUSED[treatment.program]}
    return Potentials(treatment=treatment, symbols=tuple(symbols), files=files)


def _input_text(
    positions: Array, symbols: Sequence[str], treatment: FeffTreatment, edge: str, feff_numbers: Sequence[int]
) -> str:
    """The text of ``feff.inp``: no path filter, no Debye-Waller factors, S₀² = 1."""
    holes = {"K": 1, "L1": 2, "L2": 3, "L3": 4}
    cards = ["TITLE exafsnn", f"HOLE {holes[edge]} 1.0", f"EXCHANGE {treatment.exchange} 0.0 0.0", "NLEG 4"]
    if treatment.program == "8.5L":
        cards += ["CONTROL 1 1 0 0 0 0", "PRINT 0 0 0 0 0 3", f"AFOLP {treatment.overlap}", f"EXAFS {treatment.k_max}"]
        cards += [f"SCF {treatment.scf_radius} 0 40 0.2 1"] if treatment.scf_radius > 0 else []
        cards += ["RPATH 8.0", "CRITERIA 0.0 0.0"]
    else:
        cards += ["CONTROL 1 0 0 0", "PRINT 0 0 0 3", f"FOLP 0 {treatment.overlap}", f"FOLP 1 {treatment.overlap}"]
        cards += ["RMAX 8.0", "CRITERIA 0.0 0.0"]
    from ase.data import atomic_numbers  # a table; ASE comes with the extra `simulate`

    lines = [f"{i} {atomic_numbers[symbol]} {symbol}" for i, symbol in enumerate(symbols)]
    atoms = [f"{x:.6f} {y:.6f} {z:.6f} {i}" for (x, y, z), i in zip(positions, feff_numbers, strict=True)]
    return "\n".join([*cards, "POTENTIALS", *lines, "ATOMS", *atoms, "END", ""])


def _switch_control(folder: Path, before: str, after: str) -> None:
    """Tell FEFF which modules to run next."""
    path = folder / "feff.inp"
    path.write_text(path.read_text().replace(before, after))


def _run(program: str, folder: Path) -> str:
    """Run one FEFF program in ``folder``, and give what it says."""
    suffix = ".exe" if platform.system() == "Windows" else ""
    command = [str(program_folder() / (program + suffix))]
    try:
        code, said = run_program(command, folder, _TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise SimulationError(f"{program} ran longer than {_TIMEOUT:.0f} s", where=str(folder)) from error
    if code != 0:
        raise SimulationError(f"{program} failed: {said.strip()[-300:]}", where=str(folder))
    return str(said)


def _check_electrons(said: str, symbols: Sequence[str]) -> None:
    """Refuse potentials of which atoms of one element hold quite other valence electrons.

    FEFF counts those above the energy that parts core from valence. Where a 3d level lies near it (arsenic in GaAs,
    exchange 5), electrons change sides on the way: FEFF ends without a word, and χ(k) of that element is nonsense. The
    absorber, whose core hole draws an electron at most, tells what its element has.
    """
    held: dict[int, dict[int, float]] = {}
    for number, momentum, electrons in _ELECTRONS.findall(said):
        held.setdefault(int(number), {})[int(momentum)] = float(electrons)  # of the last iteration
    for number in range(1, len(symbols)):
        if symbols[number] != symbols[0] or not {0, number} <= set(held):
            continue
        apart = max(abs(electrons - held[0].get(level, 0.0)) for level, electrons in held[number].items())
        if apart > _ELECTRONS_APART:
            of, absorber = (", ".join(f"{held[which][level]:.1f}" for level in range(3)) for which in (number, 0))
            raise CoreAsValenceError(
                f"FEFF's self-consistency took core electrons for valence ones: {of} of s, p and d kind in"
                f" {symbols[number]}, and {absorber} in the absorber",
                remedy="Use another exchange, or overlapped atoms (scf_radius = 0)",
            )


def _read(folder: Path, name: str) -> bytes:
    """A file that FEFF should have written: FEFF prints its errors and exits 0."""
    path = folder / name
    if not path.exists() or path.stat().st_size == 0:
        raise SimulationError(f"FEFF wrote no {name}", remedy="Look at the cluster: are its potentials all in it?")
    return path.read_bytes()


class PathSummer:
    """Sums paths with one set of potentials, in one scratch folder that is removed on exit.

    Use as a context manager; not to be shared between processes.
    """

    def __init__(self, potentials: Potentials) -> None:
        self._potentials = potentials
        self._scratch = tempfile.TemporaryDirectory(prefix="exafsnn-paths-")
        self._folder = Path(self._scratch.name)
        for name, content in potentials.files.items():
            (self._folder / name).write_bytes(content)

    def __enter__(self) -> PathSummer:
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def chi(self, paths: Sequence[ScatteringPath], k: Array) -> Array:
        """χ(k) of the weighted sum of ``paths``, at the (m,) wavenumbers ``k`` [Å⁻¹]; S₀² = 1, no Debye-Waller factor.

        Raises
        ------
        SimulationError
            If FEFF fails or gives anything but finite numbers.
        """
        if not paths:
            return np.zeros_like(k)
        values = self._chi_8(paths, k) if self._potentials.treatment.program == "8.5L" else self._chi_6(paths, k)
        if not np.isfinite(values).all():
            raise SimulationError("FEFF gave a χ(k) that is not finite")
        return values

    def _chi_8(self, paths: Sequence[ScatteringPath], k: Array) -> Array:
        """Let FEFF8.5L sum the paths."""
        self._sum(paths, each=False)
        _read(self._folder, "chi.dat")
        table = np.loadtxt(self._folder / "chi.dat")
        values: Array = np.interp(k, table[:, 0], table[:, 1])
        return values

    def _chi_6(self, paths: Sequence[ScatteringPath], k: Array) -> Array:
        """Sum the paths that FEFF6L computes: the module that should do it is not called in this build."""
        effective = self.effective(paths, k)
        half = effective.r[:, None]  # [path, 1]
        weight = np.array([path.degeneracy for path in paths])[:, None]
        wave = np.sin(2 * k * half + effective.phase) * np.exp(-2 * half / effective.mean_free_path)
        values: Array = (weight * effective.magnitude * wave / (k * half**2)).sum(axis=0)
        return values

    def effective(self, paths: Sequence[ScatteringPath], k: Array) -> _EffectiveScattering:
        """Effective amplitude and phase of each path (see ``_EffectiveScattering``), at ``k``."""
        self._sum(paths, each=True)
        tables = [_read_effective(self._folder / f"feff{i + 1:04d}.dat") for i in range(len(paths))]
        magnitude = np.array([np.interp(k, t[:, 0], t[:, 2] * t[:, 4]) for t in tables])
        phase = np.array([np.interp(k, t[:, 0], t[:, 1] + t[:, 3]) for t in tables])
        mean_free_path = np.interp(k, tables[0][:, 0], tables[0][:, 5])
        r = np.array([_half_length(path) for path in paths])
        return _EffectiveScattering(k=k, r=r, magnitude=magnitude, phase=phase, mean_free_path=mean_free_path)

    def write_paths(self, paths: Sequence[ScatteringPath], folder: Path) -> list[Path]:
        """Compute paths and copy FEFF's own file of each to ``folder``, for programs that read those."""
        self._sum(paths, each=True)
        names = [f"feff{i + 1:04d}.dat" for i in range(len(paths))]
        for name in names:
            (folder / name).write_bytes(_read(self._folder, name))
        return [folder / name for name in names]

    def _sum(self, paths: Sequence[ScatteringPath], *, each: bool) -> None:
        """Write the list of paths and run FEFF's path modules; a file of each path only where it is read: it costs."""
        for old in (*self._folder.glob("feff0*.dat"), self._folder / "chi.dat"):
            old.unlink(missing_ok=True)
        (self._folder / "paths.dat").write_text(_paths_text(paths, self._potentials.symbols))
        for program in _PATH_STEPS[self._potentials.treatment.program]:
            if program == "feff8l_ff2x":
                _part_columns(self._folder / "list.dat")
                settings = json.loads(self._potentials.files["ff2x.json"]) | {"ipr6": 3 if each else 0}
                (self._folder / "ff2x.json").write_text(json.dumps(settings))
            _run(program, self._folder)


def _part_columns(path: Path) -> None:
    """Keep apart the columns of a list of paths: genfmt gives one ten characters, and ff2x reads words.

    It is the amplitude over that of the first path, which nothing here asks for; in heavy metals it has ten digits.
    """
    lines = _read(path.parent, path.name).decode("latin-1").splitlines()
    first = 1 + next(number for number, line in enumerate(lines) if "pathindex" in line)
    wide = [number for number, line in enumerate(lines[first:], first) if line[_RATIO][:1] != " "]
    for number in wide:
        lines[number] = lines[number][: _RATIO.start] + " 99999.999" + lines[number][_RATIO.stop :]
    if wide:
        path.write_text("\n".join(lines) + "\n", encoding="latin-1")


def _half_length(path: ScatteringPath) -> float:
    """Half the length of a path [Å]."""
    corners = np.vstack([np.zeros(3), path.positions, np.zeros(3)])
    return float(0.5 * np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())


def _paths_text(paths: Sequence[ScatteringPath], symbols: tuple[str, ...]) -> str:
    """The text of ``paths.dat``; FEFF works out lengths and angles itself."""
    lines = ["exafsnn", " " + "-" * 71]
    home = f"{0.0:12.6f}{0.0:12.6f}{0.0:12.6f}{0:4d} '{symbols[0]:<6s}'"
    for index, path in enumerate(paths, start=1):
        legs = len(path.potentials) + 1
        lines.append(f"{index:6d}{legs:5d}{path.degeneracy:9.4f}  index, nleg, degeneracy, r=")
        lines.append("      x           y           z     ipot  label")
        for (x, y, z), number in zip(path.positions, path.potentials, strict=True):
            lines.append(home if number == 0 else f"{x:12.6f}{y:12.6f}{z:12.6f}{number:4d} '{symbols[number]:<6s}'")
        lines.append(home)
    return "\n".join(lines) + "\n"


def _read_effective(path: Path) -> Array:
    """Columns k, 2δ_c, |F|, φ, reduction, λ, Re p of one ``feffNNNN.dat``, phases made continuous."""
    text = _read(path.parent, path.name).decode("latin-1").splitlines()
    start = next(i for i, line in enumerate(text) if "real[2*phc]" in line) + 1
    rows = [line for line in text[start:] if line.strip()]
    table = np.array(" ".join(rows).split(), dtype=float).reshape(len(rows), 7)
    table[:, 1] = np.unwrap(table[:, 1])
    table[:, 3] = np.unwrap(table[:, 3])
    return table


def read_phases(potentials: Potentials) -> PhaseShifts:
    """Everything that FEFF8.5L's ``phase.pad`` says of the electron on the horizontal energies, to the largest k.

    Raises
    ------
    SimulationError
        If the potentials are FEFF6L's, which writes another file.
    """
    if "phase.pad" not in potentials.files:
        raise SimulationError("FEFF6L's potentials hold no phase.pad", remedy="Use program 8.5L")
    lines = potentials.files["phase.pad"].decode("latin-1").splitlines()
    _, energies, main, _, last, hole, *_ = (int(cell) for cell in lines[0].split()[:8])
    edge_values, cursor = _unpad(lines, 1, 3, parts=1)
    energy, cursor = _unpad(lines, cursor, energies, parts=2)
    reference, cursor = _unpad(lines, cursor, energies, parts=2)
    tables = []
    for _ in range(last + 1):
        l_max = int(lines[cursor].split()[0])
        values, cursor = _unpad(lines, cursor + 1, energies * (2 * l_max + 1), parts=2)
        tables.append(values.reshape(energies, 2 * l_max + 1)[:main])
    moments, _ = _unpad(lines, cursor, energies * 8, parts=2)
    excess = 2 * (energy - edge_values[2]).real[:main]
    width = max(table.shape[1] for table in tables) // 2
    delta = np.array([np.pad(t, ((0, 0), (width - t.shape[1] // 2,) * 2)) for t in tables])  # [potential, energy, ±l]
    return PhaseShifts(
        k=np.sign(excess) * np.sqrt(np.abs(excess)) / BOHR_ANGSTROM,
        momentum=np.sqrt(2 * (energy - reference))[:main] / BOHR_ANGSTROM,
        upper=delta[..., width::-1],
        lower=delta[..., width:],
        moments=moments.reshape(8, energies)[:, :main],
        hole=hole,
    )


def partial_waves(potentials: Potentials) -> tuple[np.ndarray, Array]:
    """Phase shifts of FEFF8.5L's ``phase.pad`` on the EXAFS range.

    Returns
    -------
    phases
        (potentials, energies, l) complex phase shifts δ_l.
    k
        (energies,) real wavenumbers [Å⁻¹], 3 to 13.
    """
    phases = read_phases(potentials)
    use = (phases.k > 3.0) & (phases.k < 13.0)
    return phases.lower[:, use], phases.k[use]


def _unpad(lines: list[str], cursor: int, count: int, *, parts: int) -> tuple[np.ndarray, int]:
    """Numbers in FEFF's packed-ASCII format: 8 characters each, base 90, from line ``cursor`` on."""
    text = ""
    while len(text) < count * parts * 8:
        text += lines[cursor][1:].rstrip("\n")
        cursor += 1
    codes = np.frombuffer(text[: count * parts * 8].encode("latin-1"), dtype=np.uint8).reshape(-1, 8).astype(float) - 37
    digits = np.floor(codes[:, 1] / 2) + sum(codes[:, i] / 90.0 ** (i - 1) for i in range(2, 8))
    sign = np.where(codes[:, 1] % 2 == 1, 1.0, -1.0)
    values = sign * digits / 45.0 * 10.0 ** (codes[:, 0] - 45)
    return (values[0::2] + 1j * values[1::2] if parts == 2 else values), cursor
