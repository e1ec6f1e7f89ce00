"""Which column plays which part: by its name, or as the user says with ``--columns``.

A role map gives the columns (from 0) of each role: ``energy`` (which may be a monochromator's angle), ``i0``, ``it``,
``if``, ``iref``, ``mu``, ``muf`` (fluorescence μ), ``muref``, ``k``, ``chi``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

import numpy as np

from exafsnn.edges import edges_of
from exafsnn.errors import Finding, ScanError, SettingsError
from exafsnn.read.table import Table, few

Roles = Mapping[str, tuple[int, ...]]

MAX_KEV = 150.0
"""An axis that stays below is in keV: no edge with EXAFS lies below 150 eV."""

_PATTERNS = {
    "energy": r"e|en|ev|kev|(?!ring|undulator)\w{0,12}energ(y|ie|ia)\w{0,12}",
    "angle": r"(mono_?|bragg_?)?(angle|theta)(_?[co])?|bragg",
    "k": r"k|wavenumber",
    "chi": r"chi",
    "i0": r"i0|io|i_0|izero|i0_?eh\d|i0_keithley\d|vfc_?01",
    "it": r"it|i1|i_t|itr|itrans|trans|transmission|i1_?eh1|i1_keithley\d|vfc_?02",
    "iref": r"iref|ir|i2|i_ref|irefer|(foil_?)?reference|ir_?eh2|vfc_?03",
    "if": r"if|if_?\d+|ifluor_?\d*|ifch_?\d+|fluor_?\d*|fluo_?\d*|fluorescence|flatot|lytle|"
    r"[a-z]{1,2}[kl][ab]\d?_sum_cps|vfc_?04",
    "mu": r"mu|mu_?01|xmu|mux|mue|mu_?t|mu_?trans|absorption(_coefficient)?|absorbance|normtrans|ln_i0_i(t|1|trans)|"
    r"(mu_?)?norm(ali[sz]ed)?(_(mu|xmu|absorption|absorbance))?",
    "muf": r"muf|mu_?fluor|normfluor",
    "muref": r"mu_?12|mu_?ref|mu_?refer|normrefer",
}

_READ_BACK = r"achieved|read_?back|feedback|_rbv?\b|encoder|c?enc(_|\b)|observed|measured|actual|\(o\)"
_COMMANDED = r"set_?point|set_?pos|command|request|target|nominal|wanted|desired|(_|\b)(set|sp|cmd)(_|\b)"
"""Among several energies, or angles, the measured one is the best, and one that was only asked for the worst."""

_EMISSION = re.compile(r"([A-Z][a-z]?)([KL])[ab]\d?_sum_cps")
"""``AlKa_sum_cps``: counts of one emission line, summed over the detectors."""

_ANONYMOUS = re.compile(r"(detector_?\d+)?", re.IGNORECASE)
"""Names of counters that do not say what they count."""

_KEYS = ("energy", "i0", "it", "if", "iref", "mu", "k", "chi")
"""What ``--columns`` understands."""

_EXAMPLE = "Say which columns to take, e.g. --columns energy=1,i0=2,it=3 (or mu=2, if=4;5;6, k=1,chi=2)"


@lru_cache(maxsize=256)
def role_of(name: str) -> str | None:
    """Role of a column of this name; None if the name says nothing."""
    plain = re.sub(r"\(k\)|\(e\)", "", name.strip().lower())
    plain = re.sub(r"^\d+_|_c\d+$", "", re.sub(r"\W+", "_", plain).strip("_"))
    return next((role for role, pattern in _PATTERNS.items() if re.fullmatch(pattern, plain)), None)


def _roles_by_name(table: Table) -> Roles:
    """Role map from the column names; detectors of fluorescence are all taken, of the rest the first.

    Where no name says energy, a unit of eV or keV does, or else the monochromator's angle serves.
    """
    found: dict[str, list[int]] = {}
    for index, name in enumerate(table.names):
        if role := role_of(name):
            found.setdefault(role, []).append(index)
    if "mu" in found and "it" not in found and "iref" in found and "muref" not in found:
        found["muref"] = found.pop("iref")  # μ of the foil, as ln(It/Iref) cannot be meant
    angles = found.pop("angle", [])
    axes = found.pop("energy", []) or _in_ev(table) or angles
    if axes:
        found["energy"] = _measured_first(table, axes)
    if axes and "if" in found:
        found["if"] = _of_the_edge(table, found["if"], found["energy"][0])
    return {role: tuple(indices if role == "if" else indices[:1]) for role, indices in found.items()}


def _measured_first(table: Table, axes: list[int]) -> list[int]:
    """Energies, or angles: those that move at all, and of these the measured ones, first."""

    def rank(index: int) -> tuple[bool, int]:
        label, values = f"{table.names[index]} ({table.units[index]})".lower(), table.data[:, index]
        wanted = 0 if re.search(_READ_BACK, label) else 2 if re.search(_COMMANDED, label) else 1
        return bool(len(values)) and np.ptp(values) == 0, wanted

    return sorted(axes, key=rank)


def axis_note(table: Table, axis: int) -> tuple[Finding, ...]:
    """Say which of several energies was taken; nothing where there is one."""
    same = [index for index, name in enumerate(table.names) if role_of(name) == role_of(table.names[axis])]
    others = [f"{index + 1} ({table.names[index]})" for index in same if index != axis]
    if not others or role_of(table.names[axis]) != "energy":
        return ()
    message = f"The energies are those of column {axis + 1} ({table.names[axis]}), not of {few(others)}"
    return (Finding("energy-axis", "note", message),)


def _in_ev(table: Table) -> list[int]:
    """Columns whose unit is eV or keV, and whose name says nothing else."""
    named = zip(table.names, table.units, strict=True)
    return [
        index for index, (name, unit) in enumerate(named) if re.fullmatch("k?ev", unit.lower()) and not role_of(name)
    ]


def _of_the_edge(table: Table, columns: list[int], axis: int) -> list[int]:
    """Of columns that each count one element's emission line, those whose edge lies in the scan; else all of them."""
    energy = table.data[:, axis] * (1000.0 if table.data[:, axis].max() <= MAX_KEV else 1.0)
    lines = {index: match for index in columns if (match := _EMISSION.match(table.names[index]))}
    excited = [
        index
        for index, line in lines.items()
        if any(edge.name[0] == line[2] and energy.min() < edge.energy < energy.max() for edge in edges_of(line[1]))
    ]
    return excited or columns


