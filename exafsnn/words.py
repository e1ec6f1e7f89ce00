"""Numbers with errors, and names of scans, as short text: for one-line forms of records, cards and figures."""

from __future__ import annotations

import math


def plus_minus(value: float, std: float, unit: str = "") -> str:
    """``2.6512 ± 0.0048 Å``: two digits of the standard deviation; ``–`` where there is no number."""
    end = f" {unit}" if unit and math.isfinite(value) else ""
    digits = _digits(value, std)
    return (_alone(value) if digits is None else f"{value:.{digits}f} ± {std:.{digits}f}") + end


def bracketed(value: float, std: float) -> str:
    """``2.6512(48)``: the standard deviation in units of the last digits."""
    digits = _digits(value, std)
    return _alone(value) if digits is None else f"{value:.{digits}f}({round(std * 10**digits)})"


def _digits(value: float, std: float) -> int | None:
    """Decimals that two digits of the standard deviation take; None where there is no number, or no error of it."""
    if not (math.isfinite(value) and math.isfinite(std) and std > 0):
        return None
    return max(0, 1 - math.floor(math.log10(std)))


def _alone(value: float) -> str:
    """A number without an error."""
    return f"{value:.4g}" if math.isfinite(value) else "–"


def percent(share: float) -> str:
    """``12 %``."""
    return f"{100 * share:.0f} %"


def short_of(value: float, least: float, digits: int = 0) -> str:
    """A number that is less than another, with so many decimals, or as many more as it takes to read less."""
    for more in range(digits, digits + _MOST_MORE):
        if float(text := f"{value:.{more}f}") < least:
            return text
    return f"{value:g}"


_MOST_MORE = 6
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(of: str, number: int) -> str:
    """``k²``, ``Å⁻³``; of power 1 the thing alone, of power 0 nothing."""
    return of + (str(number).translate(_RAISED) if number != 1 else "") if number else ""


def along(axis: str) -> str:
    """``temperature (K)``: what the axis of a series is, with its unit where that is known."""
    unit = unit_along(axis).strip()
    return f"{axis} ({unit})" if unit else axis


def unit_along(axis: str) -> str:
    """`` K``: the unit of such an axis behind a number; nothing where it is not known."""
    return " K" if axis == "temperature" else ""


def short_name(file: str, record: str = "", longest: int = 60) -> str:
    """Name of a scan without its folders, its middle left out where it is long."""
    name = file.replace("\\", "/").rsplit("/", 1)[-1] + (f" :: {record}" if record else "")
    return shortened(name, longest)


def shortened(text: str, longest: int) -> str:
    """Text of so many characters at most."""
    return text if len(text) <= longest else f"{text[: longest // 2 - 1]} … {text[2 - longest // 2 :]}"
