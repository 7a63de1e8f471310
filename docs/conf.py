"""The site: Sphinx with furo and MyST; `make docs` builds it, strictly."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]
# The code cells run in processes of their own: they find the package and start with one BLAS thread.
os.environ["PYTHONPATH"] = str(ROOT)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

import rfscore as rf
from _pages import api, derived, docstrings, figures, included, mathematics, notebooks, verdicts

os.environ.pop("MPLBACKEND", None)  # set for files by paper_figs; the cells draw into their page

project = "rfscore"
author = "rfscore developers"
release = version = rf.__version__
copyright = author

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_pages", "_static", "generated/notebooks"]
suppress_warnings = ["myst.header"]  # pages of other folders are included below a heading of their own

html_theme = "furo"
html_title = "rfscore"
html_static_path = ["_static"]
html_css_files = ["rfscore.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#1d4f91"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#8fc4ef"},
}
html_math_renderer = "svg"  # drawn when built: a page needs nothing from elsewhere

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
# Every build runs every example anew; one that fails, or hangs, fails the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 240
nb_execution_show_tb = True
nb_execution_in_temp = True
nb_merge_streams = True

napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Accuracy", "notes_style")]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app):
    """Pages that programs write, before Sphinx reads the folder."""
    target = HERE / "generated"
    api.write(target / "api")
    derived.write(target / "derivations", ROOT / "build" / "derivations" / "derivations.html")
    figures.write(target, ROOT)
    verdicts.write(target / "verdicts", ROOT)
    notebooks.write(HERE / "tutorials", target / "notebooks")
    included.write(target, ROOT)
    docstrings.connect(app)
    mathematics.connect(app)
