"""Result types shared by the theory and the finite-size model: frozen, array fields, `.to_xarray()`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import equinox as eqx
import numpy as np

if TYPE_CHECKING:
    import xarray


class LossCurves(eqx.Module):
    r"""Losses along training time tau; all per dimension d, so that the untrained network (A = 0) has loss 1.

    Attributes:
        tau: training times, any shape.
        train: L_train(tau), the loss on the n samples with the noise averaged exactly.
        test: L_test(tau), the same on the population (or on held-out data).
        score_error: (1/d) E|s_A(x_t) + Sigma_t^{-1} x_t|^2 for Gaussian data, NaN where the true score is unknown.
    """

    tau: Any
    train: Any
    test: Any
    score_error: Any

    @property
    def gap(self) -> Any:
        """L_gen = L_test - L_train."""
        return self.test - self.train

    def to_xarray(self) -> xarray.Dataset:
        """The curves as an xarray Dataset with one dimension, tau."""
        import xarray as xr

        fields = {"train": self.train, "test": self.test, "gap": self.gap, "score_error": self.score_error}
        return xr.Dataset(
            {name: ("tau", np.ravel(values)) for name, values in fields.items()}, coords={"tau": np.ravel(self.tau)}
        )
