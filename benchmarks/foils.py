"""Measured foils against their crystals: N and R of the range ``first``, nothing set by hand.

    python benchmarks/foils.py [FOLDER_OF_SCANS [MODEL…]]

For each foil whose metal has a model: `predict` and `refine` without a reference, and `refine` with another foil of the
same metal as reference where there is one. R is that of the lattice plus 0.003 Å, by which motion across the bond
lengthens it at room temperature. A star: the truth is outside the 95 % interval. Models that are named are asked alone;
of an alloy (ptni-pt) also how many atoms it finds of the metal that is not there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from exafsnn.infer.predict import load_model
from exafsnn.infer.structure import parse_structure
from exafsnn.learn.model_file import known_models
from exafsnn.metals import METALS, Metal
from exafsnn.records import Shell
from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import predict_scans, refine_scans

FOILS = {
    "Cu": (
        ("cu/cu_metal_10K.xdi", 3.603), ("cu/cu050k.dat", 3.603),
        ("cu/cu150k.dat", 3.608), ("cu/cu_metal_rt.xdi", None),
    ),
    "Ni": (("metals/Ni_metal_rt_01.xdi", None), ("compounds/NiO_001_Ni_foil.dat", None)),
    "Co": (("metals/co_metal_rt.xdi", None),),
    "V": (("metals/V_foil.xdi", None),),
    "Mo": (("metals/Mo_foil_Mo_K.dat", None),),
    "Pd": (("metals/Pd_foil_Pd_K.dat", None), ("metals/Pdfoil-Feb08-X18B.chik", None)),
    "Pt": (("metals/pt_metal_rt.xdi", None), ("metals/Ptfoil.chik", None)),
    "W": (("metals/W_metal_rt_01.xdi", None),),
    "Au": (("metals/Au_Foil_L3_rt_2016Foils.xdi", None),),
    "Fe": (("fe/fe.060", 2.861), ("fe/fe.300", None), ("fe/Fe_metal_rt_02.xdi", None)),
}  # fmt: skip
"""Scans, and their lattice constant [Å] where they are colder than room temperature."""
THERMAL = 0.003


def truth(metal: Metal, a: float | None) -> tuple[int, float]:
    """N and R [Å] of the range ``first``."""
    shells = parse_structure(replace(metal, a=a or metal.a).structure).shells(metal.first[1])
    count = sum(number for _, number in shells)
    return count, sum(distance * number for distance, number in shells) / count + THERMAL


def told(outcome: Outcome, n: int, r: float) -> str:
    """N, R and σ² of one scan, and how far off they are."""
    if outcome.prediction is None:
        return f"{outcome.status}: {outcome.reason[:90]}"
    shell = outcome.prediction.shells["first"]
    prediction = outcome.prediction
    others = [other for name, other in prediction.shells.items() if name.startswith("first ")]
    absent = "".join(f"  {one.pair} {one.coordination:.2f} ± {one.coordination_std:.2f}" for one in others)
    return (
        f"N {shell.coordination:6.2f} ({shell.coordination / n - 1:+6.1%}{_star(shell, 'coordination', n)})"
        f"  R {shell.distance:.4f} ({shell.distance - r:+.4f}{_star(shell, 'distance', r)})"
        f"  σ² {shell.sigma2:.4f}  ΔE0 {prediction.delta_e0:5.2f}  S0² {prediction.amplitude:.2f}"
        f"  misfit {prediction.misfit:.3f}{'' if prediction.in_domain else '  FOREIGN'}{absent}"
    )


def _star(shell: Shell, quantity: str, true: float) -> str:
    """Whether the truth is outside the 95 % interval."""
    return " " if getattr(shell, f"{quantity}_low") <= true <= getattr(shell, f"{quantity}_high") else "*"


def main(folder: str = "", *names: str) -> None:
    """Print the table."""
    root = Path(folder or os.environ.get("EXAFSNN_DATA_DIR", Path(__file__).parents[2] / "shared" / "spectra"))
    for name in names or sorted(METALS[symbol].model for symbol in FOILS):
        if name not in known_models():
            print(f"{name}: no such model is installed")
            continue
        metal = METALS[load_model(name).absorber]
        foils = FOILS.get(metal.symbol, ())
        asked = "" if name == metal.model else name
        for number, (scan_name, a) in enumerate(foils):
            n, r = truth(metal, a)
            scan, model = str(root / scan_name), asked or None
            rows = {"predict": predict_scans([scan], model=model), "refine": refine_scans([scan], model=model)}
            other = [item for row, item in enumerate(foils) if row != number]
            if other:
                standard, own = other[-1]
                given = replace(metal, a=own or metal.a).structure
                rows["with reference"] = refine_scans(
                    [scan], model=model, references=[str(root / standard)], structure=given
                )
            for how, outcomes in rows.items():
                print(f"{asked:8}{scan_name:36} {how:15} {told(next(iter(outcomes)), n, r)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
