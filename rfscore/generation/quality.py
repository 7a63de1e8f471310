r"""How good samples are, and whether they are copies: two different questions, answered side by side.

Samples are held against the population N(0, Sigma) by the Gaussian of their covariance, and against the training set by
the distances to its points; fresh points of the population say what both would be without any fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from rfscore._numbers import Seed, generator
from rfscore.errors import bad
from rfscore.memorization import MemorisedFraction, chance_level, memorised_fraction, nearest
from rfscore.results import Result, quantity

Array = np.ndarray


class Measured(Result):
    r"""What samples are like.

    Attributes:
        f_mem: fraction of samples that are copies by the gap ratio.
        chance: the same fraction of fresh points.
        variance: of the samples along the directions of Sigma.
        along_data: of the samples along the eigenvectors of the sample covariance, ascending eigenvalues.
        data_eigenvalues: of the sample covariance, ascending.
        mean_variance: Tr Sigma_gen/d.
        kl_true: KL(N(0, Sigma) | N(0, Sigma_gen))/d, of the samples' covariance around 0.
        kl_generated: KL(N(0, Sigma_gen) | N(0, Sigma))/d.
        kl_bias: what N points of the truth itself would give for either, (d + 1)/(4 N).
        nearest: mean distance to the nearest training point over sqrt(d).
        nearest_fresh: the same of fresh points.
    """

    f_mem: MemorisedFraction
    chance: MemorisedFraction
    variance: Float[np.ndarray, " d"] = quantity("direction")
    along_data: Float[np.ndarray, " d"] = quantity("eigenvector")
    data_eigenvalues: Float[np.ndarray, " d"] = quantity("eigenvector")
    mean_variance: float = quantity()
    kl_true: float = quantity()
    kl_generated: float = quantity()
    kl_bias: float = quantity()
    nearest: float = quantity()
    nearest_fresh: float = quantity()


def measure(
    samples: Float[np.ndarray, "N d"], data: Float[np.ndarray, "n d"], sigma: Float[np.ndarray, " d"], seed: Seed = 0
) -> Measured:
    """Samples against population and training set.

    Args:
        samples: N > d generated points.
        data: the training set (`Generator.data`).
        sigma: eigenvalues of Sigma, which is diagonal (`Generator.sigma`), > 0.
        seed: of the fresh points, as many as there are samples.

    Raises:
        InputError: N <= d, where no Gaussian can be fitted, or Sigma with directions without variance.

    Accuracy:
        KL: `kl_bias` upwards, and about as much in spread over sqrt(d).

    Example:
        >>> import numpy as np
        >>> import rfscore as rf
        >>> rng = np.random.default_rng(0)
        >>> data, copies = rng.standard_normal((30, 6)), rng.integers(0, 30, 400)
        >>> found = rf.generation.measure(data[copies] + 1e-3 * rng.standard_normal((400, 6)), data, np.ones(6))
        >>> found.f_mem.value, found.chance.value < 0.1
        (1.0, True)
    """
    count, d = samples.shape
    if count <= d:
        raise bad("samples", count, f"more than d = {d}: no Gaussian can be fitted to fewer")
    if not np.all(sigma > 0):
        raise bad("sigma", float(np.min(sigma)), "eigenvalues > 0", "drop directions without variance from both")
    covariance = samples.T @ samples / count
    fresh = generator(seed).spawn(1)[0].standard_normal(samples.shape) * np.sqrt(sigma)
    values, vectors = np.linalg.eigh(data.T @ data / len(data))
    log_ratio = np.linalg.slogdet(covariance)[1] - np.log(sigma).sum()
    inverse = float(np.diag(np.linalg.inv(covariance)) @ sigma)
    variance = np.diag(covariance).copy()
    return Measured(
        f_mem=memorised_fraction(samples, data), chance=chance_level(fresh, data), variance=variance,
        along_data=np.einsum("di,de,ei->i", vectors, covariance, vectors), data_eigenvalues=values,
        mean_variance=float(variance.mean()), kl_true=float(inverse - d + log_ratio) / (2 * d),
        kl_generated=float((variance / sigma).sum() - d - log_ratio) / (2 * d), kl_bias=(d + 1) / (4 * count),
        nearest=_nearest(samples, data), nearest_fresh=_nearest(fresh, data),
    )  # fmt: skip


def _nearest(points: Array, data: Array) -> Any:
    return float(nearest(points, data).distances[:, 0].mean() / np.sqrt(data.shape[1]))
