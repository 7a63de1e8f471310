"""Without extras: one line that names the extra, from every command and every module."""

import subprocess
import sys

import pytest

BLOCK = """
import sys
blocked = set(sys.argv.pop(1).split(","))
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""
EVERYTHING = ("matplotlib,xarray,h5netcdf,h5py,sklearn,PIL,typer,rich,optax,safetensors,zarr,dask,distributed,mpmath,"
              "sympy,ziamath,hypothesis,torch,bokeh")  # fmt: skip


def without(modules, code, *arguments):
    command = [sys.executable, "-c", BLOCK + code, modules, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_library_alone_needs_no_extra():
    code = "import rfscore as rf; print(rf.loss_curves(rf.ScoreProblem(2, 4, 0.1), [1.0]).test[0] < 1)"
    done = without(EVERYTHING, code)
    assert done.stdout == "True\n" and done.stderr == ""


MODULES = {
    "rfscore.plotting": "plot", "rfscore.plot": "plot", "rfscore.sweeps": "data", "rfscore.networks": "networks",
    "rfscore.oracle": "oracle", "rfscore.testing": "test", "rfscore.reproduce": "plot", "rfscore.explorer": "explore",
}  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_a_module_names_its_extra(module):
    done = without(EVERYTHING, f"import {module}")
    assert done.returncode == 1
    assert f"pip install 'rfscore[{MODULES[module]}]'" in done.stderr.splitlines()[-1]


COMMANDS = {
    "the command": (EVERYTHING, ["--help"], "cli"),
    "a picture": ("matplotlib", ["curves", "--psi-n", "2", "--psi-p", "4", "--t", "0.1"], "plot"),
    "numbers": ("xarray", ["timescales", "--psi-n", "2", "--psi-p", "4", "--t", "0.1"], "data"),
    "netcdf": ("h5netcdf", ["spectrum", "--psi-n", "2", "--psi-p", "4", "--t", "0.1"], "data"),
    "the report": ("matplotlib", ["reproduce", "--tiny"], "plot"),
    "images": ("sklearn", ["reproduce", "--tiny"], "data"),
    "a sweep": (
        "zarr",
        ["sweep", "--psi-n", "2,4", "--psi-p", "4", "--t", "0.1", "--out", "x", "--workers", "0"],
        "sweeps",
    ),
    "networks": ("optax", ["networks", "train", "none.toml", "--out", "x"], "networks"),
    "weights": ("safetensors", ["networks", "measure", "x"], "networks"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_names_its_extra_in_one_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    modules, arguments, extra = COMMANDS[name]
    done = without(modules, "from rfscore.cli import main; main()", *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"rfscore[{extra}]" in done.stderr.splitlines()[-1]
