"""Numbers of a phase diagram that are read off a sweep: the boundary of memorisation, means over seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad

if TYPE_CHECKING:
    import xarray


def boundary(
    psi_n: Float[np.ndarray, " N"], gap: Float[np.ndarray, "N P"], level: float
) -> Float[np.ndarray, " P"]:  # fmt: skip
    r"""n*(p)/d at one training time: the psi_n from which on L_gen stays at or below a level.

    L_gen = L_test - L_train at that time, per dimension, so that the untrained network has loss 1. At tau = infinity
    this is the n*(p) of the paper's phase diagram: with more samples than that, even endless training does not
    memorise (Bonnaire et al. 2025, Figs 1 and 5C, where the level is not given).

    Args:
        psi_n: ascending, > 0.
        gap: L_gen at one training time.
        level: of L_gen.

    Returns:
        psi_n of the last crossing, linear in log(psi_n) and log(gap) between two places of the grid; NaN where L_gen
        is not known, above the level at the largest psi_n, or at or below it everywhere.

    Raises:
        InputError: a level that is not positive, psi_n not ascending.

    Accuracy:
        Second order in the spacing of log(psi_n): about 1e-3 relative with 100 places over two decades.

    Example:
        >>> import numpy as np
        >>> from rfscore.sweeps.diagram import boundary
        >>> psi_n = np.geomspace(1, 100, 5)
        >>> boundary(psi_n, (5.0 / psi_n**2)[:, None], 0.05).round(6)
        array([10.])
    """
    if not level > 0:
        raise bad("level", level, "a loss > 0")
    if psi_n.size < 2 or np.any(np.diff(psi_n) <= 0) or psi_n[0] <= 0:
        raise bad("psi_n", psi_n.tolist(), "at least two ascending values > 0")
    found = np.full(gap.shape[1], np.nan)
    for j, column in enumerate(gap.T):
        above = np.flatnonzero(column > level)
        if not np.all(np.isfinite(column)) or above.size == 0 or above[-1] == column.size - 1:
            continue
        i = int(above[-1])
        ends = np.log(np.maximum(column[i : i + 2], 1e-300))
        share = (ends[0] - np.log(level)) / (ends[0] - ends[1])
        found[j] = np.exp(np.log(psi_n[i]) + share * np.log(psi_n[i + 1] / psi_n[i]))
    return found


def over_seeds(values: xarray.DataArray) -> tuple[xarray.DataArray, xarray.DataArray]:
    """Mean over the seeds and its standard error; NaN where a seed has no number."""
    if "seed" not in values.dims:
        return values, values * np.nan
    finite = values.where(np.isfinite(values))
    count = values.sizes["seed"]
    spread = finite.std("seed", ddof=1, skipna=False) / np.sqrt(count) if count > 1 else finite.isel(seed=0) * np.nan
    return finite.mean("seed", skipna=False), spread
