"""What a map of spectra is worth: ``exafsnn.analyse.featuremap`` against truths that are known.

    python benchmarks/feature_map.py xrd [SEED]
    python benchmarks/feature_map.py operando ../shared/spectra/operando_ni
    python benchmarks/feature_map.py heating spectra
    python benchmarks/feature_map.py speed

``xrd``: 150 powder patterns of a magnet alloy with two concentrations (``xrd_patterns.py``), after K. Utimula et al.,
Adv. Theory Simul. 5, 2200613 (2022): 30 are held out, and their composition estimated from the map; the relevance of
ranges against the true sensitivity ‖∂I/∂c‖/σ; patterns between two points of the map against the true ones and linear
mixes. ``operando``: an oxide and a foil along the cycle of a battery, μ(E) near the edge. ``heating``: iron from bcc to
fcc. ``speed``: map and relevance of many.

The results stand in ``benchmarks/README.md``.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
import operando
import xrd_patterns as xrd
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.analyse.map_labels import estimate
from exafsnn.analyse.map_rows import RowAxis, common_axis, windows
from exafsnn.run.maps import make_map
from exafsnn.run.scans import measure_scans

HELD_OUT = 30
WINDOWS = 36
WIDTHS = 2.0
"""Ends are so many widths of the strongest peak apart at least."""


def xrd_experiment(seed: int) -> None:
    """Composition, relevance and interpolation of the published experiment."""
    rng = np.random.default_rng(seed)
    low, high = np.array(xrd.LOWEST), np.array(xrd.HIGHEST)
    c = low + (high - low) * rng.random((150, 2))  # [pattern, concentration]
    true = np.array([xrd.pattern(*one) for one in c])
    counts = rng.poisson(true).astype(float)
    rows = 2 * np.sqrt(counts)  # noise of 1 everywhere
    known = np.arange(150) < 150 - HELD_OUT
    begun = perf_counter()
    found = SpectrumMap(random_state=seed).fit(rows[known])
    print(f"map of {known.sum()} patterns of {rows.shape[1]} points: {perf_counter() - begun:.1f} s")
    pca = PCA(2).fit(rows[known])
    left = rows[~known] - pca.inverse_transform(pca.transform(rows[~known]))
    print(f"left of held-out patterns [σ]: map {np.median(found.errors(rows[~known])):.2f}, PCA {left.std():.2f}")
    for name, points in (("map", found.transform(rows)), ("PCA", pca.transform(rows))):
        for number, element in enumerate(("Zr", "Ti")):
            told = np.where(known, c[:, number], np.nan)
            value, std = estimate(points, told)[:2]
            off = np.abs(value - c[:, number])[~known]
            z = (value - c[:, number])[~known] / std[~known]
            print(
                f"{name}: {element} of held-out patterns off by {100 * np.median(off):.2f} % (median),"
                f" {100 * np.quantile(off, 0.9):.2f} % (90 %); within 1σ {np.mean(np.abs(z) < 1):.2f}"
            )
    relevance_against_sensitivity(found, rows)
    between_ends(found, rows, c)


def relevance_against_sensitivity(found: SpectrumMap, rows: np.ndarray) -> None:
    """Rank correlation over windows of 2θ."""
    middle, step = (np.array(xrd.LOWEST) + xrd.HIGHEST) / 2, 0.005
    grid = [middle + np.array(shift) for shift in [(x, y) for x in (-0.15, 0, 0.15) for y in (-0.15, 0, 0.15)]]
    sensitivity = np.zeros(len(xrd.TWO_THETA))
    for at in grid:  # mean square over the range of compositions
        for along in np.eye(2) * step:
            slope = (xrd.pattern(*(at + along)) - xrd.pattern(*(at - along))) / (2 * step)
            sensitivity += slope**2 / xrd.pattern(*at) / len(grid)
    limits = np.linspace(xrd.TWO_THETA[0], xrd.TWO_THETA[-1] + 1e-6, WINDOWS + 1)
    masks = [(low <= xrd.TWO_THETA) & (high > xrd.TWO_THETA) for low, high in itertools.pairwise(limits)]
    relevance = np.sqrt((found.relevance(rows, masks) ** 2).mean(axis=0))
    true = [np.sqrt(sensitivity[mask].sum()) for mask in masks]
    print(f"relevance of {WINDOWS} ranges against sensitivity: rank correlation {spearmanr(relevance, true)[0]:.3f}")


def between_ends(found: SpectrumMap, rows: np.ndarray, c: np.ndarray) -> None:
    """RMS of counts of patterns between two points of the map, and of linear mixes of the ends."""
    h, k, l = 3, 2, 1  # among the strongest  # noqa: E741
    at = np.array([np.degrees(2 * np.arcsin(xrd.WAVELENGTH / 2 * np.sqrt((h * h + k * k) / a**2 + l * l / b**2)))
                   for a, b in (xrd.lattice(*one) for one in c)])  # fmt: skip
    pairs = [(i, j) for i in range(120) for j in range(i) if abs(at[i] - at[j]) > WIDTHS * xrd.width(at[i])]
    ratios = []
    for i, j in pairs[:: max(1, len(pairs) // 60)]:
        ends = found.transform(rows[[i, j]])
        for share in (0.25, 0.5, 0.75):
            point = (1 - share) * ends[0] + share * ends[1]
            drawn = (found.inverse_transform(point[None])[0] / 2) ** 2
            mixed = (1 - share) * (rows[i] / 2) ** 2 + share * (rows[j] / 2) ** 2
            truth = xrd.pattern(*((1 - share) * c[i] + share * c[j]))
            ratios.append(np.sqrt(((drawn - truth) ** 2).mean() / ((mixed - truth) ** 2).mean()))
    print(
        f"{len(pairs)} pairs more than {WIDTHS:g} widths apart: RMS between them over that of a linear mix"
        f" {np.median(ratios):.2f} (median), better in {100 * np.mean(np.array(ratios) < 1):.0f} % of {len(ratios)}"
    )


def operando_cycle(folder: Path) -> None:
    """The oxide along the cycle and the foil beside it, on one map of μ(E) near the edge."""
    paths = sorted(folder.glob("*.txt"), key=operando.hours_of)
    hours = np.array([operando.hours_of(path) for path in paths])
    hours -= hours[0]
    items = [outcome.usable for columns in (operando.OXIDE, operando.FOIL)
             for outcome in measure_scans(map(str, paths), columns=columns)]  # fmt: skip
    spectra = [item for item in items if item is not None]
    n = len(paths)
    for name, shown in (("oxide alone", spectra[:n]), ("oxide and foil", spectra)):
        axis, _ = common_axis(shown, "mu")
        rows = np.array([axis.row(item) for item in shown])
        found = SpectrumMap(random_state=0).fit(rows)
        points = found.transform(rows)
        print(f"{name}: {len(rows)} spectra, {axis.low:g} to {axis.high:g} eV, {len(found.basis_)} components")
        charge, oxide = hours < 11, points[:n]
        print("  hour, x, y: " + "; ".join(f"{h:.1f} {x:.2f} {y:.2f}" for h, (x, y) in zip(hours, oxide, strict=True)))
        for half, chosen in (("charge", charge), ("discharge", (hours > 10.5) & (hours < 22))):
            rank = spearmanr(pdist(oxide[chosen]), pdist(hours[chosen, None]))[0]
            print(
                f"  first {half}, {chosen.sum()} scans: distances on the map against time, rank correlation {rank:.3f}"
            )
        if len(points) > n:
            spots = [np.sqrt(((part - part.mean(axis=0)) ** 2).sum(axis=1).mean()) for part in (points[n:], oxide)]
            print(f"  foil within {spots[0]:.4f} of its centre, oxide within {spots[1]:.4f}")
        chosen_windows = windows(axis)
        masks = [window.mask(axis) for window in chosen_windows]
        relevance = np.sqrt((found.relevance(rows, masks) ** 2).mean(axis=0))
        change = [np.sqrt((rows.std(axis=0)[mask > 0] ** 2).sum()) for mask in masks]
        best = chosen_windows[int(relevance.argmax())]
        print(f"  relevance against what changes: rank correlation {spearmanr(relevance, change)[0]:.2f};"
              f" most in {best.low:.0f} to {best.high:.0f} eV")  # fmt: skip


def heating(folder: Path) -> None:
    """Iron from bcc to fcc: the gap, and whether the ranges that matter are those in which the crystals differ."""
    for pattern in ("fe_*.dat", "fe_1*.dat"):
        found = make_map(sorted(map(str, folder.glob(pattern))))
        kelvin = found.labels.known
        order = np.argsort(kelvin)
        steps = np.linalg.norm(np.diff(found.points[order], axis=0), axis=1)
        print(f"{pattern}: {len(kelvin)} scans, {found.axis.low:g} to {found.axis.high:g} 1/Å")
        print(
            "  steps: " + ", ".join(f"→{t:.0f} K {step:.2f}" for t, step in zip(kelvin[order][1:], steps, strict=True))
        )
        near = [(kelvin > 1050) & (kelvin < 1185), (kelvin > 1185) & (kelvin < 1260)]
        differ = found.rows[near[1]].mean(axis=0) - found.rows[near[0]].mean(axis=0)
        for space in ("k", "R"):
            chosen = [number for number, window in enumerate(found.windows) if window.space == space]
            masks = [found.windows[number].mask(found.axis) for number in chosen]
            true = [np.linalg.norm(differ * mask if mask.ndim == 1 else mask @ differ) for mask in masks]
            relevance = found.mean_relevance[chosen]
            told, wanted = (found.windows[chosen[int(np.argmax(of))]] for of in (relevance, true))
            print(f"  {space}: most relevant {told.low:.2f} to {told.high:.2f}, most different {wanted.low:.2f} to"
                  f" {wanted.high:.2f}; rank correlation {spearmanr(relevance, true)[0]:.2f}")  # fmt: skip


def speed() -> None:
    """Map and relevance of so many χ(k), whose k²χ(k) are damped waves of random shells."""
    rng = np.random.default_rng(0)
    axis = RowAxis(count=221, high=14.0, edge="Fe K")
    masks = [window.mask(axis) for window in windows(axis)]
    k = axis.grid
    times = {}
    SpectrumMap(steps=1).fit(rng.standard_normal((20, 20)))  # libraries are loaded
    for n in (2500, 5000, 10000):
        r, sigma2 = rng.uniform(2.4, 2.6, (n, 1)), rng.uniform(0.004, 0.012, (n, 1))
        rows = k * np.sin(2 * k * r - 1) * np.exp(-2 * sigma2 * k**2) + 0.05 * rng.standard_normal((n, len(k)))
        begun = perf_counter()
        found = SpectrumMap(random_state=0).fit(rows)
        learned = perf_counter()
        found.transform(rows), found.errors(rows)
        found.relevance(rows, masks)
        times[n] = perf_counter() - begun
        print(
            f"{n} spectra, {len(masks)} masks: {times[n]:.1f} s, of which the network learned {learned - begun:.1f} s"
        )
    print(f"10000 over 5000: {times[10000] / times[5000]:.2f}, 5000 over 2500: {times[5000] / times[2500]:.2f}")


def main(what: str, *more: str) -> None:
    """Run one of them."""
    if what == "xrd":
        xrd_experiment(int(more[0]) if more else 0)
    elif what == "operando":
        operando_cycle(Path(more[0]))
    elif what == "heating":
        heating(Path(more[0]))
    else:
        speed()


if __name__ == "__main__":
    main(*sys.argv[1:])
