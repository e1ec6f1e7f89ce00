"""Does a model follow nickel along the cycle of a battery? 24 scans of LiNiO₂ while it is charged and discharged.

    python benchmarks/operando.py ni-o ../shared/spectra/operando_ni [blind]

Each file has the oxide and, in another column, a foil behind it: that of the first file is the standard, or none
(``blind``). For each scan N, R and σ² of each pair; then how far each lies from the straight line through the scans
before and after it, in units of its error bar: what scatters more than the errors say has errors that are too small.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import refine_scans

OXIDE, FOIL = "energy=1,mu=2", "energy=1,mu=3"
STRUCTURE = "fcc:3.524"
QUANTITIES = ("coordination", "distance", "sigma2")


def hours_of(path: Path) -> float:
    """When a scan began [h], from its header."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    (begun,) = (line.split("=", 1)[1] for line in lines[:40] if line.startswith("#Time at start="))
    return float(np.datetime64(begun.strip()).astype("datetime64[ms]").astype(float)) / 3.6e6


def table(outcomes: list[Outcome], hours: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Print the answers; return hours (scan,) and, by range, (scan, quantity, value and error) of what is answered."""
    found: dict[str, list[list[tuple[float, float]]]] = {}
    when = []
    for hour, outcome in zip(hours, outcomes, strict=True):
        prediction = outcome.prediction
        if prediction is None:
            print(f"{hour:6.1f}  {outcome.status}  {outcome.reason}")
            continue
        cells = []
        when.append(hour)
        for name, shell in prediction.ranges.items():
            values = [(getattr(shell, one), getattr(shell, f"{one}_std")) for one in QUANTITIES]
            found.setdefault(name, []).append(values)
            (n, dn), (r, dr), (s, ds) = values
            cells.append(f"{n:5.2f} ± {dn:.2f} at {r:.3f} ± {dr:.3f}, {s:.4f} ± {ds:.4f}")
        print(f"{hour:6.1f}  {outcome.status:8}  {prediction.delta_e0:6.1f}  {' | '.join(cells)}")
    return np.array(when), {name: np.array(rows) for name, rows in found.items()}


def scatter(values: np.ndarray, hours: np.ndarray) -> tuple[float, float]:
    """Root mean square distance of scans from the line through their neighbours, itself and over the error bars."""
    value, error = values.T
    share = (hours[1:-1] - hours[:-2]) / (hours[2:] - hours[:-2])
    line = (1 - share) * value[:-2] + share * value[2:]
    size = np.sqrt(1 + share**2 + (1 - share) ** 2)  # of that distance, if each errs by one
    apart = (value[1:-1] - line) / size
    return float(np.sqrt((apart**2).mean())), float(np.sqrt(((apart / error[1:-1]) ** 2).mean()))


def main(name: str, folder: Path, *, blind: bool) -> None:
    """Refine all scans in the order of time."""
    paths = sorted(folder.glob("*.txt"), key=hours_of)
    hours = np.array([hours_of(path) for path in paths])
    hours -= hours[0]
    standard = {} if blind else {"references": [str(paths[0])], "structure": STRUCTURE, "reference_columns": FOIL}
    outcomes = list(refine_scans(map(str, paths), model=name, columns=OXIDE, **standard))  # type: ignore[arg-type]
    print("  hour  status    ΔE₀     N, R [Å], σ² [Å²]: first of each pair")
    hours, found = table(outcomes, hours)
    print("\nrange, quantity: least and largest, scatter about neighbours, the same in error bars")
    for name, rows in found.items():
        for number, quantity in enumerate(QUANTITIES):
            values = rows[:, number]
            told, relative = scatter(values, hours)
            least, largest = values[:, 0].min(), values[:, 0].max()
            print(f"{name:14} {quantity:12} {least:8.4f} {largest:8.4f} {told:9.4f} {relative:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), blind="blind" in sys.argv[3:])
