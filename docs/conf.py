"""Sphinx: the Markdown of this folder as HTML. The pages are written to be read as Markdown first."""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from airflow_provider_bik import __version__  # noqa: E402 - it needs the line above

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "airflow-provider-bik"
author = "The airflow-provider-bik maintainers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"{project} {__version__}"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False

NAVIGATION = {
    "index": {
        "Begin": "install connection dags sandbox",
        "Use": "operator mapping from-your-export inputs sql state ui monitoring commands validate",
        "How to": "howto-postgresql howto-mysql howto-snowflake howto-bigquery",
        "Know": "reliability events delivery errors faq api upgrade",
        "Change": "code-map benchmarks design/index",
    },
    "design/index": {
        "State": "record-and-generations documents rejected-files",
        "Input": "query-by-file windows wrapped-events",
        "Events": "flags identity times one-encoding-path performance",
        "Sending": "answers rejected-batches pacing asyncio",
        "Around it": "pages-in-airflow sandbox smaller",
    },
}
"""The pages in order. It stands here, because a table of contents for Sphinx is noise to a reader of the Markdown."""

_MERMAID = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def picture_of(mermaid: str) -> Path:
    """The file that holds a picture, drawn by ``python -m docs.pictures``; its name says what it was drawn from."""
    return HERE / "images" / f"mermaid-{hashlib.sha256(mermaid.encode()).hexdigest()[:12]}.svg"


def _for_sphinx(_: Sphinx, page: str, source: list[str]) -> None:
    for caption, pages in NAVIGATION.get(page, {}).items():
        option = f":caption: {caption}\n" if caption else ""
        listed = "\n".join(pages.split())
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n{option}\n{listed}\n```\n"
    up = "../" * page.count("/")
    source[0] = _MERMAID.sub(lambda found: f"![]({up}images/{picture_of(found[1]).name})", source[0])


def _copy_pictures(app: Sphinx, error: Exception | None) -> None:
    """Sphinx does not look into HTML, where the pictures for light and dark stand."""
    if error is None:
        shutil.copytree(HERE / "images", Path(app.outdir) / "images", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Teach Sphinx what the Markdown does not say for it."""
    app.connect("source-read", _for_sphinx)
    app.connect("build-finished", _copy_pictures)
