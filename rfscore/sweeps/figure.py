"""The picture of a sweep: heat-maps over two axes, lines along one, the phase diagram over psi_n and psi_p."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rfscore.errors import InputError, bad
from rfscore.output import write_bytes
from rfscore.sweeps.diagram import boundary, over_seeds

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

#: What is drawn when nothing is asked for, as far as the sweep has it; "gap" at its first two training times.
CHOICE = ("gap", "overtraining", "tau_opt", "tau_half", "window_half")
_COLUMNS = 3


def write(
    data: xarray.Dataset, path: Path, names: list[str] | None = None, at: Mapping[str, str] | None = None,
    points: xarray.Dataset | None = None, level: float = 0.1,
) -> Path:  # fmt: skip
    """Draw a sweep into a .png or .pdf file, whole or not at all.

    Args:
        data: the sweep.
        path: the file.
        names: variables to draw, "gap" at every training time [default: `CHOICE`].
        at: values of the axes that are not drawn.
        points: a finite-size sweep over the same two axes, drawn on top.
        level: L_gen on the boundary n*(p).

    Returns:
        The path.

    Raises:
        InputError: more than two axes left, an unknown variable or axis, no numbers yet.
    """
    from rfscore import plotting

    with plotting.paper():
        figure = draw(data, names, at or {}, points, level)
        buffer = io.BytesIO()
        metadata = {"Software": None} if path.suffix == ".png" else {"CreationDate": None}
        figure.savefig(buffer, format=path.suffix[1:], dpi=160, metadata=metadata)
    return write_bytes(path, buffer.getvalue())


def draw(
    data: xarray.Dataset, names: list[str] | None, at: Mapping[str, str], points: xarray.Dataset | None, level: float
) -> Figure:
    """The figure, in the style that is set."""
    from rfscore import plotting

    data = _selected(data, at)
    over = _selected(points, at) if points is not None else None
    axes = [str(name) for name in data.status.dims if name != "seed"]
    if len(axes) not in (1, 2) or "point" in axes:
        raise bad("axes to draw", axes, "one or two", "fix the others: --at name=value")
    views = _views(data, names)
    columns = min(_COLUMNS, len(views))
    figure, panels = plotting.panels(math.ceil(len(views) / columns), columns, width=3.3 * columns, height=2.75)
    for ax, view in zip(panels.ravel(), views, strict=False):
        (_map if len(axes) == 2 else _line)(ax, data, axes, view, over, level)
    for ax in panels.ravel()[len(views) :]:
        ax.set_axis_off()
    bounded = len(axes) == 2 and any(name == "gap" for name, _ in views)
    words = [_heading(data)] + [rf"lines: $L_{{\rm gen}}$ = {level:g}"] * bounded
    words += ["grey: none"] * (len(axes) == 2 and any(_unknown(data, view) for view in views))
    figure.suptitle("; ".join(words), fontsize=9, x=0.01, ha="left")
    return figure


View = tuple[str, float | None]  # a variable, at one training time


def _views(data: xarray.Dataset, names: list[str] | None) -> list[View]:
    for name in names or ():
        if name not in data.data_vars or name == "message":
            raise bad("variable", name, f"one of {sorted(str(v) for v in data.data_vars if v != 'message')}")
    views: list[View] = []
    for name in names or [name for name in CHOICE if name in data]:
        times = data.tau.values.tolist() if "tau" in data[name].dims else [None]
        views += [(name, tau) for tau in (times[:2] if names is None else times)]
    if not views:
        raise InputError("the sweep has no numbers to draw yet: run it, or see rfscore sweep status")
    return views


def _selected(data: xarray.Dataset, at: Mapping[str, str]) -> xarray.Dataset:
    """The part of a sweep at given values of some axes, which must be places of the grid."""
    for name, text in at.items():
        if name not in data.coords or name == "tau":
            axes = sorted(str(v) for v in data.coords if v != "tau")
            raise bad("--at", f"{name}={text}", f"an axis or a fixed value of the sweep: {', '.join(axes)}")
        places = np.atleast_1d(data[name].values)
        match = [i for i, v in enumerate(places) if str(v) == text or _near(v, text)]
        if not match:
            raise bad(f"--at {name}", text, f"one of {places.tolist()}")
        data = data.isel({name: match[0]}) if name in data.dims else data
    return data


def _near(value: Any, text: str) -> bool:
    try:
        return math.isclose(float(value), float(text), rel_tol=1e-6)
    except ValueError:
        return False


def _heading(data: xarray.Dataset) -> str:
    fixed = {str(name): data[name].item() for name in data.coords if data[name].ndim == 0}
    words = [
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}" for name, value in fixed.items()
    ]
    counts = {"theory": "theory", "finite": "finite networks", "network": "trained networks"}
    return ", ".join([counts[str(data.attrs["model"])], *words])


def _at_time(data: xarray.Dataset, view: View) -> xarray.DataArray:
    name, tau = view
    return data[name] if tau is None else data[name].sel(tau=tau)


def _unknown(data: xarray.Dataset, view: View) -> bool:
    """Whether a map has places without a value: no such time, a refused point, one not computed yet."""
    return not bool(np.isfinite(over_seeds(_at_time(data, view))[0].values).all())


def _title(view: View) -> str:
    from rfscore.plotting import diagrams

    name, tau = view
    words = diagrams.symbol(name)
    return words if tau is None else words + rf" at $\tau$ = {_time(tau)}"


def _time(tau: float) -> str:
    if math.isinf(tau):
        return r"$\infty$"
    power = math.log10(tau) if tau > 0 else 0.0
    return rf"$10^{{{round(power)}}}$" if tau >= 100 and abs(power - round(power)) < 1e-9 else f"{tau:g}"


def _map(ax: Any, data: xarray.Dataset, axes: list[str], view: View, over: xarray.Dataset | None, level: float) -> None:
    from rfscore.plotting import diagrams

    first, second = ("psi_p", "psi_n") if {"psi_n", "psi_p"} == set(axes) else axes  # as in the paper's diagrams
    values = over_seeds(_at_time(data, view))[0].transpose(first, second)
    dots = None if over is None or view[0] not in over else _dots(over, view, (first, second))
    diagrams.heat_map(
        ax, data[first].values, data[second].values, values.values, names=(first, second), label="", title=_title(view),
        points=dots,
    )  # fmt: skip
    if view[0] == "gap" and first == "psi_p":
        gaps = over_seeds(data["gap"])[0].transpose("psi_n", "psi_p", "tau")
        drawn = {
            rf"$\tau$ = {_time(t)}" + (r": $n^\ast(p)$" if math.isinf(t) else ""): boundary(
                data.psi_n.values, gaps.sel(tau=t).values, level
            )
            for t in data.tau.values.tolist()
            if t == view[1] or math.isinf(t)
        }
        diagrams.boundaries(ax, data.psi_p.values, drawn)


def _dots(over: xarray.Dataset, view: View, names: tuple[str, str]) -> Any:
    import xarray as xr

    from rfscore.plotting.diagrams import Scattered

    if view[1] is not None and view[1] not in over.tau.values:
        return None
    values = over_seeds(_at_time(over, view))[0]
    if not set(names) <= set(values.coords):
        raise bad("points", list(map(str, values.dims)), f"a sweep over {names}")
    x, y, value = (np.ravel(v.values) for v in xr.broadcast(values[names[0]], values[names[1]], values))
    return Scattered(x, y, value)


def _line(
    ax: Any, data: xarray.Dataset, axes: list[str], view: View, over: xarray.Dataset | None, level: float
) -> None:
    from rfscore.plotting import diagrams

    del level  # of the boundary, which a line has not
    for label, source in (("theory" if over is not None else "", data), ("finite size", over)):
        if source is None or view[0] not in source:
            continue
        mean, error = over_seeds(_at_time(source, view))
        error_bars = {label: np.nan_to_num(error.values)} if "seed" in source.dims else {}
        x = source[axes[0]].values
        diagrams.lines(ax, x, {label: mean.values}, name=axes[0], label=_title(view), spread=error_bars)
