"""Option values that are more than a number: the covariance, and a grid of training times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rfscore.covariance import Atoms, Covariance, Empirical, Isotropic, PowerLaw, Uniform
from rfscore.errors import InputError, bad

_FORMS = (
    "'isotropic:1', 'atoms:0.5,1.5', 'atoms:0.5@0.3,1.5@0.7', 'powerlaw:1.0,256', 'uniform:0.5,1.5' or 'file:eigs.npy'"
)


def covariance(text: str) -> Covariance:
    """The population covariance Sigma from its short form.

    Example:
        >>> from rfscore.cli.parse import covariance
        >>> covariance("atoms:0.5@0.3,1.5@0.7").quadrature()
        (array([0.5, 1.5]), array([0.3, 0.7]))
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return Empirical(_eigenvalues(Path(rest)))
    try:
        if kind == "atoms" and rest:
            return _atoms(rest)
        values = [float(x) for x in rest.split(",")]
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise bad("covariance", text, _FORMS) from error
    match kind, values:
        case "isotropic", [sigma2]:
            return Isotropic(sigma2)
        case "powerlaw", [exponent, size] if size == int(size):
            return PowerLaw(exponent, int(size))
        case "uniform", [low, high]:
            return Uniform(low, high)
    raise bad("covariance", text, _FORMS)


def _atoms(rest: str) -> Atoms:
    pairs = [part.split("@") for part in rest.split(",")]
    if all(len(pair) == 1 for pair in pairs):
        return Atoms([float(pair[0]) for pair in pairs])
    if all(len(pair) == 2 for pair in pairs):
        return Atoms([float(value) for value, _ in pairs], [float(weight) for _, weight in pairs])
    raise bad("covariance", f"atoms:{rest}", "a weight for every atom or for none", "write value@weight,value@weight")


def _eigenvalues(path: Path) -> Float[np.ndarray, " d"]:
    try:
        values = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"covariance file {str(path)!r} cannot be read ({error.strerror}); check the path") from error
    except (ValueError, EOFError) as error:
        raise bad("covariance file", str(path), "a .npy array of numbers", "write it with numpy.save") from error
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iuf":
        raise bad("covariance file", str(path), "a .npy file with one vector of eigenvalues")
    return values.astype(np.float64)


def times(low: float | None, high: float | None, points: int, defaults: tuple[float, float]) -> Float[np.ndarray, " T"]:
    """0, a geometric grid between tau-min and tau-max, and infinity."""
    start, stop = defaults[0] if low is None else low, defaults[1] if high is None else high
    if not 0 < start < np.inf:
        raise bad("--tau-min", start, "a finite training time > 0")
    if not start < stop < np.inf:
        raise bad("--tau-max", stop, f"a finite training time > --tau-min = {start:g}")
    if not 3 <= points <= 100_000:
        raise bad("--points", points, "a whole number in [3, 100000]")
    return np.concatenate([[0.0], np.geomspace(start, stop, points), [np.inf]])
