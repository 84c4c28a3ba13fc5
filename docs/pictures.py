"""Draws the Mermaid of the pages as SVG, for the HTML: `python -m docs.pictures PATH/TO/mermaid.min.js`.

Markdown viewers draw Mermaid themselves; the HTML must not need the network. Needs a Chromium, which playwright finds.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from docs.conf import HERE, picture_of

__all__ = ["blocks"]

_SETTINGS = {
    "startOnLoad": False,
    "theme": "neutral",
    "htmlLabels": False,
    "flowchart": {"htmlLabels": False, "wrappingWidth": 320},
}

_BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[str]:
    """The Mermaid of all pages."""
    pages = (page for page in sorted(HERE.rglob("*.md")) if "_build" not in page.parts)
    return [found[1] for page in pages for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))]


def main(library: Path) -> None:
    """Draw those that are missing, and remove those that no page has any more."""
    wanted = {picture_of(text): text for text in blocks()}
    for old in set((HERE / "images").glob("mermaid-*.svg")) - wanted.keys():
        old.unlink()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.add_script_tag(path=library)
        page.evaluate("settings => mermaid.initialize(settings)", _SETTINGS)
        for file, text in wanted.items():
            if not file.exists():
                svg = page.evaluate("async text => (await mermaid.render('picture', text)).svg", text)
                # White behind it, so that it can be read on a dark page too.
                file.write_text(svg.replace('style="', 'style="background-color: white; ', 1) + "\n", encoding="utf-8")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
