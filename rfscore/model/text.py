"""Values of the model from short texts, as commands, sweeps and configs spell them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from rfscore._text import read_text
from rfscore.errors import InputError, bad
from rfscore.model.activations import imported
from rfscore.model.population import (
    Atoms,
    Covariance,
    Empirical,
    HeavyTailed,
    Isotropic,
    Mixture,
    Population,
    PowerLaw,
    Uniform,
)
from rfscore.model.process import OU, Channel, Linear, Process

_FORMS = (
    "'isotropic:1', 'atoms:0.5,1.5', 'atoms:0.5@0.3,1.5@0.7', 'powerlaw:1.0,256', 'uniform:0.5,1.5', "
    "'file:PATH' (.npy, .txt, .csv), 'mixture:0.3*isotropic:0.25+0.7*isotropic:2' or 'student:5,isotropic:1'"
)
_PROCESSES = "'ou', 'linear', 'channel:0.7,0.3', or 'module:object' for your own"


def population(text: str) -> Population:
    """What the data are drawn from, from its short form.

    Example:
        >>> from rfscore.model.text import population
        >>> population("atoms:0.5@0.3,1.5@0.7").quadrature()
        (array([0.5, 1.5]), array([0.3, 0.7]))
        >>> population("mixture:0.3*isotropic:0.25+0.7*isotropic:2").classes().variance
        array([0.25, 2.  ])
    """
    kind, _, rest = text.partition(":")
    if kind == "mixture" and rest:
        return _mixture(rest)
    if kind == "student" and rest:
        df, _, sigma = rest.partition(",")
        return HeavyTailed(_float(df, text), _covariance(sigma) if sigma else Isotropic(1.0))
    return _covariance(text)


def _float(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise bad("population", whole, _FORMS) from error


def _mixture(rest: str) -> Mixture:
    """FRACTION*SPECTRUM+FRACTION*SPECTRUM; a spectrum that is a bare number is isotropic."""
    fractions, spectra = [], []
    for part in rest.split("+"):
        fraction, star, spectrum = part.partition("*")
        if not star:
            raise bad("population", f"mixture:{rest}", _FORMS)
        fractions.append(_float(fraction, f"mixture:{rest}"))
        spectra.append(_covariance(spectrum if ":" in spectrum else f"isotropic:{spectrum}"))
    return Mixture(fractions, tuple(spectra))


def process(text: str) -> Process:
    """A diffusion process from its short form: "ou", "linear", "channel:SIGNAL,NOISE" or "module:object"."""
    kind, _, rest = text.partition(":")
    if text in ("ou", "linear"):
        return OU() if text == "ou" else Linear()
    if kind == "channel":
        try:
            signal, noise = (float(x) for x in rest.split(","))
        except ValueError as error:
            raise bad("process", text, _PROCESSES) from error
        return Channel(signal, noise)
    if not rest:
        raise bad("process", text, _PROCESSES)
    found = imported("process", text, _PROCESSES)
    return found() if isinstance(found, type) else found


def _covariance(text: str) -> Covariance:
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
        raise bad("population", text, _FORMS) from error
    match kind, values:
        case "isotropic", [sigma2]:
            return Isotropic(sigma2)
        case "powerlaw", [exponent, size] if size == int(size):
            return PowerLaw(exponent, int(size))
        case "uniform", [low, high]:
            return Uniform(low, high)
    raise bad("population", text, _FORMS)


def _atoms(rest: str) -> Atoms:
    pairs = [part.split("@") for part in rest.split(",")]
    if all(len(pair) == 1 for pair in pairs):
        return Atoms([float(pair[0]) for pair in pairs])
    if all(len(pair) == 2 for pair in pairs):
        return Atoms([float(value) for value, _ in pairs], [float(weight) for _, weight in pairs])
    raise bad("population", f"atoms:{rest}", "a weight for every atom or for none", "write value@weight,value@weight")


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
