r"""The linear Gaussian equivalent of the feature correlation matrix U, as data: parts with profiles.

Every matrix the theory meets is, in law and to leading order, a fixed part plus independent sample covariances,

    U ~ C_0 + sum_j share_j (1/N_j) Z_j Z_j^T,   Z_j with N_j i.i.d. columns N(0, C_j),

each C a number times I plus W diag(profile) W^T/d in Sigma's eigenbasis. The profiles of a problem span a few vectors,
1 and the spectra that the population's classes are made of; a covariance is stored as a row (level, coefficients of
1, lam_1, lam_2 ...), and so is what a column is regressed on. With the noise averaged exactly there is one sampled part
a class (Bonnaire et al. 2025, Lemma C.1; derivations (D4.1), (D13.1)-(D13.4)). With m frozen noises per sample a
feature column is a part of covariance C, common to the m columns of a sample, plus one of covariance B of its own;
rotating those m columns leaves n columns of covariance C + B/m and (m - 1) n columns of covariance B
((D10.1)-(D10.3)). The solver, the two-point kernel and the curves know only this description, so another channel,
target, population or training protocol is another list of parts.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rfscore._precision import AnyArray, is_traced
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.theory.wide import refuse_wide


class Equivalent(eqx.Module):
    """Fixed and sampled parts, and what they are regressed on. B base profiles, R = 1 + B, J parts, K classes.

    Attributes:
        psi_p: features per dimension.
        base: the base profiles; the first is 1, the second lam in the case of one Gaussian class.
        weights: fraction of the directions at each node.
        fixed: C_0, the ridge in its level.
        sampled: the C_j.
        share: their weights share_j.
        mean: what delta is read off: delta = mix (level q + coefficients times traces of W).
        mix: delta_j = sum_r mix_jr delta_r.
        ratio: p share_j/N_j: p times the weight of one column.
        excess: psi_p - rank of U above its floor, n + d columns with averaged noise, n m with frozen ones; exact.
        pull: fixed part of the target's profile.
        pulls: targets of the sampled parts' columns.
        power: variance of the targets that the columns carry.
        fractions: of the classes.
        common: C of each class, what the noised copies of one sample share.
        own: B of each class, what each noised copy has for itself.
        truth: profile of the target's covariance with fresh features, of each class.
        energy: profile of the target's variance, of each class.
        draws: m, inf where the noise is averaged.
        span: how many of the base profiles the targets need: 1 where only noise is regressed on.
    """

    psi_p: Float[AnyArray, ""]
    base: Float[AnyArray, "B L"]
    weights: Float[AnyArray, " L"]
    fixed: Float[AnyArray, " R"]
    sampled: Float[AnyArray, "J R"]
    share: Float[AnyArray, " J"]
    mean: Float[AnyArray, "M R"]
    mix: Float[AnyArray, "J M"]
    ratio: Float[AnyArray, " J"]
    excess: Float[AnyArray, ""]
    pull: Float[AnyArray, " B"]
    pulls: Float[AnyArray, "J B"]
    power: Float[AnyArray, "J B"]
    fractions: Float[AnyArray, " K"]
    common: Float[AnyArray, "K R"]
    own: Float[AnyArray, "K R"]
    truth: Float[AnyArray, "K B"]
    energy: Float[AnyArray, "K B"]
    draws: float = eqx.field(static=True)
    span: int = eqx.field(static=True)

    @property
    def frozen(self) -> bool:
        """Whether the noises are; then there is no floor but the ridge."""
        return bool(np.isfinite(self.draws))

    @property
    def population(self) -> Float[AnyArray, "K R"]:
        """U-tilde = C + B of each class, the population version of U that the test loss sees."""
        return self.common + self.own

    @property
    def means(self) -> Float[AnyArray, " B"]:
        """The base profiles averaged over the directions; the first is exactly 1."""
        return jnp.concatenate([jnp.ones(1), jnp.asarray(self.base[1:]) @ self.weights])

    @property
    def top(self) -> Float[AnyArray, ""]:
        """An upper estimate of the largest eigenvalue of U, exact to a small factor."""
        widths = jnp.sqrt(self.share) + jnp.sqrt(self.ratio)
        wishart = (1.0 + jnp.sqrt(self.psi_p)) ** 2
        size = jnp.concatenate([self.fixed[None], self.sampled * (widths**2)[:, None]])
        return jnp.sum(size[:, 0] + wishart * (size[:, 1:] @ jnp.asarray(self.base).max(-1)))

    @property
    def scale(self) -> Float[AnyArray, ""]:
        """s2 + v2: below this times a tiny number, only the null space of U is left."""
        return (self.fractions * self.population[:, 0]).sum()


def equivalent(problem: ScoreProblem) -> Equivalent:
    """The equivalent of a problem's U + ridge: a sampled part a class where the noise is averaged, else one or two."""
    refuse_wide(problem, "this quantity")
    xp = jnp if is_traced(problem) else np  # concrete numbers stay in NumPy: nothing to compile
    co, classes, aim = coefficients(problem), problem.classes(), problem.regression
    pi, m = xp.asarray(classes.fractions), problem.noise_draws
    a, b, v2, s2 = (xp.atleast_1d(getattr(co, name)) for name in ("a", "b", "v2", "s2"))
    signal, on_data, on_noise = problem.signal, aim.on_data, aim.on_noise
    zero, lam = xp.zeros_like(a)[:, None], xp.asarray(classes.scale, dtype=float)  # lam: (K, S)

    def rows(level: Any, flat: Any, slope: Any) -> Any:
        """(level, flat + slope lam) of every class."""
        return xp.concatenate([zero + level[:, None], zero + flat[:, None], slope[:, None] * lam], axis=1)

    none = xp.zeros_like(a)
    common, own = rows(v2, none, (signal * a) ** 2), rows(s2, b**2, none)
    truth = rows(none, on_noise * b, on_data * signal * a)[:, 1:]
    energy = rows(none, on_noise**2 + none, on_data**2 + none)[:, 1:]
    parts = Parts.of(common, own, truth, energy, m)
    fixed, pull = (pi @ own, pi @ noise_of(truth)) if np.isinf(m) else (xp.zeros_like(own[0]), xp.zeros_like(truth[0]))
    ratio = xp.asarray(problem.psi_p / problem.psi_n, dtype=float) + none
    copies = [] if np.isinf(m) or m == 1 else [(pi * ((m - 1.0) / m), ratio / m)]
    share, ratio = (xp.concatenate(column) for column in zip((pi, ratio), *copies, strict=True))
    mean, mix = readings(parts.sampled, ratio)
    return Equivalent(
        psi_p=xp.asarray(problem.psi_p, dtype=float),
        base=xp.concatenate([xp.ones((1, classes.base.shape[1])), xp.asarray(classes.base)]),
        weights=xp.asarray(classes.weights),
        fixed=fixed + xp.concatenate([xp.atleast_1d(xp.asarray(problem.ridge, dtype=float)), 0.0 * fixed[1:]]),
        sampled=parts.sampled, share=share, mean=mean, mix=mix, ratio=ratio,
        excess=xp.asarray(_excess(problem), dtype=float),
        pull=pull, pulls=parts.pulls, power=parts.power, fractions=pi, common=common, own=own,
        truth=truth, energy=energy, draws=float(m),
        span=1 if not is_traced(on_data) and on_data == 0 else truth.shape[1],
    )  # fmt: skip


