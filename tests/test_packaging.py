"""The package as it is installed: light to import, typed, and pinned without addresses."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[; ]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def test_importing_rfscore_loads_no_extra():
    extras = {
        "matplotlib",
        "xarray",
        "h5netcdf",
        "h5py",
        "sklearn",
        "PIL",
        "typer",
        "rich",
        "sympy",
        "mpmath",
        "pandas",
    }
    code = "import sys, rfscore, rfscore.data, rfscore.observables, rfscore.output; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in done.stdout.split()}
    assert "numpy" in loaded and not loaded & extras


def test_the_core_needs_five_packages():
    assert {name_of(r) for r in PROJECT["project"]["dependencies"]} == {"numpy", "scipy", "jax", "equinox", "jaxtyping"}


def test_pins_are_names_and_versions_only():
    assert len(PINS) > 20 and len({name_of(pin) for pin in PINS}) == len(PINS)
    for pin in PINS:
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*==[0-9][0-9a-z.]*", pin), pin


def test_everything_that_is_declared_is_pinned():
    project = PROJECT["project"]
    declared = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    declared += [r for extra in project["optional-dependencies"].values() for r in extra]
    assert {name_of(r) for r in declared} - {"rfscore"} <= {name_of(pin) for pin in PINS}


def test_pins_satisfy_the_declared_lower_bounds():
    versions = {name_of(pin): pin.split("==")[1] for pin in PINS}
    project = PROJECT["project"]
    declared = [*project["dependencies"], *(r for e in project["optional-dependencies"].values() for r in e)]
    bounded = [r for r in declared if ">=" in r]
    assert bounded
    for requirement in bounded:
        wanted = [int(part) for part in requirement.split(">=")[1].split(".")]
        pinned = [int(part) for part in versions[name_of(requirement)].split(".")[: len(wanted)]]
        assert pinned >= wanted, requirement


def test_the_package_says_it_is_typed():
    assert resources.files("rfscore").joinpath("py.typed").is_file()


@pytest.mark.parametrize("target", ["help", "check", "reproduce", "test", "test-slow", "bench", "docs", "clean"])
def test_make_help_explains_every_target(target):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert target == "help" or f'@echo "make {target} ' in makefile
