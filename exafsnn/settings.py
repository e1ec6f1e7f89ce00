"""One frozen settings class per stage; unknown keys are refused, and every value is written into models and results.

Names follow larch where larch has one (``rbkg``, ``kmin``, ``kweight``, ``pre1`` …).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import Any, Self

from exafsnn.errors import SettingsError

MAX_MU = 1e30
"""Values beyond are no absorption in any unit, and too large to calculate with."""

MIN_K_MAX = 6.0
"""Least end of the k range [Å⁻¹] of any background removal."""


@dataclass(frozen=True)
class Settings:
    """Base of all settings: read from a mapping, written to one."""

    @classmethod
    def in_words(cls) -> str:
        """What messages call them: ``[optimiser]``, as their table in TOML."""
        return f"[{cls.__name__.removesuffix('Settings').lower()}]"

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make the settings from a mapping (a TOML table, JSON).

        Raises
        ------
        SettingsError
            If a key is unknown, or one without a default is missing.
        """
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(mapping) - known)
        if unknown:
            raise SettingsError(
                f"unknown {'key' if len(unknown) == 1 else 'keys'} {', '.join(unknown)}",
                where=cls.in_words(),
                remedy=f"Known keys are {', '.join(sorted(known))}",
            )
        missing = [item.name for item in fields(cls) if item.name not in mapping and _is_required(item)]
        if missing:
            raise SettingsError(f"{missing[0]} is missing", where=cls.in_words(), remedy="Add it")
        return cls(**{key: _frozen(value) for key, value in mapping.items()})

    @classmethod
    def checked(cls, mapping: Any) -> Self:
        """As ``from_mapping``, each value of the type that its default has, every number finite.

        Raises
        ------
        SettingsError
            If it is no mapping, a key is unknown or missing, or a value is of another type.
        """
        if not isinstance(mapping, Mapping):
            raise SettingsError(f"{cls.in_words()} is no JSON object or table of values")
        made = cls.from_mapping(mapping)
        for item in fields(cls):
            value, default = getattr(made, item.name), item.default
            if default not in (None, MISSING) and not is_like(value, default):
                raise SettingsError(f"{cls.in_words()}: {item.name} = {str(value)[:40]} is not like {default}")
        return made

    def to_mapping(self) -> dict[str, Any]:
        """All values, as a plain dictionary that JSON can hold."""
        return asdict(self)


def _frozen(value: Any) -> Any:
    """Lists as tuples, however deep."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def is_like(value: Any, default: Any) -> bool:
    """Whether a value from a file is of the type of a default, and finite; () stands for any numbers of a list."""
    if default == ():
        return isinstance(value, tuple) and all(type(item) is int and item >= 0 for item in value)
    if isinstance(default, tuple):
        return isinstance(value, tuple) and len(value) == len(default) and all(map(is_like, value, default))
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(default)


def require_shares(shares: Mapping[str, float], remedy: str, within: float = 1e-6) -> None:
    """Refuse shares that are not from 0 to 1, or do not add up to 1.

    Raises
    ------
    SettingsError
        That says what they are; ``remedy`` says of what they are.
    """
    told = ", ".join(f"{name} {share:g}" for name, share in shares.items())
    if not shares or not all(0 <= share <= 1 + within for share in shares.values()):
        reason = f"shares must be from 0 to 1, got {told or 'none'}"
        raise SettingsError(reason, where="composition", remedy=remedy)
    if abs(sum(shares.values()) - 1) > within:
        raise SettingsError(f"{told} add up to {sum(shares.values()):g}", where="composition", remedy=remedy)


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


@dataclass(frozen=True)
class BackgroundSettings(Settings):
    """Pre-edge, normalisation and AUTOBK background removal (larch's parameter names and units)."""

    e0: float | None = None
    """E₀ [eV]; None: the maximum of dμ/dE."""
    rbkg: float = 1.0
    """Frequencies of χ below this R [Å] belong to the background."""
    pre1: float = -150.0
    """Pre-edge line from here [eV below E₀] …"""
    pre2: float = -30.0
    """… to here."""
    norm1: float = 100.0
    """Normalisation polynomial from here [eV above E₀] …"""
    norm2: float | None = None
    """… to here; None: the end of the scan."""
    nnorm: int = 2
    """Degree of the normalisation polynomial."""
    kmin: float = 0.0
    """k range of the background spline [Å⁻¹]: from here …"""
    kmax: float | None = None
    """… to here; None: the end of the scan."""
    kstep: float = 0.05
    """Spacing of the k grid [Å⁻¹]."""
    kweight: int = 2
    """k weight of the background's Fourier transform."""
    dk: float = 0.1
    """Width of the window's slopes [Å⁻¹]."""
    window: str = "hanning"
    nfft: int = 2048
    clamp_lo: int = 0
    clamp_hi: int = 1
    nclamp: int = 3

    def __repr__(self) -> str:
        """What is not as usual."""
        usual = {item.name: item.default for item in fields(self)}
        changed = [f"{name}={value!r}" for name, value in self.to_mapping().items() if value != usual[name]]
        return f"BackgroundSettings({', '.join(changed)})"

    def __post_init__(self) -> None:
        """Refuse what suits no scan.

        Raises
        ------
        SettingsError
            If a value is no number, a range is empty or too short, or a length is not positive.
        """
        ranges = (("kmin", "kmax"), ("pre1", "pre2"), ("norm1", "norm2"))
        limits = {name: getattr(self, name) for pair in ranges for name in pair}
        faults = [
            f"{name} = {value} is not a finite number"
            for name, value in vars(self).items()
            if isinstance(value, float) and not math.isfinite(value)
        ]
        faults += [
            f"{low} = {limits[low]:g} is not below {high} = {limits[high]:g}"
            for low, high in ranges
            if limits[high] is not None and limits[low] >= limits[high]
        ]
        if self.pre2 >= 0:
            faults.append(f"pre2 = {self.pre2:g} is not below the edge")
        if self.kmax is not None and self.kmax < MIN_K_MAX:
            faults.append(f"kmax = {self.kmax:g} is below {MIN_K_MAX:g} 1/Å: too little is left to judge the noise")
        if self.rbkg <= 0 or self.kstep <= 0:
            faults.append("rbkg and kstep are not both positive")
        if faults:
            raise SettingsError(faults[0], where="background", remedy="Change that setting, or leave it out")


WINDOWS = ("hanning", "kaiser", "sine", "gaussian", "parzen", "welch")
"""Of Fourier transforms, as larch names them."""


@dataclass(frozen=True)
class Exports(Settings):
    """Files for other programs, beside the results."""

    names: tuple[str, ...] = ()
    """``"athena"``, ``"columns"``, ``"nexus"``, ``"wavelet"``."""
    kweights: tuple[int, ...] = (2,)
    """k weights of the transforms in files of columns, a file of each; the first is that of wavelet maps."""
    window: str = "hanning"
    """Their window in k."""
    k_range: tuple[float, float] | None = None
    """Limits of that window [Å⁻¹]; None: those of the answer, or what is usable from 3 on."""
    dk: float | None = None
    """Its parameter of larch's name [Å⁻¹]; None: 1, and of a Gaussian a quarter of the range."""
    r_range: tuple[float, float] = (1.0, 3.5)
    """What is brought back to χ(q) [Å]."""
