"""Perl's values: what ``Data::Dumper`` writes is understood, and nothing else."""

from __future__ import annotations

import pytest

from exafsnn.read.perl import values


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("", []),
        ("'a', \"b\", c, undef", ["a", "b", "c", None]),
        ("0, -1, +2.5, 1e5, -1.33822133E-07, .5", ["0", "-1", "+2.5", "1e5", "-1.33822133E-07", ".5"]),
        (r"""'it\'s', 'a\\', 'a\n', "a\n", "\x{3b1}" """, ["it's", "a\\", r"a\n", "a\n", "α"]),
        ("'two\nlines'", ["two\nlines"]),
        ("[], {}, [[]], [{}]", [[], {}, [[]], [{}]]),
        ("{'a' => 1, 'b' => {'c' => [undef, '],}']}}, 'd'", [{"a": "1", "b": {"c": [None, "],}"]}}, "d"]),
        ("{name => 'Si 111', },", [{"name": "Si 111"}]),
        ("bless( {'file' => '', 'data' => {}}, 'Xray::XDI' ), 'b'", [{"file": "", "data": {}}, "b"]),
    ],
)
def test_values(text, right):
    assert values(text) == right


@pytest.mark.parametrize(
    "text",
    [
        *(
            "'a' 'b'",
            "'a',,'b'",
            ",",
            "'a",
            "[",
            "]",
            "[}",
            "{'a' => 1",
            "{'a'}",
            "{,}",
            "bless( {}",
            "bless( [, 'a' )",
        ),
        *("system('ls')", "`ls`", "$a[1]", "sub { 1 }"),
    ],
)
def test_nothing_else(text):
    with pytest.raises(ValueError, match=r"is not understood|is not closed|no pairs"):
        values(text)


def test_hashes_in_hashes_need_no_stack_of_calls():
    deep = values("{'name' => " * 4000 + "{}" + "}" * 4000)
    for _ in range(4000):
        (deep,) = deep if isinstance(deep, list) else deep.values()
    assert deep == {"name": {}}
