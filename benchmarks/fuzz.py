"""Throw damaged files at every reader and at the model loader: ``python benchmarks/fuzz.py --inputs 1000000``.

Each input is a good file, or a piece of one joined to a piece of another, with bytes changed, moved, repeated, or
replaced by what has hurt readers before. What a reader may do: return finite, increasing arrays, or raise one of our
own errors. Anything else (another exception, a value that is not finite, more than ``HANG`` seconds) is written to
``--keep`` and fails the run. HDF5 files are read in a process of their own, because the C library itself can crash.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import json
import multiprocessing
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn.errors import ExafsnnError
from exafsnn.read.scan import read
from exafsnn.records import Spectrum

HANG = 5.0
BAD = (
    b"nan", b"inf", b"-", b"1e999", b"1,5", b"n/a", b"May", b"#", b"\0", b"\xff\xfe", b"\r", b"'", b"(", b"[", b"::",
    b";", b"\t", b"0x1f", b"=1+1", b"\x1b[2J", b"999999999999999999999", b"-1e-320", b"\xc3\x28", b"#S 1 x",
    b"@A 1 2\\", b"# XDI/1.0", b"# ///", b"9809", b"[record]", b"{" * 40, b" " * 200,
)  # fmt: skip
"""What has hurt readers before."""

Read = Callable[[Path], object]


def energies() -> np.ndarray:
    """A short scan over the Fe K edge [eV]."""
    return 7112.0 + np.concatenate([np.arange(-100, -10, 10.0), np.arange(-10, 30, 2.0), np.arange(30, 200, 10.0)])


def columns() -> list[np.ndarray]:
    """Energy, I0, It and μ of it."""
    energy = energies()
    mu = 0.5 + np.arctan(energy - 7112) / np.pi + 0.02 * np.sin(energy / 9)
    i0 = np.full_like(energy, 1e5) + energy
    return [energy, i0, i0 * np.exp(-mu), mu]


def table(header: str, picks: tuple[int, ...], between: str = "  ") -> bytes:
    """A file of some of the columns under a header."""
    rows = np.column_stack([columns()[pick] for pick in picks])
    return "\n".join([header, *(between.join(f"{value:.6g}" for value in row) for row in rows)]).encode() + b"\n"


def text_seeds() -> list[bytes]:
    """Small good files in every text format."""
    xdi = "# XDI/1.0 GSE/1.0\n# Column.1: energy eV\n# Column.2: i0\n# Column.3: itrans\n# Element.symbol: Fe\n"
    xdi += "# Element.edge: K\n# Mono.d_spacing: 3.13553\n# ///\n# a comment\n#----\n# energy i0 itrans"
    spec = "#F x\n#D Tue Jul 09 14:44:45 2019\n\n#S 1 ascan energy 7 8\n#N 3\n#L Energy  I0  It"
    angle = "# XDI/1.0\n# Column.1: angle degrees\n# Column.2: i0\n# Column.3: itrans\n# Mono.name: Si 111\n#----"
    x, mu = (",".join(f"'{value:.6g}'" for value in column) for column in (columns()[0], columns()[3]))
    prj = "# Athena project file -- v\n$old_group = 'a';\n@args = ('label','fe','is_chi','0');\n"
    prj += f"@x = ({x});\n@y = ({mu});\n[record]\n"
    k = np.arange(0, 12, 0.2)
    chi = "# k chi\n" + "\n".join(f"{one:.3f} {np.sin(5 * one) / (1 + one**2):.5f}" for one in k)
    factory = "  9809     KEK-PF   BL9A\n Fe\n F2T0\n Ring :   2.5 GeV\n Mono :   Si(111)       D=  3.13551 A\n"
    factory += (
        " BL9A      Fluorescence( 3)   Repetition=  1     Points= 3\n Param file : x   energy axis(2)   Block =    1\n"
    )
    factory += "\n Block      Init-Eng  Final-Eng      Step/eV     Time/s       Num\n"
    factory += "     1        6606.20   7061.20         6.50       1.00        3\n Ortec(-1)     NDCH = 3\n"
    factory += (
        "  Angle(c)  Angle(o)    time/s         2         3\n      Mode         0         0         1         3\n"
    )
    factory += "    Offset         0         0  0.000  0.000\n  17.41446  17.41440      1.00   1792467     14016\n"
    factory += (
        "  17.39679  17.39700      1.00   1781004     13757\n  17.37916  17.37910      1.00   1777083     13451\n"
    )
    seeds = [table(xdi, (0, 1, 2)), table(spec, (0, 1, 2)), table(angle, (0, 1, 2)), prj.encode(), chi.encode()]
    seeds += [table("# energy i0 i1", (0, 1, 2), "\t"), table("energy;mu", (0, 3), ";").replace(b".", b",")]
    seeds += [table("XDAC V1.2 Datafile V1\nE0= 7112.00\n\n-----\n  Energy  I0  It", (0, 1, 2)), factory.encode()]
    seeds += [table("Energy (eV), I0, It", (0, 1, 2), ", "), table("", (0, 3)), gzip.compress(prj.encode())]
    fio = "!\n! Comments\n!\n%c\nascan energy 7 8 9 1\n!\n%p\ncryo = 77\n!\n%d\n"
    fio += " Col 1 enc_energy DOUBLE\n Col 2 VFC01 DOUBLE\n Col 3 VFC02 DOUBLE"
    nested = prj.replace("'is_chi'", "'xdi_mono',{'name' => {'name' => [undef]}},'is_chi'")
    groups = {"a": {"args": {"label": "fe"}, "x": columns()[0].tolist(), "y": columns()[3].tolist()}}
    new = json.dumps({"_____header1": "# Athena project file", "_____order": ["a"], **groups})
    seeds += [table(fio, (0, 1, 2)), nested.encode(), new.encode()]
    return [*seeds, table("# energy mu", (0, 3)).decode().encode("utf-16")]


def model_seed(folder: Path) -> tuple[dict[str, Any], bytes]:
    """JSON and tensors of a model like the shipped one, but tiny; that tensors name their JSON is checked no more."""
    import torch

    from exafsnn.learn import model_file
    from exafsnn.learn.atlas import Atlas
    from exafsnn.learn.features import FeatureMap, FeatureSettings
    from exafsnn.learn.model_file import SHIPPED, save_model
    from exafsnn.learn.modules import ForwardModel, Member
    from exafsnn.learn.network import NetworkSettings
    from exafsnn.learn.pair_settings import PairSettings

    network, features, pairs = NetworkSettings(hidden=8, layers=2, recognise=4), FeatureSettings(), PairSettings()
    k, bins = torch.from_numpy(features.k_grid()).float(), len(pairs.bins())
    parts = {"member0.": Member(FeatureMap(features).width, bins, network)}
    parts["forward."] = ForwardModel(k, torch.ones(len(k), bins), components=4, hidden=8)
    tensors = {prefix + key: value for prefix, part in parts.items() for key, value in part.state_dict().items()}
    tensors |= {f"errors.{name}": torch.ones(3, bins) for name in ("blind", "reference")}
    r = torch.from_numpy(pairs.bins()).float()
    atlas = Atlas(r, torch.rand(3, bins), ("bcc", "fcc", "liquid"), torch.full((3,), 2.9), torch.tensor([True] * 3))
    tensors |= {f"atlas.{key}": value for key, value in atlas.tensors().items()}
    info = json.loads((SHIPPED / "fe-k.json").read_text(encoding="utf-8")) | {"atlas": atlas.info()}
    info |= {"members": 1, "network": network.to_mapping(), "features": features.to_mapping()}
    info |= {"pairs": pairs.to_mapping()}
    save_model(folder / "seed.safetensors", {key: value for key, value in info.items() if key != "sha256"}, tensors)
    info = json.loads((folder / "seed.json").read_text(encoding="utf-8"))
    for check in ("info_checksum", "_named_info"):
        setattr(model_file, check, lambda _: "not checked")
    return info, (folder / "seed.safetensors").read_bytes()


def hdf5_seeds(folder: Path) -> list[bytes]:
    """Small NeXus, BLISS and SOLEIL-like files."""
    import h5py

    energy, i0, it, mu = columns()
    layouts = {
        "nexus": {"entry/data/energy": energy, "entry/data/mu": mu},
        "bliss": {"1.1/measurement/energy": energy, "1.1/measurement/i0": i0, "1.1/measurement/i1": it},
        "series": {"entry/energy": energy, "entry/mu": np.tile(mu, (3, 1))},
    }
    seeds = []
    for name, datasets in layouts.items():
        path = folder / f"{name}.h5"
        with h5py.File(path, "w") as file:
            for place, values in datasets.items():
                file.create_dataset(place, data=values, compression="gzip" if name == "bliss" else None)
        seeds.append(path.read_bytes())
    return seeds


def mutated(seeds: list[bytes], rng: np.random.Generator) -> bytes:
    """One damaged file."""
    data = bytearray(seeds[rng.integers(len(seeds))])
    if rng.random() < 0.1:
        other = seeds[rng.integers(len(seeds))]
        data = data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]
    for _ in range(int(rng.geometric(0.4))):
        place, length = int(rng.integers(len(data) + 1)), int(rng.geometric(0.1))
        match int(rng.integers(9)):
            case 0:
                data[place : place + 1] = bytes([int(rng.integers(256))])
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = BAD[rng.integers(len(BAD))]
            case 3:
                data[place : place + length] = BAD[rng.integers(len(BAD))]
            case 4:
                start = int(rng.integers(len(data) + 1))
                data[place:place] = data[start : start + 10 * length]
            case 5:
                del data[place : None if rng.random() < 0.2 else place + 1]
            case _:
                digits = [spot for spot in range(place, min(place + 40, len(data))) if 48 <= data[spot] < 58]
                if digits:
                    data[digits[0]] = 48 + int(rng.integers(10))
    return bytes(data)


def check_scan(path: Path) -> str:
    """Read a file; its fate in a word. Raises what a reader must not."""
    try:
        found = read(path)
    except ExafsnnError as error:
        return type(error).__name__
    for item in found:
        axis, values = (item.energy, item.mu) if isinstance(item, Spectrum) else (item.k, item.chi)
        if not (np.isfinite(axis).all() and np.isfinite(values).all()):
            raise ValueError("a value is not finite")
        if not (np.diff(axis) > 0).all():
            raise ValueError("the axis does not increase")
    return "read"


def check_model(path: Path) -> str:
    """Load a model; its fate in a word."""
    from exafsnn.learn.model_file import read_model

    try:
        read_model(str(path))
    except ExafsnnError as error:
        return type(error).__name__
    return "read"


class HangError(BaseException):
    """What takes too long. No ``Exception``: readers turn many of those, as TimeoutError, into errors of ours."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raise HangError in what takes too long."""

    def stop(*_: object) -> None:
        raise HangError(f"more than {HANG} s")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fate(check: Callable[[Path], str], path: Path) -> tuple[str, str]:
    """What becomes of one file, and the trace of what must not be."""
    try:
        with warnings.catch_warnings(), time_limit():
            warnings.simplefilter("ignore")
            return check(path), ""
    except (Exception, HangError):
        return "DEFECT", traceback.format_exc()


