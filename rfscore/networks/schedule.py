r"""The forward noising of the network experiments: DDPM with T = 1000 steps and linear beta (paper, Eqs 20-21).

The network sees an index k = 0 ... T - 1; the theory's diffusion time is t_k = -log(alpha_bar_k)/2, so that
x_k = e^{-t_k} x_0 + sqrt(Delta_k) xi with Delta_k = 1 - alpha_bar_k: index 40 is t = 0.0102, index 136 is t = 0.1.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from rfscore.errors import bad

STEPS = 1000
BETA = np.linspace(1e-4, 2e-2, STEPS)
ALPHA_BAR = np.cumprod(1.0 - BETA)
#: (T,) diffusion times, ascending from 5.0e-5 to 5.06.
TIMES: Float[np.ndarray, " T"] = -0.5 * np.log(ALPHA_BAR)


def index_of(t: float) -> int:
    """The index whose diffusion time is nearest to t on a logarithmic axis.

    Raises:
        InputError: t outside [TIMES[0], TIMES[-1]].

    Example:
        >>> from rfscore.networks.schedule import TIMES, index_of
        >>> index_of(0.01), round(float(TIMES[index_of(0.01)]), 4)
        (40, 0.0102)
    """
    if not TIMES[0] <= t <= TIMES[-1]:
        raise bad("t", t, f"a diffusion time in [{TIMES[0]:.2g}, {TIMES[-1]:.3g}]")
    return int(np.argmin(np.abs(np.log(TIMES) - math.log(t))))


def sampling_indices(steps: int) -> np.ndarray:
    """Descending indices from T - 1 to 0, evenly spaced; the sampler removes the noise left at index 0 by itself."""
    if not 2 <= steps <= STEPS:
        raise bad("sampler steps", steps, f"a whole number in [2, {STEPS}]")
    return np.linspace(STEPS - 1, 0, steps).round().astype(int)
