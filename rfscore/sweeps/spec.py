"""A sweep: what varies, what is fixed, what evaluates it. Checked in full before anything runs."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rfscore._text import read_toml
from rfscore.errors import InputError, bad
from rfscore.model.activations import as_activation, identity
from rfscore.model.problem import ScoreProblem
from rfscore.sweeps import axes as axis
from rfscore.sweeps.axes import Value

Model = Literal["theory", "finite", "network"]
Point = dict[str, Value]
_PROBLEM: Point = {"population": "isotropic:1", "activation": "tanh", "process": "ou", "target": "score"}
_DEFAULTS: dict[str, Point] = {
    "theory": _PROBLEM, "finite": _PROBLEM | {"features": "exact", "seed": 0}, "network": {},
}  # fmt: skip
_NEEDED = {"theory": ("psi_n", "psi_p", "t"), "finite": ("psi_n", "psi_p", "t", "d"), "network": ()}
#: Fields of a ScoreProblem that a sweep gives as they are; the others are given as text.
_NUMBERS = tuple(f.name for f in dataclasses.fields(ScoreProblem) if f.name not in axis.WORDS)
_LARGEST_P = 20_000
#: Two isotropic classes: fraction of the first, variance of each.
TWO = {"fraction", "variance_1", "variance_2"}


@dataclass(frozen=True)
class Sweep:
    r"""A grid, or a list, of problems to be evaluated by theory, by drawn finite networks, or by trained networks.

    Args:
        axes: what varies: any field of ScoreProblem, `sigma_x` (Sigma = sigma_x^2 I), `fraction`, `variance_1` and
            `variance_2` of a mixture of two isotropic classes, `d`, `seed`, `features`; for
            networks settings of their config by dotted name (`data.n`, `network.width`, `seed`). Values as
            `rfscore.sweeps.axes.parse` takes them.
        fixed: the same names with one value each.
        model: "theory" (infinite size), "finite" (one drawn instance a point, exact gradient flow), "network" (the
            companion module).
        tau: training times at which losses are wanted (0 and inf allowed); networks have their own.
        paired: walk all axes together, as a list of points, instead of taking their product.
        config: what all networks share, as nested tables.

    Raises:
        InputError: an unknown name, a value out of range, a missing setting; named with its point.

    Example:
        >>> from rfscore.sweeps import Sweep
        >>> sweep = Sweep({"psi_n": "1:64:4:log", "psi_p": [8, 32]}, fixed={"t": 0.01}, tau=[1e3, float("inf")])
        >>> sweep.shape, [sweep.point(1)[name] for name in ("psi_n", "psi_p", "population")]
        ((4, 2), [1.0, 32.0, 'isotropic:1'])
    """

    axes: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    model: Model = "theory"
    tau: Any = (1e3, 1e4, math.inf)
    paired: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model not in _DEFAULTS:
            raise bad("model", self.model, f"one of {sorted(_DEFAULTS)}")
        if not self.axes:
            raise bad("axes", "none", "at least one thing that varies, e.g. psi_n")
        set_ = object.__setattr__  # frozen: normalised once, here
        set_(self, "axes", {name: axis.parse(name, values) for name, values in self.axes.items()})
        set_(self, "fixed", {name: axis.one(name, value) for name, value in self.fixed.items()})
        set_(self, "tau", _times(self.tau) if self.model != "network" else ())
        self._check_names()
        lengths = {name: len(values) for name, values in self.axes.items()}
        if self.paired and len(set(lengths.values())) > 1:
            raise bad("axes", lengths, "axes of one length when they are paired")

    def _check_names(self) -> None:
        both = sorted(set(self.axes) & set(self.fixed))
        if both:
            raise bad("fixed", both, "names that are not axes as well")
        given = {*self.axes, *self.fixed}
        if self.model == "network":
            return  # the config knows its names: see `check`
        known = {*_NUMBERS, *_DEFAULTS[self.model], *_NEEDED[self.model], "sigma_x", *TWO}
        for name in given - known:
            raise bad("name", name, f"one of {sorted(known)}")
        missing = [name for name in _NEEDED[self.model] if name not in given]
        if missing:
            named = " and ".join("--" + name.replace("_", "-") for name in missing)
            raise InputError(
                f"a {self.model} sweep needs {', '.join(missing)}: give {named} a value, e.g. 8, or several"
            )
        if TWO & given and {"sigma_x", "population"} & given:
            raise bad("fraction, variance_1, variance_2", sorted(given), "no population or sigma_x beside them",
                      "they are the population: two isotropic classes")  # fmt: skip
        if {"sigma_x", "population"} <= given:
            raise bad("sigma_x and population", "both", "one of the two; sigma_x is Sigma = sigma_x^2 I")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes; one length for a list of points."""
        lengths = tuple(len(values) for values in self.axes.values())
        return lengths[:1] if self.paired else lengths

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def point(self, index: int) -> Point:
        """All settings of one point, in the order of the axes, the last running fastest."""
        where = np.unravel_index(index, self.shape)
        if self.paired:
            where = where * len(self.axes)
        varying = {name: values[int(i)] for (name, values), i in zip(self.axes.items(), where, strict=True)}
        return {**_DEFAULTS[self.model], **self.fixed, **varying}

    def points(self) -> list[Point]:
        """Every point, in order."""
        walk = zip(*self.axes.values(), strict=True) if self.paired else itertools.product(*self.axes.values())
        base = {**_DEFAULTS[self.model], **self.fixed}
        return [{**base, **dict(zip(self.axes, values, strict=True))} for values in walk]

    def check(self) -> None:
        """Build every point's problem or config, so that bad values are found now.

        Raises:
            InputError: with the first bad point and what is wrong with it.
        """
        for point in self.points():
            try:
                if self.model == "network":
                    network_config(self.config, point)
                else:
                    _check_size(point, checked := problem(point))
                    identity(checked.activation)
            except InputError as error:
                raise InputError(f"{describe(point, self.axes)}: {error}") from error

    def plain(self) -> dict[str, Any]:
        """The sweep as what JSON and `from_plain` take."""
        return {
            "model": self.model, "axes": {k: list(v) for k, v in self.axes.items()}, "fixed": dict(self.fixed),
            "tau": [str(x) if math.isinf(x) else x for x in self.tau], "paired": self.paired,
            "config": dict(self.config),
        }  # fmt: skip


