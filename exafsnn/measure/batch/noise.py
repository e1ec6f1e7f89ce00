"""``noise.noise_of`` and ``noise.usable_end`` for many χ(k) of one grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from exafsnn.measure.batch.forms import KEPT
from exafsnn.measure.noise import END_MARGIN, ENVELOPE, LEAST_K, LOST, NOISE_KWEIGHT, NOISE_R
from exafsnn.records import Array


@lru_cache(maxsize=KEPT)
def noise_form(m: int, kstep: float) -> Array:
    """(m, m) matrix after which the norm of χ(k) is ``noise.noise_of``."""
    k = kstep * np.arange(m)
    weight = k**NOISE_KWEIGHT * np.hanning(m)
    r = np.pi * np.fft.rfftfreq(4096, d=k[1] - k[0])
    phase = 2 * np.pi * np.outer(np.flatnonzero((r >= NOISE_R[0]) & (r <= NOISE_R[1])), np.arange(m)) / 4096
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * weight
    triangle = np.linalg.qr(waves, mode="r") / np.sqrt(len(phase) * np.sum(weight**2))
    return np.ascontiguousarray(triangle.T)


def usable_ends(k: Array, chi: Array, noise: Array) -> Array:
    """(s,) ``noise.usable_end`` of each scan."""
    step = float(k[1] - k[0])
    half, width = round(ENVELOPE / step), round(LOST / step)
    summed = np.concatenate([np.zeros((len(chi), 1)), np.cumsum(chi**2, axis=1)], axis=1)
    first, last = np.maximum(np.arange(len(k)) - half, 0), np.minimum(np.arange(len(k)) + half + 1, len(k))
    power = (summed[:, last] - summed[:, first]) / (last - first)
    weak = (power <= 2 * noise[:, None] ** 2) & (k > LEAST_K)
    lost = np.all(np.lib.stride_tricks.sliding_window_view(weak, width, axis=1), axis=2)
    end = np.where(lost.any(axis=1), k[np.argmax(lost, axis=1)], k[-1])
    return np.where(end > LEAST_K + step, np.minimum(k[-1] - END_MARGIN, end), 0.0)
