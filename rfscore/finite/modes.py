r"""The eigenmodes of U and what training needs of them.

With U = sum_l lambda_l e_l e_l^T and the overlaps P = E^T V, Pt = E^T Vt, every linear method trained from A = 0 has
A/sqrt p = -(1/sqrt Delta_t) sum_l g_l P_l e_l^T with gains g_l, and its test loss contains the quadratic form
sum_ll' g_l g_l' M_ll', M = (P P^T) o (E^T Ut E).
"""

from __future__ import annotations

import abc
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import linalg

from rfscore.errors import SolveError

Array = np.ndarray


class Modes(abc.ABC):
    """Eigenvalues (ascending), overlaps and coupling of the modes.

    Attributes:
        eigenvalues: all p of them, roundoff below 0 set to 0.
        overlap: P, for the last r modes; V does not reach the p - r others.
        overlap_test: Pt, for the same modes.
        scale: spectral scale below which lambda is roundoff.
    """

    eigenvalues: Float[Array, " p"]
    overlap: Float[Array, "r d"]
    overlap_test: Float[Array, "r d"]

    @property
    def reached(self) -> Float[Array, " r"]:
        """Eigenvalues of the modes with an overlap."""
        return self.eigenvalues[self.eigenvalues.size - self.overlap.shape[0] :]

    @abc.abstractmethod
    def vectors(self) -> Float[Array, "p r"]:
        """Orthonormal eigenvectors of the reached modes."""

    @abc.abstractmethod
    def _population(self, rows: slice, columns: slice) -> Array:
        """A tile of E^T Ut E."""

    @cached_property
    def half_coupling(self) -> Float[Array, "r r"]:
        """Lower triangular H with g^T H g = g^T M g: M's strict lower triangle twice, and its diagonal."""
        return self._form_coupling()

    def _form_coupling(self) -> Array:
        r = self.overlap.shape[0]
        half = np.zeros((r, r))
        width = min(400, max(32, r // 8))
        for j in range(0, r, width):
            columns, rows = slice(j, j + width), slice(j, r)
            tile = self._population(rows, columns)
            tile *= self.overlap[rows] @ self.overlap[columns].T
            tile *= 2.0
            square = tile[: tile.shape[1]]
            square[:] = np.tril(square) - 0.5 * np.diag(np.diagonal(square))
            half[rows, columns] = tile
        return half

    def quadratic(self, gains: Float[Array, "r m"]) -> Float[Array, " m"]:
        """g^T M g for each column g of gains."""
        return np.einsum("rm,rm->m", gains, self.half_coupling @ gains)

    def coupled(self, gains: Float[Array, "r m"]) -> Float[Array, "r m"]:
        """M g for each column g of gains."""
        return 0.5 * (self.half_coupling @ gains + self.half_coupling.T @ gains)


def clip_roundoff(eigenvalues: Array, overlaps: tuple[Array, Array]) -> Array:
    """Apply the rule for modes that cannot be told from null ones.

    U is positive semi-definite and its range contains V, so eigenvalues within p eps lambda_max of 0 are treated as
    null: negative ones become 0 and the overlaps, roundoff too, become 0 (in place). A more negative one is an error.
    """
    tiny = eigenvalues.size * np.finfo(np.float64).eps * max(float(eigenvalues[-1]), 0.0)
    if eigenvalues[0] < -100.0 * tiny:
        raise SolveError(
            f"smallest eigenvalue of U = {eigenvalues[0]:.3g}, largest {eigenvalues[-1]:.3g}: U is not positive "
            "semi-definite; check inst.error_bound, and rescale the data if it is large"
        )
    null = int(np.searchsorted(eigenvalues, tiny))
    for overlap in overlaps:
        overlap[:null] = 0.0
    return np.maximum(eigenvalues, 0.0)


class DenseModes(Modes):
    """Modes of a p x p matrix by one LAPACK call (divide and conquer), the matrix overwritten."""

    def __init__(self, u: Array, v: Array, v_test: Array, u_test: Array) -> None:
        # The transpose is the same matrix in LAPACK's column order: no copy is made.
        eigenvalues, self._vectors = linalg.eigh(u.T, overwrite_a=True, check_finite=False, driver="evd")
        self.overlap, self.overlap_test = self._vectors.T @ v, self._vectors.T @ v_test
        self.eigenvalues = clip_roundoff(eigenvalues, (self.overlap, self.overlap_test))
        self._u_test = u_test

    def vectors(self) -> Array:
        """All eigenvectors."""
        return self._vectors

    def _form_coupling(self) -> Array:
        self._product = self._u_test @ self._vectors  # held only while the tiles are formed
        try:
            return super()._form_coupling()
        finally:
            del self._product

    def _population(self, rows: slice, columns: slice) -> Array:
        return self._vectors[:, rows].T @ self._product[:, columns]

    def quadratic(self, gains: Array) -> Array:
        """See Modes; for few columns (1/d) Tr Y^T Ut Y with Y = E diag(g) P is cheaper than forming M (3 p^3)."""
        p, d = self.overlap.shape
        if "half_coupling" in self.__dict__ or 4 * d * gains.shape[1] > 3 * p:
            return super().quadratic(gains)
        out = np.empty(gains.shape[1])
        for m, column in enumerate(gains.T):
            y = self._vectors @ (column[:, None] * self.overlap)
            out[m] = np.sum(y * (self._u_test @ y))
        return out
