"""Sources → what was read of each scan: all records of a file, the edges of a sample; repeats as one where asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exafsnn.edges import MAX_OFFSET, tabulated
from exafsnn.errors import ExafsnnError, Finding, ScanError, SettingsError
from exafsnn.files import Stamp, stamp_of
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.axis import SAME_TEMPERATURE, kelvin_named
from exafsnn.run.samples import scans_of
from exafsnn.settings import BackgroundSettings

Scan = tuple[str, "Stamp | None", "Spectrum | ChiK | Exception"]
"""The name of a scan, the file's stamp, and what was read or why it was not."""
Read = tuple[str, str, tuple[Scan, ...]]
"""The source that was asked for, the name of a scan or sample in it, and its scans: of a sample that of each edge."""
Standard = tuple[str, str]
"""The source of a standard, and its columns."""


@dataclass(frozen=True)
class Reading:
    """How scans are read."""

    columns: str | None = None
    """Where the columns are; None: found in each file."""
    merge: bool = False
    """Whether scans of one edge and temperature are repeats, and become one."""
    foil_columns: str | None = None
    """Where the columns of a foil behind the sample are, by whose edge the energies are calibrated …"""
    e0_foil: float | None = None
    """… and its true E₀ [eV]; None: the tabulated one."""
    eager: bool = False
    """Whether somebody waits for the first answers: a few scans are worked on at a time."""
    standards: tuple[Standard, ...] = ()
    """The standards of the run that have columns of their own, which may be foils in the files of the scans."""

    def check(self) -> None:
        """Tell at once what cannot be.

        Raises
        ------
        SettingsError
            If columns cannot be understood, or there is an E₀ of a foil and no foil.
        """
        from exafsnn.read.roles import parse_columns

        if self.columns is not None:
            parse_columns(self.columns)
        if self.foil_columns is not None:
            parse_columns(self.foil_columns, "--foil-columns")
        elif self.e0_foil is not None:
            remedy = "Say with --foil-columns where the foil is, as energy=1,mu=3; or give --e0, the scan's own"
            raise SettingsError("it is that of a foil behind the sample", where="--e0-foil", remedy=remedy)

    def read(self, sources: Iterable[str], settings: BackgroundSettings) -> Iterator[Read]:
        """Read every scan of some sources."""
        found = self._each(sources, settings.e0)
        return self._merged(found, settings) if self.merge else found

    def _each(self, sources: Iterable[str], e0: float | None) -> Iterator[Read]:
        from exafsnn.read.scan import read_all
        from exafsnn.read.sources import split_source

        for source in sources:
            scans = scans_of(source)
            if len(scans) > 1:
                yield source, source, tuple(self._edge(scan, e0) for scan in scans)
                continue
            stamp = stamp_of(split_source(source)[0])
            for name, item in read_all(source, columns=self.columns, e0=e0, beside=self._beside(source)):
                yield source, name, ((name, stamp, self._calibrated(name, item)),)

    def _edge(self, source: str, e0: float | None) -> Scan:
        """Read the scan of one edge of a sample."""
        from exafsnn.read.scan import read_one
        from exafsnn.read.sources import split_source

        stamp = stamp_of(split_source(source)[0])
        try:
            scan = read_one(source, columns=self.columns, e0=e0, beside=self._beside(source))
            return source, stamp, self._calibrated(source, scan)
        except Exception as error:
            return source, stamp, error

    def _beside(self, source: str) -> list[str]:
        """Columns of a file in which the run finds something else than the scan: a foil, a standard."""
        from exafsnn.read.sources import split_source

        file = Path(split_source(source)[0]).absolute()
        own = (columns for name, columns in self.standards if Path(split_source(name)[0]).absolute() == file)
        return [*filter(None, [self.foil_columns]), *own]

    def _calibrated(self, name: str, scan: Spectrum | ChiK | Exception) -> Spectrum | ChiK | Exception:
        """A scan on the energies by which its foil's edge is where it belongs; why not, if that cannot be."""
        if self.foil_columns is None or isinstance(scan, Exception):
            return scan
        if isinstance(scan, ChiK):
            remedy = "Give the raw scan, or leave --foil-columns out"
            return ScanError("χ(k) has no energies that a foil could calibrate", where=name, remedy=remedy)
        from exafsnn.measure.scans import remove_background
        from exafsnn.read.scan import read_one

        try:
            foil = read_one(name, columns=self.foil_columns)
            if isinstance(foil, ChiK):
                raise ScanError("the columns of the foil are χ(k)", where=name, remedy="Give those of its μ(E)")
            seen = remove_background(foil).e0
        except ExafsnnError as error:
            remedy = "Say with --foil-columns where its columns are, or leave that out"
            return ScanError(f"the foil cannot be used: {error.reason}", where=name, remedy=remedy)
        table = tabulated(foil.absorber, foil.edge)
        true = self.e0_foil or table
        if abs(true - table) > MAX_OFFSET:
            said = f"E₀ = {true:g} eV is not that of a foil of {foil.absorber} {foil.edge} ({table:.1f} eV)"
            return ScanError(said, where=f"{name}, --e0-foil", remedy="Give the foil's own edge energy, or none")
        said = f"the foil's {foil.absorber} {foil.edge} edge lies at {seen:.2f} eV"
        found = Finding("calibrated", "note", f"{said}: all energies are moved by {true - seen:+.2f} eV")
        return replace(scan, energy=scan.energy + (true - seen), findings=(*scan.findings, found))

    def _merged(self, reads: Iterable[Read], settings: BackgroundSettings) -> Iterator[Read]:
        """Those of one edge and temperature as one, in the place of the first; what cannot be read as it is."""
        from exafsnn.run.merge import merged

        groups: dict[object, list[tuple[str, Scan]]] = {}
        for source, name, scans in reads:
            if len(scans) > 1:
                reason = f"{source} is a sample of several edges"
                remedy = "Merge those of each edge first (exafsnn preprocess --merge --export athena), then join them"
                raise SettingsError(reason, where="--merge", remedy=remedy)
            ((_, _, item),) = scans
            if isinstance(item, Exception):
                yield source, name, scans
                continue
            groups.setdefault((type(item), item.absorber, item.edge), []).append((source, scans[0]))
        for alike in groups.values():
            for group in _by_temperature(alike):
                files = {name: (source, stamp) for source, (name, stamp, _) in group}
                for name, found in merged([(scan, item) for _, (scan, _, item) in group], settings):
                    source, stamp = files.get(name, (group[0][0], None))
                    yield source, name, ((name, stamp, found),)


def _by_temperature(scans: Sequence[tuple[str, Scan]]) -> list[list[tuple[str, Scan]]]:
    """Scans of one temperature together, by headers or names; those of which none is known go with the only one.

    In the order of the first of each.
    """
    known: dict[int, float] = {}
    for number, (_, (name, _, item)) in enumerate(scans):
        told = item.temperature if isinstance(item, Spectrum | ChiK) else None
        kelvin = told if told is not None else kelvin_named(name)
        if kelvin is not None:
            known[number] = kelvin
    groups: list[list[int]] = []
    for number in sorted(known, key=known.__getitem__):
        if groups and known[number] - known[groups[-1][0]] <= SAME_TEMPERATURE:
            groups[-1].append(number)
        else:
            groups.append([number])
    unknown = [number for number in range(len(scans)) if number not in known]
    if unknown:
        groups = [[*groups[0], *unknown]] if len(groups) == 1 else [*groups, unknown]
    return [[scans[number] for number in sorted(group)] for group in sorted(groups, key=min)]
