"""Values of the model from short texts, as commands, sweeps and configs spell them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rfscore._text import read_text
from rfscore.errors import InputError, bad
from rfscore.model.population import Atoms, Covariance, Empirical, Isotropic, PowerLaw, Uniform

_FORMS = (
    "'isotropic:1', 'atoms:0.5,1.5', 'atoms:0.5@0.3,1.5@0.7', 'powerlaw:1.0,256', 'uniform:0.5,1.5' or "
    "'file:PATH' (.npy, .txt, .csv)"
)


def covariance(text: str) -> Covariance:
    """The population covariance Sigma from its short form.

    Example:
        >>> from rfscore.model.text import covariance
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


def _numbers(path: Path) -> np.ndarray:
    """The numbers of a text, one a line; # begins a comment."""
    lines = [line.partition("#")[0].strip() for line in read_text(path, f"covariance file {str(path)!r}").splitlines()]
    return np.array([float(line) for line in lines if line])


def _eigenvalues(path: Path) -> Float[np.ndarray, " d"]:
    try:
        written = path.suffix in (".txt", ".csv")
        values = _numbers(path) if written else np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"covariance file {str(path)!r} cannot be read ({error.strerror}); check the path") from error
    except InputError:
        raise
    except (ValueError, EOFError) as error:
        raise bad(
            "covariance file",
            str(path),
            "numbers: an .npy array, or a .txt or .csv with one number a line",
            "write it with numpy.save or numpy.savetxt",
        ) from error
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "iuf":
        raise bad("covariance file", str(path), "one vector of eigenvalues")
    return values.astype(np.float64)
