"""A comparison as an xarray Dataset: times with intervals and curves by run, the theory beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rfscore._extras import need
from rfscore.runs.readings import TIMES
from rfscore.runs.summary import COLUMNS

if TYPE_CHECKING:
    import xarray

    from rfscore.runs.compare import Comparison


def to_xarray(found: Comparison) -> xarray.Dataset:
    """Named dimensions run, place (of a measured step) and theory_place, units and meanings as attributes.

    Curves are padded with NaN to the longest. A time that is not reached is NaN, its bounds are in `_low`, `_high`, and
    `_status` says which it is.
    """
    need("to_xarray", "xarray")
    import xarray as xr

    runs = found.runs
    data: dict[str, Any] = {
        "n": ("run", np.array([x.run.n for x in runs]), {"long_name": "training points"}),
        "W": ("run", np.array([x.run.width for x in runs]), {"long_name": "base width, 0 where unknown"}),
    }
    for name, meaning in TIMES.items():
        readings = [x.times[name] for x in runs]
        about = {"long_name": meaning, "units": "optimiser steps"}
        data[name] = ("run", found.values(name), about)
        ends = np.array([r.interval if r.observable.status == "ok" else r.observable.interval for r in readings])
        for i, side in enumerate(("low", "high")):
            data[f"{name}_{side}"] = ("run", ends[:, i], {**about, "long_name": f"{side} end of 95 % for {name}"})
        data[f"{name}_status"] = ("run", np.array([r.observable.status for r in readings]))
    columns = [name for name in COLUMNS if any(name in x.run.columns for x in runs)]
    steps = [x.run.tau for x in runs]
    data["tau"] = (("run", "place"), _padded(steps), {"long_name": "training step", "units": "optimiser steps"})
    for name in columns:
        curves = [x.run.columns.get(name, np.full(x.run.tau.size, np.nan)) for x in runs]
        data[name] = (("run", "place"), _padded(curves), {"long_name": COLUMNS[name], "units": "1"})
    if any(model is not None for model in found.predictions):
        nothing = np.empty(0)
        for name, meaning in (
            ("tau", "training time of gradient flow"),
            ("train", "training loss"),
            ("test", "test loss"),
        ):
            curves = [nothing if model is None else getattr(model, name) for model in found.predictions]
            about = {"long_name": f"{meaning} of the random-features model", "units": "1"}
            data[f"theory_{name}"] = (("run", "theory_place"), _padded(curves), about)
        for name in ("tau_opt", "tau_half"):
            values = [np.nan if model is None else getattr(model, name).value for model in found.predictions]
            data[f"theory_{name}"] = ("run", np.array(values), {"long_name": f"{name} of the random-features model"})
    facts = {"result": "Comparison", "quality": found.quality, "threshold": found.threshold, "fits": found.fits,
             "spread": found.spread}  # fmt: skip
    return xr.Dataset(data, {"run": np.array([x.run.name for x in runs])}, facts)


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(row.size for row in rows)), np.nan)
    for i, row in enumerate(rows):
        table[i, : row.size] = row
    return table
