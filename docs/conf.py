"""Sphinx: the documentation of the provider, in Markdown. The tables of `code_tables` are read from the code."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

# Airflow writes a configuration file when it is imported, and a build of the documentation has no business in $HOME.
_HOME = tempfile.TemporaryDirectory(prefix="airflow-home-", ignore_cleanup_errors=True)
os.environ.setdefault("AIRFLOW_HOME", _HOME.name)

from code_tables import TABLES  # noqa: E402 - it imports Airflow, which needs the lines above
from docutils import nodes  # noqa: E402 - as above
from docutils.statemachine import StringList  # noqa: E402 - as above
from sphinx.util.docutils import SphinxDirective  # noqa: E402 - as above

from airflow_provider_bik import __version__  # noqa: E402 - as above

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


class CodeTable(SphinxDirective):
    """``{code-table} name``: one of the tables of `code_tables`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the table from the code, as Markdown, and let the parser of the page read that."""
        name = self.arguments[0]
        if name not in TABLES:
            message = f"no table {name!r}; there are {', '.join(TABLES)}"
            raise self.error(message)
        box = nodes.container()
        self.state.nested_parse(StringList(TABLES[name](), source=f"code_tables.{name}"), self.content_offset, box)
        return box.children


def setup(app: Sphinx) -> None:
    """Teach Sphinx the directive."""
    app.add_directive("code-table", CodeTable)
