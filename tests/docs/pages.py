"""Reads the README and the pages of docs/ as Markdown: code blocks, commands, links, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "DOCS",
    "PAGES",
    "README",
    "ROOT",
    "Block",
    "anchors",
    "blocks",
    "cells",
    "code_in",
    "commands",
    "first_column",
    "links",
    "prose",
    "rows",
]

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)]

_FENCE = re.compile(r"^```([^`\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:\w+=\S* )*(?:airflow|make|python -m) \S")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A code block of a page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> Iterator[Block]:
    """All code blocks in one of the languages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found[1] in languages:
                yield Block(page=page, line=text.count("\n", 0, found.start()) + 1, text=found[2])


def commands() -> Iterator[Block]:
    """All commands: the lines of shell blocks, those after a prompt, and code in the text that begins like one."""
    for block in blocks("shell", "bash", "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield Block(page=block.page, line=block.line, text=re.sub(r"\s+", " ", line.strip()))
    for block in blocks("console"):
        for line in block.text.splitlines():
            if line.startswith("$ "):
                yield Block(page=block.page, line=block.line, text=line.removeprefix("$ "))
    for page in PAGES:
        for found in _INLINE.finditer(prose(page)):
            if _COMMAND.match(found[1]):
                yield Block(page=page, line=0, text=found[1])


def links(page: Path) -> Iterator[tuple[str, str, str]]:
    """The text, the path and the fragment of every link that stays in this repository; a picture has no text."""
    for found in _LINK.finditer(prose(page)):
        target = found[2] or found[3]
        if not re.match(r"\w+://|mailto:", target):
            path, _, fragment = target.partition("#")
            yield found[1] if found[2] else "a picture", path, fragment


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may name, as GitHub and Sphinx make it of the heading's text."""
    texts = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[1]) for found in _HEADING.finditer(prose(page)))
    return {re.sub(r"[^\w -]", "", text.lower()).strip().replace(" ", "-") for text in texts}


def code_in(page: Path) -> set[str]:
    """Everything that the Markdown of a page sets as code, split into words."""
    text = page.read_text(encoding="utf-8")
    code = [found[2] for found in _FENCE.finditer(text)] + _INLINE.findall(_FENCE.sub("", text))
    return set(re.findall(r"[\w-]+", " ".join(code)))


def rows(page: Path, heading: str) -> list[str]:
    """The rows of the first table below a heading, without its head."""
    below = page.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", below, re.MULTILINE)
    assert table is not None, f"{page} has no table below {heading}"
    return table[1].splitlines()


def cells(page: Path, heading: str) -> list[list[str]]:
    """The cells of these rows."""
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows(page, heading)]


def first_column(page: Path, heading: str) -> list[str]:
    """The first column of that table, without its code marks."""
    return [row[0].strip("`") for row in cells(page, heading)]
