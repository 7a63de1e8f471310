"""Finite m in numbers: a model, one Gaussian draw of it, and the lifted equations (D10.10)-(D10.12) written out."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from mpmath import mp

from rfscore.oracle import frozen
from rfscore.oracle.equivalence import Model

SIDE = 160


def model_of(**changes: object) -> Model:
    """Two atoms, psi_n = 1, psi_p = 3, m = 2; call inside workdps."""
    one = mp.mpf(1)
    values = {
        "psi_n": one, "psi_p": 3 * one, "alpha2": one * 3 / 10, "b2": one / 10, "v2": one / 25, "s2": one / 30,
        "noise": one / 5, "decay": one * 4 / 5, "nodes": (one / 2, one * 3 / 2), "weights": (one / 2, one / 2),
        "draws": 2 * one, "ridge": 0 * one,
    }  # fmt: skip
    return Model(**{**values, **changes})  # type: ignore[arg-type]


_ROOT = np.sqrt(np.repeat([0.5, 1.5], SIDE // 2))
_W = np.random.default_rng(5).standard_normal((3 * SIDE, SIDE)) / np.sqrt(SIDE)
_POPULATION = 0.3 * (_W * _ROOT**2) @ _W.T + 0.1 * _W @ _W.T + (1 / 25 + 1 / 30) * np.eye(3 * SIDE)


@functools.cache
def _trained(data: int, noise: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U + 1/10)^{-1}, V and the common parts of the columns, of one draw: W is always the same."""
    sample, noises, own = (np.random.default_rng(seed) for seed in ((1, data), (2, noise), (3, data, noise)))
    draws, p = 2, 3 * SIDE
    common = np.sqrt(0.3) * (_W * _ROOT) @ sample.standard_normal((SIDE, SIDE))
    common += np.sqrt(1 / 25) * sample.standard_normal((p, SIDE))
    xi = noises.standard_normal((SIDE, SIDE * draws))
    phi = np.sqrt(0.1) * _W @ xi + np.sqrt(1 / 30) * own.standard_normal((p, SIDE * draws))
    phi += np.repeat(common, draws, axis=1)
    columns = SIDE * draws
    return np.linalg.inv(phi @ phi.T / columns + 0.1 * np.eye(p)), phi @ xi.T / columns, common


def drawn() -> dict[str, float]:
    """Traces of one Gaussian draw of the model at z = -1/10."""
    inverse, v, common = _trained(0, 0)
    averaged = common @ common.T / SIDE + 0.1 * _W @ _W.T + np.eye(3 * SIDE) / 30
    solution = inverse @ v
    return {
        "q": np.trace(inverse) / (3 * SIDE),
        "s": np.trace(_W.T @ inverse @ _W) / (3 * SIDE),
        "H": np.trace(v.T @ solution) / SIDE,
        "X": np.trace(np.sqrt(0.1) * _W.T @ solution) / SIDE,
        "test": np.sum(solution * (_POPULATION @ solution)) / SIDE,
        "empirical": np.sum(solution * (averaged @ solution)) / SIDE,
    }


def drawn_overlap(data: int, noise: int) -> float:
    """(1/d) Tr V^T R Ut R' V' at z = -1/10, of that draw and one with other data or other noises."""
    (inverse, v, _), (other, v_other, _) = _trained(0, 0), _trained(data, noise)
    return float(np.sum((inverse @ v) * (_POPULATION @ (other @ v_other))) / SIDE)


@dataclass(frozen=True)
class Corner:
    """S_12 and the kernel of V."""

    trace: mp.mpf
    kernel: mp.mpf


def everything(model: Model) -> tuple[list[tuple], tuple, tuple]:
    """Cross covariances, coupling and mixing of one and the same model: (D10.10)."""
    draws = model.draws
    parts = [(model.v2 + model.s2 / draws, model.b2 / draws, model.alpha2), (model.s2, model.b2, mp.mpf(0))]
    return parts, (model.v2 + model.s2, model.b2, model.alpha2), (1 / draws, mp.mpf(1))


def corners(
    model: Model, one: tuple, two: tuple, parts: list[tuple], coupling: tuple, mixing: tuple, *,
    source: object = 0, same_features: bool = True,
) -> Corner:  # fmt: skip
    """(D10.10)-(D10.12) for cross covariances `parts`, written out and solved."""
    p, draws, share = model.psi_p, model.draws, (mp.mpf(1), 1 - 1 / model.draws)
    ratio = (p / model.psi_n, p / model.psi_n / draws)
    gain = [1 / ((1 + one[j]) * (1 + two[j])) for j in (1, 2)]

    def big(x: mp.mpf, state: tuple) -> mp.mpf:
        return (model.alpha2 * x + model.b2 / draws) / (1 + state[1]) + share[1] * model.b2 / (1 + state[2])

    def mean(f: object) -> mp.mpf:
        return mp.fsum(
            w * f(x) / ((1 + p * one[0] * big(x, one)) * (1 + p * two[0] * big(x, two)))
            for x, w in zip(model.nodes, model.weights, strict=True)
        )

    pair, two_m = one[0] * two[0], mean(lambda x: big(x, one) * big(x, two))

    def equations(q: mp.mpf, e1: mp.mpf, e2: mp.mpf) -> tuple[list[mp.mpf], mp.mpf]:
        weight = [share[j] * gain[j] * (e1, e2)[j] for j in (0, 1)]
        level = coupling[0] - mp.fsum(weight[j] * parts[j][0] for j in (0, 1))
        free = lambda x: (coupling[1] + coupling[2] * x  # noqa: E731
                          - mp.fsum(weight[j] * (parts[j][1] + parts[j][2] * x) for j in (0, 1)))  # fmt: skip
        s12, r12 = (q * mean(f) - p * pair * mean(lambda x, f=f: f(x) * free(x)) for f in (lambda x: 1, lambda x: x))
        first = q + pair * (level + mean(free) - p * q * two_m) if same_features else q
        rest = [ratio[j] * (c[0] * q + c[1] * s12 + c[2] * r12) - (e1, e2)[j] for j, c in enumerate(parts)]
        return [first, *rest], s12

    zero = equations(mp.mpf(0), mp.mpf(0), mp.mpf(0))[0]
    columns = [equations(*(mp.mpf(i == j) for i in range(3)))[0] for j in range(3)]
    matrix = mp.matrix([[columns[j][i] - zero[i] for j in range(3)] for i in range(3)])
    found = mp.lu_solve(matrix, mp.matrix([-x for x in zero]))
    s12 = p * equations(*found)[1]
    beta12 = source - mp.fsum(mixing[j] * share[j] * gain[j] * found[j + 1] for j in (0, 1))
    (b_1, s_1), (b_2, s_2) = ((x.beta, p * x.s) for x in (frozen.equations(model, mp.mpf(0), y) for y in (one, two)))
    inner = beta12 * s_2 * b_2 + b_1 * s12 * b_2 + b_1 * s_1 * beta12
    return Corner(s12, beta12 - model.b2 * inner)
