r"""The linear Gaussian equivalent of the feature correlation matrix U, as data.

Every matrix the theory meets is, in law and to leading order, a fixed part plus independent sample covariances,

    U ~ C_0 + sum_j share_j (1/N_j) Z_j Z_j^T,   Z_j with i.i.d. columns N(0, C_j),

each C a combination  k0 I + kWW W W^T/d + kWSW W Sigma W^T/d, stored as the triple (k0, kWW, kWSW). With the noise
averaged exactly there is one sampled part (Bonnaire et al. 2025, Lemma C.1; derivations (D4.1)). The solver, the
two-point kernel and the curves know only this description, so another training protocol is another list of parts.
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rfscore._precision import is_traced
from rfscore.coefficients import coefficients
from rfscore.problem import ScoreProblem


class Equivalent(eqx.Module):
    """Fixed and sampled parts, with the population spectrum they share.

    Attributes:
        psi_p: features per dimension.
        nodes: eigenvalues of Sigma.
        weights: their fractions.
        fixed: triple of C_0.
        sampled: triples of the C_j.
        share: their weights share_j.
        ratio: p/N_j.
        population: triple of U-tilde, the population version of U that the test loss sees.
        target: b, the weight of W/sqrt d in V and V-tilde.
    """

    psi_p: Float[Array, ""]
    nodes: Float[Array, " L"]
    weights: Float[Array, " L"]
    fixed: Float[Array, " 3"]
    sampled: Float[Array, "J 3"]
    share: Float[Array, " J"]
    ratio: Float[Array, " J"]
    population: Float[Array, " 3"]
    target: Float[Array, ""]

    @property
    def top(self) -> Float[Array, ""]:
        """An upper estimate of the largest eigenvalue of U, exact to a small factor."""
        widths = 1.0 + jnp.sqrt(self.ratio)
        wishart = (1.0 + jnp.sqrt(self.psi_p)) ** 2
        largest = jnp.max(self.nodes)
        size = jnp.concatenate([self.fixed[None], self.sampled * (self.share * widths**2)[:, None]])
        return jnp.sum(size[:, 0] + wishart * (size[:, 1] + largest * size[:, 2]))


def equivalent(problem: ScoreProblem) -> Equivalent:
    """The equivalent of a problem's U: fixed (s2, b^2, 0), one sampled part (v2, 0, alpha2) with n columns."""
    co = coefficients(problem)
    nodes, weights = problem.population()
    xp = jnp if is_traced(problem) else np  # concrete numbers stay in NumPy: nothing to compile
    zero = xp.zeros(())
    return Equivalent(
        psi_p=xp.asarray(problem.psi_p, dtype=float),
        nodes=xp.asarray(nodes),
        weights=xp.asarray(weights),
        fixed=xp.stack([co.s2, co.b**2, zero]),
        sampled=xp.stack([co.v2, zero, co.alpha2])[None],
        share=xp.ones(1),
        ratio=xp.asarray(problem.psi_p / problem.psi_n, dtype=float)[None],
        population=xp.stack([co.v2 + co.s2, co.b**2, co.alpha2]),
        target=xp.asarray(co.b),
    )
