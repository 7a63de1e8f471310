"""What public functions return: frozen objects with array fields that print their numbers and know what they mean."""

from __future__ import annotations

import dataclasses
import functools
import html
import inspect
import re
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import numpy as np

from rfscore._extras import need

if TYPE_CHECKING:
    import xarray

_ROWS = 12  # of a table in a notebook


def quantity(*dims: str, unit: str = "", default: Any = dataclasses.MISSING) -> Any:
    """A field of a Result that is a number, or an array with these named dimensions."""
    return eqx.field(default=default, metadata={"dims": dims, "unit": unit})


class Result(eqx.Module):
    """Base of every result: `repr` and notebooks show numbers, `to_xarray` carries dimensions, units and meanings.

    Subclasses declare their numbers with `quantity`; what each means is read from the "Attributes" of the docstring, so
    it is written once.
    """

    def __repr__(self) -> str:
        return described(self)

    def _repr_html_(self) -> str:
        values, told = _public(self), meanings(type(self))
        columns = {name: np.ravel(value) for name, value in values.items() if _is_numbers(value) and np.ndim(value)}
        sizes = {column.size for column in columns.values()}
        if columns and len(sizes) == 1:
            chosen = np.unique(np.linspace(0, sizes.pop() - 1, _ROWS).astype(int))
            head = "".join(f'<th title="{html.escape(told.get(name, ""))}">{name}</th>' for name in columns)
            rows = ["".join(f"<td>{short(c[i])}</td>" for c in columns.values()) for i in chosen]
        else:
            head = "<th></th><th>value</th><th>meaning</th>"
            rows = [f"<td>{n}</td><td>{html.escape(short(v))}</td><td>{html.escape(told.get(n, ''))}</td>"
                    for n, v in values.items()]  # fmt: skip
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        top = f"<caption>{type(self).__name__}</caption><thead><tr>{head}</tr></thead>"
        return f"<table>{top}<tbody>{body}</tbody></table>"

    def to_xarray(self) -> xarray.Dataset:
        """The numbers as an xarray Dataset: named dimensions, unit and meaning of each as attributes.

        Training times of any shape become one dimension.
        """
        need("to_xarray", "xarray")
        import xarray as xr

        told = meanings(type(self))
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            if "dims" not in field.metadata:
                continue
            dims, value = field.metadata["dims"], np.asarray(getattr(self, field.name))
            if dims:
                value = value.reshape(*value.shape[: len(dims) - 1], -1)
            about = {"long_name": told.get(field.name, ""), "units": field.metadata["unit"] or "1"}
            target = coordinates if dims == (field.name,) else variables
            target[field.name] = (dims, value, about)
        return xr.Dataset(variables, coordinates, {"result": type(self).__name__})


def described(value: Any) -> str:
    """A dataclass by its fields, their numbers in a few characters: the `repr` of problems, populations and results."""
    shown = ", ".join(f"{name}={short(field)}" for name, field in _public(value).items())
    return f"{type(value).__name__}({shown})"


def _public(result: Any) -> dict[str, Any]:
    fields = [f.name for f in dataclasses.fields(result) if not f.name.startswith("_")]
    return {name: getattr(result, name) for name in fields}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.number | int | float | complex | jax.Array) and not isinstance(
        value, jax.core.Tracer
    )


def short(value: Any) -> str:
    """A value in a few characters: 54.1, or [1, 0.98, ..., 0.334].

    Example:
        >>> import numpy as np
        >>> from rfscore.results import short
        >>> print(short(np.float64(54.123)), short(np.linspace(0.0, 1.0, 101)))
        54.12 [0, 0.01, ..., 0.99, 1]
    """
    if isinstance(value, eqx.Module) and not isinstance(value, Result):
        return eqx.tree_pformat(value, width=10**6)
    if isinstance(value, tuple | list):
        return f"[{', '.join(short(item) for item in value)}]"
    if not _is_numbers(value):
        return str(value) if isinstance(value, jax.core.Tracer) else repr(value)
    array = np.asarray(value)
    if array.ndim == 0:
        return f"{array.item():.4g}" if array.dtype.kind in "fc" else str(array.item())
    return np.array2string(array, threshold=6, edgeitems=2, separator=", ", formatter={"float_kind": "{:.4g}".format,
                           "complex_kind": "{:.4g}".format}).replace("\n", "")  # fmt: skip


@functools.cache
def meanings(kind: type) -> dict[str, str]:
    """What each attribute of a class means, from its docstring."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    body = re.split(r"\n(?=\S)", section)[0]
    entries = re.findall(r"^    (\w+): (.+(?:\n {6,}.+)*)", body, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


class LossCurves(Result):
    r"""Losses along training time tau; all per dimension d, so that an untrained network has loss 1 on the noise.

    Attributes:
        tau: training times, any shape.
        train: L_train(tau), the loss on the n samples with the noise averaged exactly.
        test: L_test(tau), the same on the population (or on held-out data).
        excess: L_test minus the least possible loss, the error of what is learned; NaN where that is unknown.
        score_error: excess/Delta_t where the target is the score: (1/d) E|s_A(x_t) + Sigma_t^{-1} x_t|^2 for Gaussian
            data; NaN for other targets.
        status: 0 where verified, else why not; all 0 unless one asked not to raise.
        message: what the worst status means, and the remedy.
    """

    tau: Any = quantity("tau")
    train: Any = quantity("tau")
    test: Any = quantity("tau")
    excess: Any = quantity("tau")
    score_error: Any = quantity("tau")
    status: Any = 0
    message: str = ""

    @classmethod
    def of(
        cls, tau: Any, train: Any, test: Any, least: Any, unit: Any, status: Any = 0, message: str = ""
    ) -> LossCurves:
        """From losses, the least possible one, and the square of what an output is times the score (NaN: no score)."""
        return cls(tau, train, test, test - least, (test - least) / unit, status, message)

    @property
    def gap(self) -> Any:
        """L_gen = L_test - L_train."""
        return self.test - self.train

    def to_xarray(self) -> xarray.Dataset:
        """As every result, with the gap."""
        return (
            super().to_xarray().assign(gap=("tau", np.ravel(self.gap), {"long_name": "L_test - L_train", "units": "1"}))
        )


class ClassCurves(Result):
    """Losses of every class along training time.

    Attributes:
        tau: training times.
        fractions: of the classes.
        train: loss on the training samples of each class.
        test: loss on fresh samples of each class.
        excess: test minus the least possible loss of the class.
    """

    tau: Any = quantity("tau")
    fractions: Any = quantity("class")
    train: Any = quantity("tau", "class")
    test: Any = quantity("tau", "class")
    excess: Any = quantity("tau", "class")

    def of(self, number: int) -> LossCurves:
        """One class alone, for everything that reads curves (`rfscore.observables`: its tau_opt, its tau_half)."""
        train, test, excess = (x[..., number] for x in (self.train, self.test, self.excess))
        return LossCurves(self.tau, train, test, excess, np.full(np.shape(excess), np.nan))


class DirectionCurves(Result):
    """Losses of every eigen-direction of the data along training time; their weighted sum is the loss.

    Attributes:
        tau: training times.
        variance: of the data in each direction, the mean over the classes.
        weights: fraction of the directions.
        train: training loss of each direction.
        test: test loss of each direction.
        excess: test minus the least possible loss.
    """

    tau: Any = quantity("tau")
    variance: Any = quantity("direction")
    weights: Any = quantity("direction")
    train: Any = quantity("tau", "direction")
    test: Any = quantity("tau", "direction")
    excess: Any = quantity("tau", "direction")
