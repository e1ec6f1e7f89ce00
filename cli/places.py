"""Folders and files that a command is given by name: where nothing is named, nobody guesses."""

from __future__ import annotations

from typing import Any

import click


class Named(click.Path):
    """A path; an empty one, as of a variable that was never set, is wrong usage: it would be the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check one value."""
        if not str(value).strip():
            self.fail("it is empty: give a name", param, ctx)
        return super().convert(value, param, ctx)