def from_plain(plain: Mapping[str, Any]) -> Sweep:
    """A sweep from nested tables, as TOML gives them; unknown keys are refused."""
    known = {f.name for f in dataclasses.fields(Sweep)}
    for key in set(plain) - known:
        raise bad("key of the sweep", key, f"one of {sorted(known)}")
    if not isinstance(plain.get("axes"), Mapping):
        raise bad("axes", plain.get("axes"), "a table of axes")
    for table in ("fixed", "config"):
        if not isinstance(plain.get(table, {}), Mapping):
            raise bad(table, plain[table], "a table")
    return Sweep(**plain)


def read(path: str | PathLike[str]) -> Sweep:
    """A sweep from a TOML file: `model`, `tau`, `paired`, and tables `axes`, `fixed`, `config`.

    Raises:
        InputError: no such file, no TOML, or bad content.
    """
    return from_plain(read_toml(path, "sweep"))


def problem(point: Point) -> ScoreProblem:
    """The ScoreProblem of a point."""
    from rfscore.model.population import Isotropic, Mixture
    from rfscore.model.text import population, process

    rho = population(str(point["population"]))
    if "sigma_x" in point:
        rho = population(f"isotropic:{float(point['sigma_x']) ** 2!r}")
    if TWO & set(point):
        if missing := TWO - set(point):
            raise bad("two classes", sorted(TWO & set(point)), f"also {sorted(missing)}")
        part = float(point["fraction"])
        rho = Mixture(
            [part, 1.0 - part], (Isotropic(float(point["variance_1"])), Isotropic(float(point["variance_2"])))
        )
    numbers = {name: point[name] for name in _NUMBERS if name in point}
    return ScoreProblem(
        **numbers,  # type: ignore[arg-type]
        population=rho,
        activation=str(point["activation"]),
        process=process(str(point["process"])),
        target=str(point["target"]),
    )  # type: ignore[arg-type]


def network_config(shared: Mapping[str, Any], point: Point) -> Any:
    """The RunConfig of a point: the shared tables with the point's settings over them."""
    from rfscore.networks import config

    plain = {key: dict(value) if isinstance(value, Mapping) else value for key, value in shared.items()}
    for name, value in point.items():
        *sections, key = name.split(".")
        table: Any = plain
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise bad("axis", name, "section.key of a network config")
        table[key] = value
    return config.from_plain(plain)


def describe(point: Point, names: Mapping[str, Any]) -> str:
    """A point by what varies: `psi_n = 4, psi_p = 32`."""
    return ", ".join(f"{name} = {point[name]:g}" if isinstance(point[name], float) else f"{name} = {point[name]}"
                     for name in names)  # fmt: skip


def content(point: Point) -> Point:
    """The settings that decide the numbers: files of eigenvalues and activations by what they are, sigma_x as Sigma."""
    settings = dict(point)
    if "activation" in settings:
        settings["activation"] = identity(as_activation(str(settings["activation"])))
    if "sigma_x" in settings:
        settings["population"] = f"isotropic:{float(settings.pop('sigma_x')) ** 2!r}"
    rho = str(settings.get("population", ""))
    if rho.startswith("file:"):
        settings["population"] = "sha256:" + hashlib.sha256(Path(rho[5:]).read_bytes()).hexdigest()
    return settings


def _times(values: Any) -> tuple[float, ...]:
    from rfscore.model.training import Flow

    times = Flow().times(axis.parse("tau", values))
    if np.any(np.diff(times) <= 0):
        raise bad("tau", times.tolist(), "ascending training times")
    return tuple(times.tolist())


def _check_size(point: Point, checked: ScoreProblem) -> None:
    if "d" not in point:
        return
    d = int(point["d"])
    if d < 1:
        raise bad("d", d, "a whole number >= 1")
    for name in ("n", "p"):
        size = round(float(getattr(checked, f"psi_{name}")) * d)
        if size == 0:
            raise bad(f"{name} = round(psi_{name} d)", 0, "at least 1", "raise d")
        if name == "p" and size > _LARGEST_P:
            raise bad("p = psi_p d", size, f"at most {_LARGEST_P}", "lower d: one instance would need more than 16 GB")
    if point["features"] not in ("exact", "gaussian-equivalent"):
        raise bad("features", point["features"], "'exact' or 'gaussian-equivalent'")