def fuzz_text(folder: Path, inputs: int, seed: int, report: Callable[[bytes, str], None]) -> Counter[str]:
    """Text files of all formats."""
    rng, seeds, fates = np.random.default_rng(seed), text_seeds(), Counter[str]()
    for number in range(inputs):
        data = mutated(seeds, rng)
        path = folder / ("scan.xdi" if number % 3 == 0 else "scan.dat")
        path.write_bytes(data)
        word, trace = fate(check_scan, path)
        fates[word] += 1
        if trace:
            report(data, trace)
    return fates


def fuzz_model(folder: Path, inputs: int, seed: int, report: Callable[[bytes, str], None]) -> Counter[str]:
    """Models with a damaged JSON, or damaged tensors of the right checksum: the checks behind it are reached."""
    rng, fates = np.random.default_rng(seed), Counter[str]()
    info, tensors = model_seed(folder)
    head = 8 + int.from_bytes(tensors[:8], "little")
    for number in range(inputs):
        content, text = tensors, json.dumps(info).encode()
        if number % 3 == 0:
            content = mutated([tensors[:head]], rng) + tensors[head:]
            text = json.dumps(info | {"sha256": hashlib.sha256(content).hexdigest()}).encode()
        else:
            text = json.dumps(_altered(info, rng)).encode() if number % 3 == 1 else mutated([text], rng)
        path = folder / f"m{number % 50}.safetensors"
        path.write_bytes(content)
        path.with_suffix(".json").write_bytes(text)
        word, trace = fate(check_model, path)
        fates[word] += 1
        if trace:
            report(text if number % 3 else content, trace)
    return fates


