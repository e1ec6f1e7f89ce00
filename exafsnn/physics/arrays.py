"""Formulae over arrays of either kind: numpy's, with which a model predicts, and torch's, with which it learns.

A formula is written once, in the functions of its argument's own library (``namespace``) and in the methods that both
have; so prediction starts without torch, and training differentiates the very same lines.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace as namespace

__all__ = ["Numbers", "namespace", "sigmoid", "silu", "softplus", "still"]

Numbers = Any
"""An array of numpy or torch."""


def sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + exp(−x)), which cannot overflow as a tanh."""
    return 0.5 * (1 + namespace(x).tanh(0.5 * x))


def silu(x: Numbers) -> Numbers:
    """x / (1 + exp(−x))."""
    return x * sigmoid(x)


def softplus(x: Numbers) -> Numbers:
    """ln(1 + exp x)."""
    xp = namespace(x)
    return x.clip(0, None) + xp.log1p(xp.exp(-abs(x)))


def still(x: Numbers) -> Numbers:
    """The same numbers, through which nothing is learned."""
    return x.detach() if hasattr(x, "detach") else x