def noise_of(profile: Float[AnyArray, "K B"]) -> Float[AnyArray, "K B"]:
    """What the noise contributes to a target's profile, its flat part; the data make the rest."""
    return profile * np.eye(1, profile.shape[1])


class Parts(NamedTuple):
    """Sampled parts and their targets: the classes' common parts first, then what frozen noises add."""

    sampled: Float[AnyArray, "J R"]
    pulls: Float[AnyArray, "J B"]
    power: Float[AnyArray, "J B"]

    @classmethod
    def of(cls, common: Any, own: Any, truth: Any, energy: Any, draws: float) -> Parts:
        """From what the noised copies of a sample share and what each has for itself ((D10.1)-(D10.3))."""
        xp, noise, noises = jnp if is_traced(common, own, truth) else np, noise_of(truth), noise_of(energy)
        part = 0.0 if np.isinf(draws) else 1.0 / draws
        first = common + part * own, truth - (1.0 - part) * noise, energy - (1.0 - part) * noises
        if part in (0.0, 1.0):
            return cls(*first)
        return cls(*(xp.concatenate(pair) for pair in zip(first, (own, noise, noises), strict=True)))


def readings(sampled: Float[AnyArray, "J R"], ratio: Float[AnyArray, " J"]) -> tuple[AnyArray, AnyArray]:
    """(mean, mix): the unknown traces, delta_j themselves unless the traces of the base profiles are fewer."""
    if sampled.shape[0] <= sampled.shape[1]:
        return sampled * ratio[:, None], np.eye(sampled.shape[0])
    return np.eye(sampled.shape[1]), sampled * ratio[:, None]


def _excess(problem: ScoreProblem) -> Any:
    """psi_p - psi_n - 1 or psi_p - m psi_n without rounding: its square decides how far the spectrum is from 0."""
    p, n, m = problem.psi_p, problem.psi_n, problem.noise_draws
    if is_traced(p, n):
        return p - n - 1.0 if np.isinf(m) else p - m * n
    p, n = Fraction(float(p)), Fraction(float(n))
    return float(p - n - 1 if np.isinf(m) else p - Fraction(m) * n)
