"""Templates of HTML: pages, cards in notebooks and the local page are made of them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

_TEMPLATES = Path(__file__).parent / "templates"


def template(name: str, folder: Path = _TEMPLATES) -> Template:
    """A template of HTML in a folder, by default one of results; all text that is put into it is escaped."""
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name)
