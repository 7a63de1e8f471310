"""The optional packages, and the extra that brings each: one line instead of a traceback where one is missing."""

from __future__ import annotations

import importlib.util

from rfscore.errors import RfscoreError

#: Module -> extra of `pip install 'rfscore[extra]'`.
EXTRAS = {
    "matplotlib": "plot", "xarray": "data", "h5netcdf": "data", "h5py": "data", "sklearn": "data", "PIL": "data",
    "typer": "cli", "rich": "cli", "optax": "networks", "safetensors": "networks", "zarr": "sweeps", "dask": "sweeps",
    "distributed": "sweeps", "mpmath": "oracle", "sympy": "symbolic", "ziamath": "symbolic", "hypothesis": "test",
    "bokeh": "explore", "torch": "fid", "torchvision": "fid", "torch_fidelity": "fid",
}  # fmt: skip


class MissingExtra(RfscoreError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def need(what: str, *modules: str) -> None:
    """Raise `MissingExtra` when one of these modules cannot be imported."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module) is not None
        except ImportError:
            found = False
        if not found:
            raise missing(what, module)


def missing(what: str, module: str) -> MissingExtra:
    """The one wording."""
    return MissingExtra(f"{what} needs {module}: pip install 'rfscore[{EXTRAS[module]}]'", name=module)


def explained(error: ImportError) -> str:
    """What to say about an import that failed: the extra, where it is one of ours."""
    top = (error.name or "").split(".")[0]
    if isinstance(error, MissingExtra) or top not in EXTRAS:
        return str(error)
    return str(missing("this", top))
