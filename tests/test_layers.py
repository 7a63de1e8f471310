"""The house stands: imports go down its floors only, none runs in a circle, and `import rfscore` stays light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rfscore"
#: Floors from the ground up. A room may use its own files and every floor below; rooms of one floor do not meet.
FLOORS = (
    ("errors",),
    ("_numbers", "_precision", "_machine", "_text", "_spaces", "_extras"),
    ("results",),
    ("model",),
    ("observables",),
    ("theory", "finite", "sampling", "pytorch", "memorization", "data", "oracle"),
    ("__init__", "_plain", "_provenance"),
    ("output", "testing"),
    ("plotting", "report", "generation"),
    ("plot",),
    ("runs",),
    ("networks",),
    ("sweeps", "reproduce", "validation", "explorer"),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = {
    ".".join(("rfscore", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _imports(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere, within functions too; types alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    only_types = {id(n) for block in typing for n in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{name.name}" for name in node.names} & set(MODULES)
            whole = {node.module} if len(submodules) < len(node.names) else set()
            found |= submodules | whole
    return {name for name in found if name in MODULES}


GRAPH = {name: _imports(path) - {name} for name, path in MODULES.items()}


def test_every_room_has_a_floor() -> None:
    assert {_room(name) for name in MODULES} == set(FLOOR)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_go_down(name: str) -> None:
    room = _room(name)
    if name == "rfscore":
        return  # the face shows rooms of every floor; what it loads is tested below
    up = {used for used in GRAPH[name] if _room(used) != room and FLOOR[_room(used)] >= FLOOR[room]}
    assert not up, f"{name} stands on {sorted(up)}"


def test_no_circle_of_imports() -> None:
    # Every package's files, and the packages themselves: what cannot be put in an order is a circle.
    left = {name: {used for used in GRAPH[name] if used != "rfscore"} for name in GRAPH if name != "rfscore"}
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    left = {name: {u for u in used if u not in packages} for name, used in left.items() if name not in packages}
    while free := {name for name, used in left.items() if not used & set(left)}:
        left = {name: used for name, used in left.items() if name not in free}
    assert not left, f"circle among {sorted(left)}"


def test_theory_and_finite_size_never_meet() -> None:
    for one, other in (("theory", "finite"), ("finite", "theory")):
        for name in MODULES:
            if _room(name) == one:
                assert not [used for used in GRAPH[name] if _room(used) == other], name


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, rfscore; heavy = {'matplotlib', 'xarray', 'pandas', 'sklearn', 'dask', 'zarr', 'sympy', 'mpmath', "
        "'typer', 'rich', 'optax', 'PIL', 'h5py', 'torch'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_room_is_reached_from_the_face_and_no_function_hides_a_module() -> None:
    import rfscore as rf

    assert rf.finite.draw and rf.oracle.check and rf.testing and rf.__version__ and "plot" in dir(rf)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = rf.nothing_like_it
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            shown = vars(importlib.import_module(name))
            inside = {other.rsplit(".", 1)[1] for other in MODULES if other.rpartition(".")[0] == name}
            assert not [x for x in inside if x in shown and not isinstance(shown[x], types.ModuleType)], name
