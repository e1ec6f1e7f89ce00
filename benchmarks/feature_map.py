"""What a map of spectra is worth: ``exafsnn.analyse.featuremap`` against truths that are known.

    python benchmarks/feature_map.py xrd [SEED]

150 powder patterns of a magnet alloy with two concentrations (``xrd_patterns.py``), after K. Utimula et al., Adv. Theory
Simul. 5, 2200613 (2022): 30 are held out, and their composition estimated from the map; the relevance of ranges against
the true sensitivity ‖∂I/∂c‖/σ; patterns between two points of the map against the true ones and linear mixes.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np
import xrd_patterns as xrd
from scipy.stats import spearmanr
from sklearn.decomposition import PCA

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.analyse.map_labels import estimate

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
    masks = [(xrd.TWO_THETA >= low) & (xrd.TWO_THETA < high) for low, high in zip(limits, limits[1:], strict=False)]
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


if __name__ == "__main__":
    {"xrd": xrd_experiment}[sys.argv[1]](int(sys.argv[2]) if len(sys.argv) > 2 else 0)
