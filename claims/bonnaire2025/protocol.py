"""Numbers of the experiments' protocol: parameter counts, schedule, sampler, bootstrap, entropy formula."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rfscore.validation.evidence import Comparison, above, below, more, near
from rfscore.validation.lab import Lab

WILSON = "Wilson's 95 % interval/2"


def _count(network: Any, *sizes: int) -> int:
    """Trainable parameters, from shapes alone: nothing is drawn."""
    import equinox as eqx
    import jax

    shapes = eqx.filter_eval_shape(lambda: network(*sizes, key=jax.random.key(0)))
    leaves = jax.tree_util.tree_leaves(shapes)
    return sum(math.prod(leaf.shape) for leaf in leaves if hasattr(leaf, "shape"))


def unet_parameters(lab: Lab) -> list[Comparison]:
    """0.26, 1, 4, 9 and 16 million for W = 8, 16, 32, 48, 64: networks built (shapes only) and counted."""
    from rfscore.networks import UNet

    table = ((8, 0.26, 0.005), (16, 1.0, 0.5), (32, 4.0, 0.5), (48, 9.0, 0.5), (64, 16.0, 0.5))
    return [near(f"million parameters, W = {w}", _count(UNet, w) / 1e6, millions, half) for w, millions, half in table]


def gmm_parameters(lab: Lab) -> list[Comparison]:
    """W (2d + 13) + d + 6 W^2 = 102 024 at d = 8, W = 128."""
    from rfscore.networks import ResidualMLP

    return [
        near(f"parameters of the residual network, d = 8, W = {w}", _count(ResidualMLP, 8, w), wanted, 0.5)
        for w, wanted in ((64, 64 * 29 + 8 + 6 * 64**2), (128, 102_024), (256, 256 * 29 + 8 + 6 * 256**2))
    ]


def schedule(lab: Lab) -> list[Comparison]:
    """t = 0.01 is step 41 of 1000 of the linear schedule, t = 0.1 step 137."""
    beta = np.linspace(1e-4, 2e-2, 1000)
    t = -0.5 * np.cumsum(np.log1p(-beta))
    return [
        near(f"step of 1000 whose diffusion time is nearest {at:g}", 1 + int(np.argmin(abs(np.log(t / at)))), step, 0.5)
        for at, step in ((0.01, 41), (0.1, 137))
    ] + [near("diffusion time of step 41", t[40], 0.0102, 5e-5)]


def sampler_steps(lab: Lab) -> list[Comparison]:
    """DDIM with the true score of the mixture (d = 8): spread along and across the means, 200 and 100 steps."""
    import jax
    import jax.numpy as jnp

    from rfscore.networks.schedule import TIMES, sampling_indices
    from rfscore.sampling import sample

    def score(x: jax.Array, t: jax.Array) -> jax.Array:
        shrink = jnp.exp(-t)
        return shrink * jnp.tanh(shrink * x.sum(axis=1, keepdims=True)) - x

    found, count = [], 20_000
    for steps in (200, 100):
        x = np.asarray(sample(score, (count, 8), TIMES[sampling_indices(steps)], jax.random.key(lab.seed)))
        across = x - x.mean(axis=1, keepdims=True)
        ratio = (across**2).sum() / (7 * count)
        along = (x.sum(axis=1) ** 2).mean() / (8 * 9)
        error = 2 * math.sqrt(2 / count)
        for name, value in (("along the means", along), ("across them", ratio)):
            what = f"second moment {name} over its true value, {steps} steps"
            found.append(near(what, value, 1.0, 0.05, error, "2 standard errors"))
    return found


def bootstrap(lab: Lab) -> list[Comparison]:
    """1000 bootstraps of 10 000 yes/no samples: width of the interval against the binomial law; and at f_mem = 0."""
    rng, count, f, resamples = lab.rng(831), 10_000, 0.472, 1000
    means = rng.binomial(count, f, size=resamples) / count
    low, high = np.percentile(means, [2.5, 97.5])
    zero = np.percentile(rng.binomial(count, 0.0, size=1000) / count, 97.5)
    width = 2 * 1.96 * math.sqrt(f * (1 - f) / count)
    # Standard error of a percentile of `resamples` normal values is sqrt(p(1 - p)/resamples)/density, at both ends.
    density = math.exp(-(1.96**2) / 2) / math.sqrt(2 * math.pi)
    error = 2 * math.sqrt(2 * 0.025 * 0.975 / resamples) / density / (2 * 1.96)
    return [
        near("width of the bootstrap interval at f_mem = 47.2 %, over the binomial one", (high - low) / width, 1.0, 0.1,
             error, f"2 standard errors of {resamples} resamples"),
        more("upper end of the bootstrap interval at f_mem = 0, where the true one is 3/10 000", float(zero)),
    ]  # fmt: skip


def population_score(lab: Lab) -> list[Comparison]:
    """Eq 24 against central differences of the logarithm of the mixture's density."""
    rng, t, d, h = lab.rng(832), 0.3, 8, 1e-5
    x = rng.standard_normal((200, d)) + 0.7
    mean = math.exp(-t) * np.ones(d)

    def log_density(y: np.ndarray) -> np.ndarray:
        return np.logaddexp(-0.5 * ((y - mean) ** 2).sum(1), -0.5 * ((y + mean) ** 2).sum(1))

    formula = mean * np.tanh(x @ mean)[:, None] - x
    numeric = np.stack([(log_density(x + h * e) - log_density(x - h * e)) / (2 * h) for e in np.eye(d)], axis=1)
    return [below("largest difference", float(abs(formula - numeric).max()), 1e-6, 1e-8, "finite differences")]


