"""How Sphinx builds these pages; `make docs` calls it."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from blut_assets.discovery import discover
from docs.generate.api import signature
from docs.generate.page import fill

project, author, release = "Blut", "", version_of("blut")
copyright = ""
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["generate", "**/*.py"]
html_theme = "furo"
html_title = "Blut"
html_static_path = ["_static"]
html_css_files = ["graph.css"]
html_copy_source = html_show_sphinx = html_show_copyright = False
# Markdown as it reads elsewhere too: links go to files and to the headings in them
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
smartquotes = False  # what is quoted is typed as it stands
# one backtick in a docstring is a name, as in Markdown
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_display_short_literal_types = True
python_maximum_signature_line_length = 88
napoleon_google_docstring, napoleon_numpy_docstring = True, False
# what stands in this file is no reason to write a page anew, nor to keep a picture of a changed graph
suppress_warnings = ["config.cache"]


def setup(app: Any) -> None:
    """Fill in the generated parts as pages are read; those pages are read in each build."""
    found = discover()
    if found.left_out:
        raise RuntimeError(f"a cookbook is broken: {found.left_out}")

    def read(_: Any, __: str, source: list[str]) -> None:
        source[0] = fill(source[0], found)

    def always(_: Any, env: Any, *__: Any) -> list[str]:
        return [name for name in env.found_docs if "<!-- generated:" in env.doc2path(name).read_text()]

    def shorten(_: Any, what: str, __: str, thing: Any, ___: Any, *said: Any) -> tuple[Any, Any]:
        is_model = what == "class" and issubclass(thing, BaseModel)
        return (signature(thing), said[1]) if is_model else said[:2]

    app.connect("autodoc-process-signature", shorten)
    app.connect("source-read", read)
    app.connect("env-get-outdated", always)