def _altered(info: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The JSON with one of its values, at any depth, replaced or left out."""
    odd = [None, True, -1, 0, 1e308, 10**30, "x" * 300, "../../x", [], {}, [[1, 2]], {"a": 1}, "nan", 1e-320, -0.5, 7]
    changed = json.loads(json.dumps(info))
    place = changed
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        if rng.random() < 0.2:
            del place[key]
        else:
            place[key] = odd[rng.integers(len(odd))]
        return changed  # type: ignore[no-any-return]


def _hdf5_reader(paths: multiprocessing.Queue[str], answers: multiprocessing.Queue[tuple[str, str]]) -> None:
    while name := paths.get():
        answers.put(fate(check_scan, Path(name)))


def fuzz_hdf5(folder: Path, inputs: int, seed: int, report: Callable[[bytes, str], None]) -> Counter[str]:
    """HDF5 files, read in a process that may die of the C library; that is counted, and is no defect of ours."""
    rng, seeds, fates = np.random.default_rng(seed), hdf5_seeds(folder), Counter[str]()
    context = multiprocessing.get_context("fork")
    reader = None
    for _ in range(inputs):
        if reader is None or not reader.is_alive():
            paths, answers = context.Queue(), context.Queue()
            reader = context.Process(target=_hdf5_reader, args=(paths, answers), daemon=True)
            reader.start()
        data = mutated(seeds, rng)
        (folder / "scan.h5").write_bytes(data)
        paths.put(str(folder / "scan.h5"))
        started = time.monotonic()
        while True:
            try:
                word, trace = answers.get(timeout=0.5)
                break
            except Exception:
                if not reader.is_alive():
                    word, trace = "C library crashed", ""
                    break
                if time.monotonic() - started > 4 * HANG:
                    word, trace = "DEFECT", "hangs in the C library"
                    reader.kill()
                    break
        fates[word] += 1
        if trace:
            report(data, trace)
    return fates


TARGETS = {"text": (fuzz_text, 0.8), "model": (fuzz_model, 0.15), "hdf5": (fuzz_hdf5, 0.05)}
"""How the inputs are shared out."""


def main() -> int:
    """Run what is asked for, print the fates, and fail if there was a defect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-defects"))
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    options = parser.parse_args()
    defects: Counter[str] = Counter()

    def report(data: bytes, trace: str) -> None:
        place = trace.strip().splitlines()[-1][:200]
        defects[place] += 1
        if defects[place] <= 3:
            options.keep.mkdir(exist_ok=True)
            stem = options.keep / f"{abs(hash(place)) % 10**8}-{defects[place]}"
            stem.with_suffix(".bin").write_bytes(data)
            stem.with_suffix(".txt").write_text(trace)

    print(f"{'target':8} {'inputs':>9} {'seconds':>8}  fates")
    for name, (run, share) in TARGETS.items():
        if options.target and name not in options.target:
            continue
        inputs = options.inputs if options.target else round(share * options.inputs)
        with tempfile.TemporaryDirectory() as folder:
            started = time.monotonic()
            fates = run(Path(folder), inputs, options.seed, report)
        told = ", ".join(f"{word} {count}" for word, count in fates.most_common())
        print(f"{name:8} {inputs:9} {time.monotonic() - started:8.0f}  {told}", flush=True)
    for place, count in defects.most_common():
        print(f"DEFECT {count} times: {place}")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
