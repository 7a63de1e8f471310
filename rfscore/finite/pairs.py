r"""E[sigma(X) sigma(Y)] for strongly correlated Gaussian pairs, where Mehler's series converges too slowly (small d).

X = h_i + s_i z, Y = h_j + s_j (c z + sqrt(1 - c^2) z'): a tensor trapezoidal rule for smooth sigma, panels cut at the
kinks otherwise. The inner average of a kink is a step smoothed on the scale sqrt(1 - c^2) of z: the outer panels are
graded down to it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rfscore.finite.hermite import HermiteRule, base_panels, gauss_legendre, kink_positions, trapezoid

Array = np.ndarray
_REACH = 9.0  # E[...; |z| > 9] is below 1e-18
_BLOCK = 2**19  # evaluations of sigma held at once


def pair_moments(
    rule: HermiteRule,
    h_i: Float[Array, " m"],
    s_i: Float[Array, " m"],
    h_j: Float[Array, " m"],
    s_j: Float[Array, " m"],
    c: Float[Array, " m"],
) -> Float[Array, " m"]:
    """E[sigma(h_i + s_i z_1) sigma(h_j + s_j z_2)] with correlation c in [-1, 1], at the rule's resolution."""
    rest = np.sqrt(np.maximum((1.0 - c) * (1.0 + c), 0.0))
    evaluate = _kinked if rule.kinks else _smooth
    if rule.kinks:
        edges = base_panels(rule.level, _REACH).size + len(rule.kinks) * (3 + 2 * _grades(rest))
        per_point = edges * 16 * (base_panels(rule.level, _REACH).size + len(rule.kinks)) * 16
    else:
        per_point = trapezoid(rule.level, _REACH)[0].size ** 2
    step = max(1, _BLOCK // per_point)
    out = np.empty(h_i.size)
    for start in range(0, h_i.size, step):
        block = slice(start, start + step)
        out[block] = evaluate(rule, h_i[block], s_i[block], h_j[block], s_j[block], c[block], rest[block])
    return out


def _smooth(rule: HermiteRule, h_i: Array, s_i: Array, h_j: Array, s_j: Array, c: Array, rest: Array) -> Array:
    z, w = trapezoid(rule.level, _REACH)
    centre = h_j[:, None] + (s_j * c)[:, None] * z
    inner = rule.sigma(centre[:, :, None] + (s_j * rest)[:, None, None] * z) @ w
    return (rule.sigma(h_i[:, None] + s_i[:, None] * z) * inner) @ w


def _grades(rest: Array) -> int:
    """Dyadic panels needed from the smallest smoothing scale up to the whole range."""
    return int(np.ceil(np.log2(2.0 * _REACH / max(float(rest.min()), 1e-9))))


def _kinked(rule: HermiteRule, h_i: Array, s_i: Array, h_j: Array, s_j: Array, c: Array, rest: Array) -> Array:
    base = base_panels(rule.level, _REACH)
    first = kink_positions(rule.kinks, h_i, s_i, _REACH)
    second = kink_positions(rule.kinks, h_j, s_j * c, _REACH)
    distances = np.maximum(rest, 1e-9)[:, None] * 2.0 ** np.arange(_grades(rest) + 1)
    graded = (second[:, :, None, None] + np.stack([-distances, distances], axis=1)[:, None]).reshape(c.size, -1)
    z, w = _panels([np.broadcast_to(base, (c.size, base.size)), first, second, graded])
    centre, scale = h_j[:, None] + (s_j * c)[:, None] * z, np.broadcast_to((s_j * rest)[:, None], z.shape)
    inner_kinks = kink_positions(rule.kinks, centre, scale, _REACH)
    y, wy = _panels([np.broadcast_to(base, (*z.shape, base.size)), inner_kinks])
    inner = np.sum(rule.sigma(centre[..., None] + scale[..., None] * y) * wy, axis=-1)
    return np.sum(rule.sigma(h_i[:, None] + s_i[:, None] * z) * inner * w, axis=-1)


def _panels(breaks: list[Array]) -> tuple[Array, Array]:
    edges = np.sort(np.clip(np.concatenate(breaks, axis=-1), -_REACH, _REACH), axis=-1)
    z, w = gauss_legendre(edges[..., :-1], edges[..., 1:])
    return z.reshape(*z.shape[:-2], -1), w.reshape(*w.shape[:-2], -1)