def entropy_formula(lab: Lab) -> list[Comparison]:
    """Eqs 27-28 with the true score: E log P of the mixture by the integral, against direct sampling of log P.

    I(t) = E[x.s + |s|^2] in the time of Eq 1 (beta_t dt/2 is dt), x distributed as the marginal at t.
    """
    from rfscore.networks.mixture import draw, log_density
    from rfscore.networks.mixture import population_score as score

    d, late, count, rng = 8, 6.0, 40_000, lab.rng(833)
    data, _ = draw(count, d, rng)
    edges, weights = np.polynomial.legendre.leggauss(40)
    t = 0.5 * late * (edges + 1)
    rates, errors = [], []
    for s in t:
        x = np.exp(-s) * data + np.sqrt(-np.expm1(-2 * s)) * rng.standard_normal(data.shape)
        found = score(x, float(s))
        each = (x * found).sum(1) + (found**2).sum(1)
        rates.append(each.mean())
        errors.append(each.std() / math.sqrt(count))
    integral = 0.5 * late * float(weights @ rates)
    ours = integral - 0.5 * d * math.log(2 * math.pi * math.e)
    direct = log_density(data)
    return [
        near("E log P by Eqs 27–28, minus its direct average", ours - direct.mean(), 0.0, 0.1,
             2 * math.hypot(direct.std() / math.sqrt(count), 0.5 * late * float(np.linalg.norm(weights * errors))),
             "2 standard errors"),
        more("E log P", direct.mean(), 2 * direct.std() / math.sqrt(count), "2 standard errors"),
    ]  # fmt: skip


def criterion(lab: Lab) -> list[Comparison]:
    """Eq 6 with k = 1/3 on made samples: copies are found, fresh points are not (d = 64)."""
    from rfscore.memorization import memorised_fraction

    rng = lab.rng(834)
    train, fresh = rng.standard_normal((500, 64)), rng.standard_normal((2000, 64))
    copies = train[rng.integers(500, size=2000)] + 0.05 * rng.standard_normal((2000, 64))
    found = []
    for k in (1 / 4, 1 / 3, 1 / 2):
        old, new = memorised_fraction(copies, train, k=k), memorised_fraction(fresh, train, k=k)
        half = [0.5 * (x.interval[1] - x.interval[0]) for x in (old, new)]
        found.append(above(f"share of noisy copies that the test finds, k = {k:.2f}", old.value, 0.99, half[0], WILSON))
        found.append(below(f"share of fresh points that it calls memorised, k = {k:.2f}", new.value, 0.01, half[1],
                           WILSON))  # fmt: skip
    return found
