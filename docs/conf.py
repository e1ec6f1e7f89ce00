"""Sphinx settings: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

from pathlib import Path

from exafsnn import __version__

project, author, release = "exafsnn", "the exafsnn developers", __version__
extensions = [
    *("myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"),
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode, nb_execution_timeout, nb_execution_raise_on_error = "force", 120, True
nb_merge_streams = True
exclude_patterns = ["_build", "jupyter_execute", "gallery/README.*", "gallery/[0-9]*.ipynb"]
html_theme = "furo"
html_title = f"exafsnn {__version__}"
templates_path: list[str] = []
autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
nitpicky = False
sphinx_gallery_conf = {
    "examples_dirs": str(Path(__file__).parents[1] / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\d\d_",
    "copyfile_regex": r".*\.ipynb",
    "ignore_pattern": r"(absorption_scan|heating_series|make_spectra)\.py",
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "capture_repr": ("_repr_html_",),
    "remove_config_comments": True,
}
