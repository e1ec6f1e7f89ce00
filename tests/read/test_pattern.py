"""Diffraction patterns: what their axis is, and what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read.pattern import is_pattern, read_pattern

X = np.arange(10.0, 12.0, 0.05)


def written(path: Path, header: str, x: np.ndarray, separator: str = " ") -> str:
    lines = [separator.join((f"{at:.4f}", f"{100 + number}")) for number, at in enumerate(x)]
    path.write_text(header + "\n".join(lines) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("name", "header", "separator", "axis"),
    [
        ("a.xy", "", " ", "2θ"),
        ("a.xye", "# q (1/A)   intensity\n", " ", "q"),
        ("a.csv", "q,intensity\n", ",", "q"),
        ("a.csv", "2theta,counts\n", ",", "2θ"),
        ("a.csv", "# Two-Theta (deg); I\n", ";", "2θ"),
        ("a.dat", "# measured at 300 K\n# tth I\n", "\t", "2θ"),
    ],
)
def test_the_axis_is_named_or_an_angle(name: str, header: str, separator: str, axis: str, tmp_path: Path) -> None:
    source = written(tmp_path / name, header, X, separator)
    assert is_pattern(source)
    found = read_pattern(source)
    assert found.axis == axis
    assert np.allclose(found.x, X)
    assert found.intensity[:2].tolist() == [100, 101]
    assert axis in repr(found)


def test_a_scan_is_none(tmp_path: Path) -> None:
    source = written(tmp_path / "a.dat", "# energy mu\n", 7000 + X)
    assert not is_pattern(source)
    with pytest.raises(
        ScanError, match=r"from 7010 to 7011\.95, which is neither 2θ in degrees nor q\. Is it an absorption"
    ):
        read_pattern(source)
    assert not is_pattern(str(tmp_path / "nothing.dat"))


def test_faults_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"a\.xy, line 3: .*does not increase there. Sort it"):
        read_pattern(written(tmp_path / "a.xy", "", np.array([*X[:2], *X])))
    with pytest.raises(ScanError, match="there are 5 points, no pattern"):
        read_pattern(written(tmp_path / "b.xy", "", X[:5]))
    empty = tmp_path / "d.xy"
    empty.write_text("\n".join(f"{at:.2f} 0" for at in X) + "\n")
    with pytest.raises(ScanError, match="nowhere above 0"):
        read_pattern(str(empty))
    (tmp_path / "c.xy").write_text("1\n2\n3\n")
    with pytest.raises(ScanError):
        read_pattern(str(tmp_path / "c.xy"))
