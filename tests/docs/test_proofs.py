"""Each promise names the tests that prove it, and these are there."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.pages import DOCS, ROOT, cells

RELIABILITY = DOCS / "reliability.md"
PROMISES = [row[0].strip("*") for row in cells(RELIABILITY, "## The promise")]
PROOFS = cells(RELIABILITY, "### Which test proves which promise")
KINDS = {kind.strip() for row in cells(RELIABILITY, "## How it is proven") for kind in row[0].split(",")}


@cache
def functions_of(file: str) -> set[str]:
    """The tests in a file, by name."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


@pytest.mark.parametrize("named", sorted({row[2].strip("`") for row in PROOFS}))
def test_a_test_that_is_named_as_a_proof_exists(named: str) -> None:
    file, _, function = named.partition("::")
    assert function in functions_of(file)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_a_proof(promise: str) -> None:
    assert re.fullmatch(r"P\d", promise)
    assert any(row[0].startswith(f"**{promise}**") for row in PROOFS)


def test_every_kind_of_proof_is_described_and_used() -> None:
    assert {row[1] for row in PROOFS} == KINDS