def anonymous_detectors(table: Table) -> tuple[int | None, tuple[int, ...]]:
    """Axis of a table, and its counters that have no name or only a number (``Detector3``), in the file's order."""
    axis = _roles_by_name(table).get("energy", (0,) if not any(table.names) else (None,))[0]
    counters = (index for index, name in enumerate(table.names) if index != axis and _ANONYMOUS.fullmatch(name))
    return axis, tuple(counters)


def parse_columns(columns: str, option: str = "--columns") -> Roles:
    """Read a ``--columns`` specification such as ``energy=1,i0=2,if=4;5``; ``option`` is what errors name.

    Raises
    ------
    SettingsError
        If it is malformed, or does not say enough to make a spectrum.
    """
    roles: dict[str, tuple[int, ...]] = {}
    for part in columns.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([1-9]\d*(?:;[1-9]\d*)*)\s*", part)
        if not match or match[1].lower() not in _KEYS or match[1].lower() in roles:
            raise SettingsError(
                f"{part!r} is not understood; keys are {', '.join(_KEYS)}, columns count from 1",
                where=f"{option} {columns}",
                remedy=_EXAMPLE,
            )
        roles[match[1].lower()] = tuple(int(number) - 1 for number in match[2].split(";"))
    if several := [key for key in ("energy", "k") if len(roles.get(key, ())) > 1]:
        reason = f"{several[0]} is one column, and is no sum of several"
        raise SettingsError(reason, where=f"{option} {columns}", remedy=_EXAMPLE)
    if not is_complete(roles):
        raise SettingsError("no spectrum follows from these columns", where=f"{option} {columns}", remedy=_EXAMPLE)
    return roles


def is_complete(roles: Collection[str | None]) -> bool:
    """Tell whether a spectrum or χ(k) follows from roles."""
    measured = "mu" in roles or "muf" in roles or ("i0" in roles and ("it" in roles or "if" in roles))
    return {"k", "chi"} <= set(roles) or ("energy" in roles and measured)


def find_roles(table: Table, columns: str | None) -> Roles:
    """Role map of a table: as the user says, else by the names, else, for two nameless columns, energy and μ.

    Raises
    ------
    ScanError
        If the layout is unknown, or the user names a column that is not there.
    """
    if columns is not None:
        return _within(parse_columns(columns), table)
    roles = _roles_by_name(table)
    if is_complete(roles):
        return roles
    if len(table.names) == 2 and not any(table.names):
        return {"energy": (0,), "mu": (1,)}
    doubts = [finding.message for finding in table.findings if finding.name.endswith(("labels", "left-out"))]
    reason = "; ".join(filter(None, [f"unknown layout: {table.seen}", _lacking(roles), *doubts]))
    raise ScanError(reason, where=table.where, remedy=_EXAMPLE)


def _lacking(roles: Roles) -> str:
    """Say what no name tells, if any tells something."""
    if not roles:
        return ""
    axis = "none is named as energy" if not {"energy", "k"} & set(roles) else ""
    counts = {"it", "if"} & set(roles)
    signal = "none as the beam before the sample (I0)" if counts and "i0" not in roles else ""
    if not counts and not {"mu", "muf", "chi"} & set(roles):
        signal = "none as μ, or as the counts behind or beside the sample (It, If)"
    return ", ".join(filter(None, (axis, signal)))


def _within(roles: Roles, table: Table) -> Roles:
    last = max(max(indices) for indices in roles.values())
    if last >= len(table.names):
        raise ScanError(f"there is no column {last + 1} among {table.seen}", where=table.where, remedy=_EXAMPLE)
    return roles
