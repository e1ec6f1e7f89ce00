"""The page of answers: what it says first, that names cannot run, and that nothing of it is cut off on a telephone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from exafsnn_cli.main import run

from exafsnn.write.scans_page import _of_metal
from exafsnn.write.vector import Plot, ticks

SPECTRA = Path(__file__).parents[2] / "spectra"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Of two scans, one that is none, and one with a name that would like to run."""
    folder = tmp_path_factory.mktemp("page")
    bad = folder / "<script>alert(1)<b>.dat"
    bad.write_text("nothing\n")
    scans = [str(SPECTRA / f"fe_{kelvin}K.dat") for kelvin in ("0300", "1000")]
    assert run(["predict", *scans, str(bad), "-o", str(folder / "out")]) == 3
    return folder / "out"


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    return (results / "report.html").read_text(encoding="utf-8")


def test_the_answer_comes_first_in_words(page: str) -> None:
    answers = re.findall(r'<p class="answer">(.*?)</p>', page)
    assert answers[0] == "2 of 3 scans have an answer; 1 rejected, with the reason below."
    assert re.match(r"Around Fe there are 1\d\.\d to 1\d\.\d Fe neighbours from 1\.9 to 3\.3 Å, 2\.6", answers[1])
    assert answers[2].startswith("There was no standard")


def test_an_implied_line_begins_where_the_model_does(page: str) -> None:
    """At 2 Å⁻¹, not at 1 Å⁻¹ with a jump."""
    plots = re.findall(r'<svg[^>]*aria-label="k²χ\(k\) .*?</svg>', page, re.DOTALL)
    assert len(plots) == 2
    for plot in plots:
        measured, implied = (float(points.split(",")[0]) for points in re.findall(r'<polyline points="([^"]*)', plot))
        assert measured == pytest.approx(Plot.left, abs=1)
        assert implied > Plot.left + 20


def test_what_is_metal_is_told_of_each_element_by_scan_and_with_its_error() -> None:
    def row(file: str, pair: str, metal: float, std: float) -> dict[str, object]:
        return {"file": file, "record": "", "pair": pair, "metal": metal, "metal_std": std}

    rows = [row("a", "Ni-Ni", 1.0, 0.021), row("a", "Ni-O", 1.0, 0.021), row("b", "Ni-Ni", 0.301, 0.05)]
    names = {("a", ""): "foil.dat", ("b", ""): "half.dat", ("c", ""): "cobalt.dat"}
    assert list(_of_metal(rows[:2], names)) == ["100.0 ± 2.1 % of the Ni atoms of foil.dat are in the metal."]
    assert list(_of_metal([*rows, row("c", "Co-Co", 0.5, 0.1)], names)) == [
        "The share of the Ni atoms that are in the metal goes from 30.1 ± 5.0 % (half.dat) to 100.0 ± 2.1 % (foil.dat),"
        " in 2 scans.",
        "50 ± 10 % of the Co atoms of cobalt.dat are in the metal.",
    ]


def test_each_scan_is_one_click_away(page: str) -> None:
    assert page.count("<details") == 3
    links = re.findall(r'href="#(scan-\d+)"', page)
    assert {"scan-1", "scan-2", "scan-3"} == set(links)
    assert all(page.count(f'id="{link}"') == 1 for link in set(links))
    assert page.count("<svg") == 6
    assert page.count("<polyline") == 2 * (2 + 2 + 1)


def test_it_is_one_page_that_runs_nothing(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)


def test_it_says_how_it_was_made_and_what_to_cite(page: str) -> None:
    assert "CITATION.cff" in page
    assert (Path(__file__).parents[2] / "CITATION.cff").is_file()
    assert "fe-k" in page


def test_a_standard_is_named(tmp_path: Path) -> None:
    scan, standard = (str(SPECTRA / f"fe_{kelvin}K.dat") for kelvin in ("0400", "0300"))
    assert (
        run(["predict", scan, "--reference", standard, "--structure", "bcc:2.8667", "-o", str(tmp_path / "out")]) == 0
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "standard fe_0300K.dat (bcc:2.8667)" in page
    assert "There was no standard" not in page
    assert re.search(r"Around Fe there are 1\d\.\d+ ± 0\.\d+ Fe neighbours", page)


def test_results_of_nothing_have_a_page(tmp_path: Path) -> None:
    (tmp_path / "bad.dat").write_text("nothing\n")
    assert run(["predict", str(tmp_path / "bad.dat"), "-o", str(tmp_path / "out")]) == 4
    assert "0 of 1 scans have an answer" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(results: Path, tmp_path: Path, width: int) -> None:
    """A frame of that width in headless Chromium: neither page nor tables are wider, and words are whole."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="file://{results}/report.html" width="{width}" height="900"></iframe><p id="o"></p>'
        "<script>document.getElementById('f').onload = e => { const d = e.target.contentDocument;"
        " d.querySelectorAll('details').forEach(x => { x.open = true; });"
        " const wide = [d.documentElement, ...d.querySelectorAll('.wide')].map(x => x.scrollWidth - x.clientWidth);"
        " const texts = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT), broken = [];"
        " while (texts.nextNode()) { const text = texts.currentNode; if (text.parentElement.closest('svg')) continue;"
        "  for (const word of text.data.matchAll(/[^\\s\\u2013-]+/g)) { const range = d.createRange();"
        "   range.setStart(text, word.index); range.setEnd(text, word.index + word[0].length);"
        "   const lines = new Set([...range.getClientRects()].map(x => Math.round(x.top)));"
        "   if (lines.size > 1) broken.push(word[0]); } }"
        " document.getElementById('o').textContent = `over ${Math.max(...wide)} broken [${broken}]`; }</script>"
    )
    asked = ["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"]
    command = [
        chromium,
        *asked,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1400,1000",
        f"file://{frame}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"over (-?\d+) broken \[(.*?)\]", done.stdout)
    assert found, done.stdout[-500:]
    assert int(found[1]) <= 0
    assert not found[2]


def test_ticks_are_round() -> None:
    assert ticks(0.0, 6.5) == [(float(n), str(n)) for n in range(7)]
    assert [text for _, text in ticks(-0.013, 0.013, 5)] == ["-0.01", "0.00", "0.01"]


def test_a_curve_ends_where_the_plot_does() -> None:
    import numpy as np

    plot = Plot("x", "y", (0.0, 2.0), (0.0, 1.0))
    plot.line(np.linspace(0, 4, 5), np.full(5, 2.0), "currentColor", "too high")
    places = [tuple(map(float, point.split(","))) for point in plot.curves[0].points.split()]
    assert places[0] == (plot.left, plot.top)
    assert places[-1] == (plot.right, plot.top)
