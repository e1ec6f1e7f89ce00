"""Which column plays which part: by its name, or as the user says with ``--columns``.

A role map gives the columns (from 0) of each role: ``energy``, ``i0``, ``it``, ``if``, ``iref``, ``mu``, ``muf``
(fluorescence μ), ``muref``, ``k``, ``chi``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from exafsnn.errors import ScanError, SettingsError
from exafsnn.measure.table import Table

Roles = Mapping[str, tuple[int, ...]]

PATTERNS = {
    "energy": r"e|en|ev|kev|(?!ring)\w{0,12}energy\w{0,12}",
    "k": r"k|wavenumber",
    "chi": r"chi",
    "i0": r"i0|io|i_0|izero|i0_?eh\d",
    "it": r"it|i1|i_t|itr|itrans|trans|transmission|i1_?eh1",
    "iref": r"iref|ir|i2|i_ref|irefer|reference|ir_?eh2",
    "if": r"if|if_?\d+|ifluor_?\d*|ifch_?\d+|fluor_?\d*|fluo_?\d*|fluorescence|flatot|lytle",
    "mu": r"mu|xmu|mux|mue|mu_?trans|absorption|absorbance|norm|normtrans",
    "muf": r"muf|mu_?fluor|normfluor",
    "muref": r"mu_?ref|mu_?refer|normrefer",
}

READ_BACK = r"achieved|readback|feedback|encoder"
"""Among several energies the measured one is better than the requested one."""

KEYS = ("energy", "i0", "it", "if", "iref", "mu", "k", "chi")
"""What ``--columns`` understands."""

EXAMPLE = "Say which columns to take, e.g. --columns energy=1,i0=2,it=3 (or mu=2, if=4;5;6, k=1,chi=2)"


def role_of(name: str) -> str | None:
    """Role of a column of this name; None if the name says nothing."""
    plain = re.sub(r"\(k\)|\(e\)", "", name.strip().lower())
    plain = re.sub(r"^\d+_|_c\d+$", "", re.sub(r"\W+", "_", plain).strip("_"))
    return next((role for role, pattern in PATTERNS.items() if re.fullmatch(pattern, plain)), None)


def roles_by_name(table: Table) -> Roles:
    """Role map from the column names; detectors of fluorescence are all taken, of the rest the first."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(table.names):
        if role := role_of(name):
            found.setdefault(role, []).append(index)
    if "energy" in found:
        found["energy"].sort(key=lambda index: not re.search(READ_BACK, table.names[index].lower()))
    return {role: tuple(indices if role == "if" else indices[:1]) for role, indices in found.items()}


def parse_columns(columns: str) -> Roles:
    """Read a ``--columns`` specification such as ``energy=1,i0=2,if=4;5``.

    Raises
    ------
    SettingsError
        If it is malformed, or does not say enough to make a spectrum.
    """
    roles: dict[str, tuple[int, ...]] = {}
    for part in columns.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([1-9]\d*(?:;[1-9]\d*)*)\s*", part)
        if not match or match[1].lower() not in KEYS or match[1].lower() in roles:
            raise SettingsError(
                f"{part!r} is not understood; keys are {', '.join(KEYS)}, columns count from 1",
                where=f"--columns {columns}",
                remedy=EXAMPLE,
            )
        roles[match[1].lower()] = tuple(int(number) - 1 for number in match[2].split(";"))
    if not is_complete(roles):
        raise SettingsError("no spectrum follows from these columns", where=f"--columns {columns}", remedy=EXAMPLE)
    return roles


def is_complete(roles: Roles) -> bool:
    """Tell whether a spectrum or χ(k) follows from the roles."""
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
    roles = roles_by_name(table)
    if is_complete(roles):
        return roles
    if len(table.names) == 2 and not any(table.names):
        return {"energy": (0,), "mu": (1,)}
    raise ScanError(f"unknown layout: {table.seen}", where=table.where, remedy=EXAMPLE)


def _within(roles: Roles, table: Table) -> Roles:
    last = max(max(indices) for indices in roles.values())
    if last >= len(table.names):
        raise ScanError(f"there is no column {last + 1} among {table.seen}", where=table.where, remedy=EXAMPLE)
    return roles
