r"""The linear Gaussian equivalent of the feature correlation matrix U, as data.

Every matrix the theory meets is, in law and to leading order, a fixed part plus independent sample covariances,

    U ~ C_0 + sum_j share_j (1/N_j) Z_j Z_j^T,   Z_j with N_j i.i.d. columns N(0, C_j),

each C a combination  k0 I + kWW W W^T/d + kWSW W Sigma W^T/d, stored as the triple (k0, kWW, kWSW). With the noise
averaged exactly there is one sampled part (Bonnaire et al. 2025, Lemma C.1; derivations (D4.1)). With m frozen noises
per sample a feature column is a part of covariance C = (v2, 0, alpha2), common to the m columns of a sample, plus one
of covariance B = (s2, b^2, 0) of its own; rotating those m columns leaves n columns of covariance C + B/m and
(m - 1) n columns of covariance B ((D10.1)-(D10.3)). The solver, the two-point kernel and the curves know only this
description, so another training protocol is another list of parts.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rfscore._precision import AnyArray, is_traced
from rfscore.model.equivalence import coefficients
from rfscore.model.problem import ScoreProblem
from rfscore.theory.wide import refuse_wide


class Equivalent(eqx.Module):
    """Fixed and sampled parts, with the population spectrum they share.

    Attributes:
        psi_p: features per dimension.
        nodes: eigenvalues of Sigma.
        weights: their fractions.
        fixed: triple of C_0, the ridge in its first entry.
        sampled: triples of the C_j.
        share: their weights share_j.
        ratio: p share_j/N_j: p times the weight of one column.
        excess: psi_p - rank of U above its floor, n + d columns with averaged noise, n m with frozen ones; exact.
        common: triple of C, what the noised copies of one sample share.
        own: triple of B, what each noised copy has for itself.
        target: b, the weight of W/sqrt d in V-tilde.
        mixing: the noise's share t_j in the columns of part j, V ~ sum_j share_j t_j g_j b W/sqrt d; None where the
            noise is averaged and V = b W/sqrt d.
    """

    psi_p: Float[AnyArray, ""]
    nodes: Float[AnyArray, " L"]
    weights: Float[AnyArray, " L"]
    fixed: Float[AnyArray, " 3"]
    sampled: Float[AnyArray, "J 3"]
    share: Float[AnyArray, " J"]
    ratio: Float[AnyArray, " J"]
    excess: Float[AnyArray, ""]
    common: Float[AnyArray, " 3"]
    own: Float[AnyArray, " 3"]
    target: Float[AnyArray, ""]
    mixing: Float[AnyArray, " J"] | None

    @property
    def population(self) -> Float[AnyArray, " 3"]:
        """Triple of U-tilde = C + B, the population version of U that the test loss sees."""
        return self.common + self.own

    @property
    def top(self) -> Float[AnyArray, ""]:
        """An upper estimate of the largest eigenvalue of U, exact to a small factor."""
        widths = jnp.sqrt(self.share) + jnp.sqrt(self.ratio)
        wishart = (1.0 + jnp.sqrt(self.psi_p)) ** 2
        largest = jnp.max(self.nodes)
        size = jnp.concatenate([self.fixed[None], self.sampled * (widths**2)[:, None]])
        return jnp.sum(size[:, 0] + wishart * (size[:, 1] + largest * size[:, 2]))

    @property
    def scale(self) -> Float[AnyArray, ""]:
        """s2 + v2: below this times a tiny number, only the null space of U is left."""
        return self.common[0] + self.own[0]


def equivalent(problem: ScoreProblem) -> Equivalent:
    """The equivalent of a problem's U + ridge: one sampled part where the noise is averaged, else one or two."""
    refuse_wide(problem, "this quantity")
    co = coefficients(problem)
    nodes, weights = problem.population()
    xp = jnp if is_traced(problem) else np  # concrete numbers stay in NumPy: nothing to compile
    zero, ridge, m = xp.zeros(()), xp.asarray(problem.ridge, dtype=float), problem.noise_draws
    common, own = xp.stack([co.v2, zero, co.alpha2]), xp.stack([co.s2, co.b**2, zero])
    ratio = xp.asarray(problem.psi_p / problem.psi_n, dtype=float)
    if np.isinf(m):
        fixed, parts = own, [(common, 1.0, 1.0)]
    else:
        fixed, parts = xp.zeros(3), [(common + own / m, 1.0, 1.0)]
        if m > 1:
            parts.append((own, (m - 1.0) / m, 1.0 / m))
    return Equivalent(
        psi_p=xp.asarray(problem.psi_p, dtype=float),
        nodes=xp.asarray(nodes),
        weights=xp.asarray(weights),
        fixed=fixed + xp.stack([ridge, zero, zero]),
        sampled=xp.stack([triple for triple, _, _ in parts]),
        share=xp.asarray([share for _, share, _ in parts]),
        ratio=xp.stack([ratio * column for _, _, column in parts]),
        excess=xp.asarray(_excess(problem), dtype=float),
        common=common,
        own=own,
        target=xp.asarray(co.b),
        mixing=None if np.isinf(m) else xp.asarray([1.0 / m, 1.0][: len(parts)]),
    )


def _excess(problem: ScoreProblem) -> Any:
    """psi_p - psi_n - 1 or psi_p - m psi_n without rounding: its square decides how far the spectrum is from 0."""
    p, n, m = problem.psi_p, problem.psi_n, problem.noise_draws
    if is_traced(p, n):
        return p - n - 1.0 if np.isinf(m) else p - m * n
    p, n = Fraction(float(p)), Fraction(float(n))
    return float(p - n - 1 if np.isinf(m) else p - Fraction(m) * n)
