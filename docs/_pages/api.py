"""API reference: one page a public module, every public name from its docstring."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from _pages import put

#: module -> what the page says first. The names are those that the module exports.
MODULES = {
    "rfscore": "Theory, values and results: `import rfscore as rf`.",
    "rfscore.finite": "One drawn network, trained exactly.",
    "rfscore.observables": "Times and exponents from curves, computed or measured.",
    "rfscore.data": "Images as data.",
    "rfscore.plot": "Pictures of results.",
    "rfscore.plotting": "Pictures of plain arrays, in the style of the figures.",
    "rfscore.sampling": "Samples from any score.",
    "rfscore.memorization": "Which samples are copies.",
    "rfscore.networks": "The paper's networks.",
    "rfscore.sweeps": "Grids of problems, on one machine or a cluster.",
    "rfscore.oracle": "The same numbers to any number of digits.",
    "rfscore.testing": "Property tests for a formula of your own.",
    "rfscore.validation": "Claims of papers, judged.",
    "rfscore.reproduce": "The whole comparison as one folder.",
    "rfscore.output": "Results as files, whole or absent.",
    "rfscore.errors": "What is raised.",
}


def modules() -> dict[str, str]:
    """Every public module, with those that newer versions add to the package's face."""
    rf = importlib.import_module("rfscore")
    more = sorted(f"rfscore.{name}" for name in rf._LOADED_WHEN_TOUCHED if f"rfscore.{name}" not in MODULES)
    return MODULES | {name: importlib.import_module(name).__doc__.splitlines()[0] for name in more}


def public(module: ModuleType) -> dict[str, object]:
    """Names that a module exports: defined there, or imported into a package as `X as X`."""
    source = inspect.getsource(module)
    package = hasattr(module, "__path__")
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (f" as {name}\n" in source if package else getattr(value, "__module__", None) == module.__name__)
        and not isinstance(value, ModuleType)
        and callable(value)
    }


def _entry(module: str, name: str, value: object, again: bool) -> str:
    """One name; `again` where an earlier page has it, which links lead to."""
    if not inspect.isclass(value):
        kind, options = "autofunction" if inspect.isfunction(inspect.unwrap(value)) else "autodata", ""
    else:
        kind, options = "autoclass", "   :members:\n" if value.__doc__ else ""
    return f".. {kind}:: {module}.{name}\n{options}" + "   :no-index:\n" * again


def write(folder: Path) -> None:
    """One page a module, and the page that lists them."""
    rows, told = [], set()
    for title, lead in modules().items():
        module = importlib.import_module(title)
        names = public(module)
        entries = "\n".join(_entry(title, name, value, id(value) in told) for name, value in names.items())
        told |= {id(value) for value in names.values()}
        put(folder / f"{title}.md", f"# {title}\n\n{lead}\n\n```{{eval-rst}}\n{entries}\n```\n")
        rows.append(f"| [{title}]({title}.md) | {lead} | {', '.join(f'`{name}`' for name in names)} |")
    table = "\n".join(["| module | what | names |", "|---|---|---|", *rows])
    tree = "\n".join(modules())
    put(folder / "index.md", f"# API reference\n\nEvery public name, from its docstring. The examples in the "
        f"docstrings are run by the tests.\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n")  # fmt: skip


@functools.cache
def files() -> dict[str, str]:
    """module -> its source, of every module that defines a public name."""
    found = {}
    for title in modules():
        for value in public(importlib.import_module(title)).values():
            name = getattr(value, "__module__", "")
            if name.startswith("rfscore"):
                found[name] = Path(sys.modules[name].__file__).read_text(encoding="utf-8")
    return found


@functools.cache
def defined_in() -> dict[str, list[str]]:
    """File of the repository -> the public names it defines, as (page, full name)."""
    found: dict[str, list[str]] = {}
    for title in modules():
        for name, value in public(importlib.import_module(title)).items():
            file = getattr(value, "__module__", "").replace(".", "/") + ".py"
            found.setdefault(file, []).append(f"{title}.{name}")
    return found


def page_of(full: str) -> str:
    """The page and anchor of a public name, from any page one folder below `generated`."""
    return f"../api/{full.rpartition('.')[0]}.html#{full}"


def equation(chapter: str, number: str) -> str:
    """(D5.7) in a docstring: a link to the equation."""
    return rf"`({chapter}.{number}) <../derivations/{chapter}.html#{chapter}.{number}>`__"


def chapter(name: str) -> str:
    """D5 in a docstring: a link to the chapter."""
    return rf"`{name} <../derivations/{name}.html>`__"
