r"""The lowest edge where it comes close to the floor: psi_p near the rank of what lies above it.

With x = 1/w = 1/(psi_p q), gamma_j = g_j w and N_j columns in part j, every resolvent of U below its lowest bulk obeys

    y = -x (excess + x sigma),   sigma = sum_j N_j gamma_j + int rho_Sigma (1 + T)/(x (1 + T) + b^2),
    1/gamma_j = x + (share_j/N_j) int (c_j0 + (c_j1 + c_j2 lam)/(1 + T + b^2/x)),   T = sum_j share_j gamma_j (c_j1 +
    c_j2 lam),

b^2 of the fixed part (the last integral is there with averaged noise only), excess = psi_p - rank, and the edge is the
maximum of y over x of the sign of -excess. Nothing cancels as the edge goes to the floor, y ~ excess^2/(4 sigma); at
excess = 0 it is the floor itself, with q = inf (derivations (D5.13)-(D5.14), with frozen
noises (D10.17)).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from rfscore.theory.brackets import peaks
from rfscore.theory.equivalent import Equivalent

_NEAR = 1e-3  # |excess|/psi_p from which on the walk's own edge has all its digits
_ROUNDOFF = 4.0 * np.finfo(float).eps  # of psi_p: what is closer to the rank is at it


def excess(eq: Equivalent) -> float:
    """psi_p - rank of U above the floor, exactly 0 within roundoff."""
    value = float(eq.excess)
    return 0.0 if abs(value) <= _ROUNDOFF * float(eq.psi_p) else value


def lowest(eq: Equivalent) -> tuple[float, float, tuple[float, ...]] | None:
    """(y, q, delta) at the lowest edge when it is close to the floor; None when it is not."""
    over, psi_p = excess(eq), float(eq.psi_p)
    if over == 0.0:
        return 0.0, np.inf, (np.inf,) * eq.mean.shape[0]
    if abs(over) > _NEAR * psi_p:
        return None
    guess = abs(over) / (2.0 * _sigma(eq, np.zeros(1))[0][0])

    def height(_: np.ndarray, log_size: np.ndarray) -> np.ndarray:
        x = -np.copysign(guess * np.exp(log_size), over)
        return -x * (over + x * _sigma(eq, x)[0]) / (abs(over) * guess)

    with np.errstate(all="ignore"):
        at, top = peaks(height, np.array([-18.0]), np.array([18.0]))
        x = -np.copysign(guess * np.exp(at), over)
        gamma = _sigma(eq, x)[1][0]
    delta = 1.0 / (gamma * x[0]) - 1.0
    if eq.mix.shape[0] != eq.mean.shape[0]:  # the unknowns are fewer than the parts
        delta = np.linalg.lstsq(np.asarray(eq.mix), delta, rcond=None)[0]
    return float(top[0] * abs(over) * guess), float(1.0 / (psi_p * x[0])), tuple(delta.tolist())


def _sigma(eq: Equivalent, x: Float[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
    """sigma (N,) and gamma (N, J) at x; NaN where there is no such solution."""
    weights, share, rows, b2 = (np.asarray(a) for a in (eq.weights, eq.share, eq.sampled, eq.fixed[1]))
    load = np.asarray(eq.ratio) / float(eq.psi_p)  # share_j/N_j
    signal = rows[:, 1:] @ np.asarray(eq.base)  # (J, L)
    log_gamma = np.tile(-np.log(load * (rows[:, 0] + signal @ weights)), (x.size, 1))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        fixed = b2 / x[:, None] if b2 else np.zeros((x.size, 1))
        for _ in range(80):  # Newton in log gamma: a contraction, and its Jacobian 1 - P has P >= 0
            gain = share * np.exp(log_gamma)
            inverse = 1.0 / (1.0 + gain @ signal + fixed)
            total = x[:, None] + load * (rows[:, 0] + (weights * inverse) @ signal.T)
            turn = (inverse**2 * weights)[:, None, :] * signal @ signal.T * gain[:, None, :] * load[:, None]
            jacobian = np.eye(share.size) - turn / total[:, :, None]
            step = np.linalg.solve(np.nan_to_num(jacobian), np.nan_to_num(log_gamma + np.log(total))[..., None])[..., 0]
            log_gamma = log_gamma - np.clip(step, -2.0, 2.0)
            if np.all(abs(step) < 1e-15):
                break
        gamma = np.exp(log_gamma)
        grown = 1.0 + (share * gamma) @ signal
        below = x[:, None] * grown + b2 if b2 else np.ones_like(grown)
        sigma = gamma @ (share / load) + ((weights * grown / below).sum(-1) if b2 else 0.0)
    good = (abs(step) < 1e-12).all(-1) & (total > 0).all(-1) & (below > 0).all(-1)
    return np.where(good, sigma, np.nan), np.where(good[:, None], gamma, np.nan)
