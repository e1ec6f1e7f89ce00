"""What is told of a scan, and the errors raised on purpose: each says what, where, why, and what to do.

Anything else that escapes is a defect of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exafsnn.words import shortened


@dataclass(frozen=True)
class Finding:
    """One thing that the reader or the quality gate noticed about a scan."""

    name: str
    """Short kebab-case name, e.g. ``"short-range"``."""
    severity: str
    """``"note"`` (nothing to do), ``"warning"`` (repaired or doubtful) or ``"fatal"`` (the scan is rejected)."""
    message: str
    """What, where and why, in one sentence."""
    energy: float | None = None
    """Where on the energy axis [eV], if anywhere."""
    remedy: str = ""
    """What to do about it."""

    def __repr__(self) -> str:
        """One line."""
        return f"<Finding {self.name} ({self.severity}): {shortened(self.message, 120)}>"

    @property
    def sentence(self) -> str:
        """Message and remedy in one line."""
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


class ExafsnnError(Exception):
    """Base class of all errors raised on purpose.

    Parameters
    ----------
    reason
        What went wrong, and why.
    where
        File, line, energy or setting that it concerns.
    remedy
        What to do about it.
    """

    def __init__(self, reason: str, *, where: str = "", remedy: str = "") -> None:
        self.reason = reason
        self.where = where
        self.remedy = remedy
        message = f"{where}: {reason}" if where else reason
        super().__init__(f"{message}. {remedy}" if remedy else message)

    @property
    def sentence(self) -> str:
        """Reason and remedy without the place, for a table that names the file already."""
        return f"{self.reason}. {self.remedy}" if self.remedy else self.reason


class ScanError(ExafsnnError):
    """A scan cannot be read or used; the other scans of the run go on."""

    findings: tuple[Finding, ...] = ()
    """What had been found by then, the reason among it; empty where a file could not be read."""

    @classmethod
    def refuse_fatal(cls, findings: Iterable[Finding], where: str) -> None:
        """Reject a scan in which something fatal was found, with all of that as the reason.

        Raises
        ------
        ScanError
            If a finding is fatal.
        """
        findings = tuple(findings)
        fatal = [finding for finding in findings if finding.severity == "fatal"]
        if fatal:
            *others, last = fatal
            reason = "; ".join([*(finding.sentence for finding in others), last.message])
            error = cls(reason, where=where, remedy=last.remedy)
            error.findings = findings
            raise error


class SettingsError(ExafsnnError):
    """A setting is unknown or has an impossible value."""


class SimulationError(ExafsnnError):
    """Molecular dynamics or FEFF failed, or gave a state that is not what its label says."""


class LibraryError(ExafsnnError):
    """A site library is missing, damaged, or made with other settings."""


class ModelError(ExafsnnError):
    """A model file is missing, damaged, or unfit for the spectrum at hand."""


class TrajectoryError(ExafsnnError):
    """A trajectory cannot be read, or holds atoms as they cannot be."""
