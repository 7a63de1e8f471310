"""What the page shows of a state, piece by piece: each is arrays, or a sentence that says why there are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import rfscore as rf
from rfscore.errors import RfscoreError
from rfscore.explorer.state import State

#: One grid for all states, so that a knob never compiles a new shape; the axes show the part that matters.
TAU = np.geomspace(1e-2, 1e12, 99)
_POINTS = 60  # of the density of each bulk
_LARGEST = 2500  # features of a drawn network


@dataclass(frozen=True)
class Piece:
    """Columns of one picture, the numbers beside it, and what to say.

    Attributes:
        columns: name -> array.
        numbers: name -> number.
        message: why something is missing, or "".
    """

    columns: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    message: str = ""


def losses(state: State) -> Piece:
    """Training and test loss, score error."""
    found = rf.loss_curves(state.problem(), TAU, rtol=1e-6)
    return Piece({"tau": TAU, "train": found.train, "test": found.test, "score_error": found.score_error})


def times(state: State) -> Piece:
    """The names of docs/times.md: tau_opt, tau_half, tau_gen_scale, tau_mem_edge, tau_last_edge."""
    problem = state.problem()
    scales = rf.timescales(problem)
    numbers = {name: float(getattr(scales, name)) for name in ("tau_gen_scale", "tau_mem_edge", "tau_last_edge")}
    curve = rf.curve_times(problem)
    remarks = []
    for name in ("tau_opt", "tau_half"):
        time = getattr(curve, name)
        numbers[name] = float(time.value) if time.status == "ok" else np.nan
        remarks += [f"{name}: {time.message}"] * bool(time.message)
    return Piece(numbers=numbers | {"rate": 2 * float(problem.delta) / state.psi_p}, message=". ".join(remarks))


def spectrum(state: State) -> Piece:
    """lambda times the density of each bulk, one after the other; atoms as numbers."""
    spec = rf.spectrum(state.problem())
    x, y, owner = [], [], []
    for name, (low, high) in zip(spec.names, spec.edges, strict=True):
        low = max(low, 1e-12 * high)
        # Denser at both edges, where the density is a square root.
        lam = low * (high / low) ** (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, _POINTS)))
        with np.errstate(invalid="ignore"):
            height = lam * spec.density(lam)
        x.append(lam)
        y.append(np.where(np.isfinite(height), height, 0.0))
        owner.append([name] * _POINTS)
    atoms = {f"atom at {atom.location:.3g}": atom.mass for atom in spec.atoms}
    columns = {"lam": np.concatenate(x), "height": np.concatenate(y), "bulk": np.concatenate(owner)}
    edges = {"low": spec.edges[:, 0], "high": spec.edges[:, 1], "name": np.array(spec.names),
             "count": spec.masses * state.psi_p}  # fmt: skip
    places = {"atom": spec.atoms[0].location if spec.atoms else np.nan}
    return Piece(columns | {f"edge_{k}": v for k, v in edges.items()}, {**places, **atoms})


def bulks(state: State) -> Piece:
    """What each bulk adds to the test loss."""
    found = rf.bulk_curves(state.problem(), TAU)
    return Piece({"tau": TAU, **{name: row for name, row in zip(found.names, np.asarray(found.test), strict=True)}})


def network(state: State, d: int, seed: int) -> Piece:
    """Losses and eigenvalues of one drawn network, trained exactly."""
    if state.psi_p * d > _LARGEST:
        return Piece(message=f"A network of p = {state.psi_p * d:.0f} features takes too long here: at most "
                     f"{_LARGEST}. Choose a smaller d or psi_p; rf.finite.draw takes any.")  # fmt: skip
    if np.isfinite(state.m) and state.m * state.psi_n * d > 20 * _LARGEST:
        return Piece(message="Too many frozen noises to draw here; choose a smaller d, m or psi_n.")
    flow = rf.finite.draw(state.problem(), d, seed).gradient_flow()
    some = TAU[::2]
    found = flow.loss_curves(some)
    lam = flow.eigenvalues[flow.eigenvalues > 1e-13 * flow.eigenvalues[-1]]
    counts, ends = np.histogram(np.log(lam), bins=max(8, min(60, int(np.ptp(np.log(lam)) * 6))))
    width, seen = ends[1] - ends[0], counts > 0
    return Piece({"tau": some, "train": found.train, "test": found.test, "score_error": found.score_error,
                  "lam": np.exp(0.5 * (ends[1:] + ends[:-1]))[seen],
                  "height": counts[seen] / (width * flow.eigenvalues.size)},
                 {}, f"One network, d = {d}, n = {round(state.psi_n * d)}, p = {round(state.psi_p * d)}.")  # fmt: skip


def asked(what: Callable[..., Piece], *arguments: Any) -> Piece:
    """The piece, or the sentence of a refusal; no number that was not verified, none of an older state."""
    try:
        return what(*arguments)
    except RfscoreError as error:
        return Piece(message=f"{str(error)[:1].upper()}{str(error)[1:]}.")
