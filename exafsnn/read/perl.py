"""Values as Perl's ``Data::Dumper`` writes them → Python's: a list is parsed, never evaluated.

Strings, numbers, ``undef``, arrays ``[…]``, hashes ``{…}`` and blessed objects, nested as deep as they come.
``athena.py`` reads the parameters of a project with it.
"""

from __future__ import annotations

import re

Value = str | None | list["Value"] | dict[str, "Value"]
"""Text of a string or a number; None for ``undef``; an array; a hash."""

_MAX_ITEMS = 10_000
"""Most values of a list, those of nested ones included: reading more takes too long."""

_ITEM = re.compile(
    r"""\s*+(?:
        '([^'\\]*+(?:\\.[^'\\]*+)*+)'
      | "([^"\\]*+(?:\\.[^"\\]*+)*+)"
      | ([-+.\w]++)(?!\s*+\()
      | ((?:bless\s*+\(\s*+)?+[\[{])
      | ([\]}](?:\s*+,\s*+'[^']*+'\s*+\))?+)
    )\s*+(,|=>)?+""",
    re.VERBOSE | re.DOTALL,
)
"""One value, or where a nested one begins or ends (``bless( {``, ``}, 'Class' )``), and what follows it."""

_ESCAPE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "e": " ", "0": " "}
"""What Perl's escapes in double quotes mean."""


def values(text: str) -> list[Value]:
    """Values of a list, without the parentheses around it.

    Raises
    ------
    ValueError
        If something else than plain values stands there; says what.
    """
    whole: list[Value] = []
    opened: list[tuple[str, list[Value]]] = [("", whole)]
    position, end, is_due, count = 0, len(text.rstrip()), True, 0
    while position < end:
        match = _ITEM.match(text, position)
        single, double, bare, begin, close, after = match.groups() if match else ("",) * 6
        if match is None or count > _MAX_ITEMS or not (is_due or close) or (begin and after):
            raise _not_understood(text, position)
        if begin:
            opened.append((begin, []))
        elif close:
            began, items = opened.pop()
            if not _closes(began, close):
                raise _not_understood(text, position)
            opened[-1][1].append(_hash(items) if began.endswith("{") else items)
        else:
            opened[-1][1].append(_scalar(single, double, bare))
        count += not close
        is_due = bool(begin or after)
        position = match.end()
    if len(opened) > 1:
        raise ValueError(f"{opened[-1][0]!r} is not closed")
    return whole


def _not_understood(text: str, position: int) -> ValueError:
    return ValueError(f"{text[position : position + 40]!r} is not understood")


def _closes(began: str, mark: str) -> bool:
    """Tell whether a bracket, and the class of an object, end what began."""
    return began[-1:] + mark[0] in ("[]", "{}") and began.startswith("bless") == mark.endswith(")")


def _hash(items: list[Value]) -> dict[str, Value]:
    """Pairs of a hash; of a key that comes twice the last counts, as in Perl."""
    if len(items) % 2:
        raise ValueError(f"a hash holds {len(items)} items, no pairs")
    return {key if isinstance(key, str) else "": value for key, value in zip(items[::2], items[1::2], strict=True)}


def _scalar(single: str | None, double: str | None, bare: str) -> str | None:
    """Text of one value without its escapes; None for ``undef``."""
    if single is not None:
        return re.sub(r"\\([\\'])", r"\1", single) if "\\" in single else single
    if double is not None:
        return _ESCAPE.sub(_unescaped, double)
    return None if bare == "undef" else bare


def _unescaped(match: re.Match[str]) -> str:
    """Character of one escape in double quotes."""
    if match[1] is None:
        return _LETTERS.get(match[2], match[2])
    code = int(match[1], 16)
    return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "\ufffd"
