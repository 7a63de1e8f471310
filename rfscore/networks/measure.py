"""What is measured of the snapshots of a run: losses, samples, memorised fraction, quality; a JSON file each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rfscore._plain import to_json
from rfscore.memorization import chance_level, memorised_fraction
from rfscore.networks import checkpoint, mixture
from rfscore.networks.config import RunConfig
from rfscore.networks.data import Dataset
from rfscore.networks.frechet import frechet_distance, kernel_distance
from rfscore.networks.network import Network, new_network, parameter_count
from rfscore.networks.quality import EXTRACTORS, extract
from rfscore.networks.schedule import ALPHA_BAR, TIMES, index_of, sampling_indices
from rfscore.networks.summary import COLUMNS, RunSummary
from rfscore.networks.train import snapshot_path
from rfscore.output import write_bytes
from rfscore.sampling import sample

#: Points a network sees at once while it is measured: bounds the memory.
BLOCK = 256
#: Held-out points whose loss is measured, as in the paper.
LOSS_POINTS = 2048


def _flat(points: Float[np.ndarray, "N ..."]) -> Float[np.ndarray, "N d"]:
    return points.reshape(len(points), -1)


def _blocks(count: int) -> list[slice]:
    return [slice(i, min(i + BLOCK, count)) for i in range(0, count, BLOCK)]


@eqx.filter_jit
def _block_loss(network: Network, x: Array, index: int, key: Array) -> Array:
    """Sum over points and components of |eps_theta - eps|^2 at one index."""
    noise = jax.random.normal(key, x.shape, dtype=jnp.float32)
    alpha = ALPHA_BAR[index]
    noisy = np.sqrt(alpha) * x + np.sqrt(1.0 - alpha) * noise
    return jnp.sum((jax.vmap(lambda v: network(v, jnp.asarray(index)))(noisy) - noise) ** 2)


def fixed_time_loss(
    network: Network, points: Float[np.ndarray, "N ..."], t: float, noises: int, key: Array
) -> tuple[float, float]:
    """Denoising loss per dimension at fixed diffusion time t over several noise draws, and its standard error.

    (1/d) E|eps_theta(x_t, t) - xi|^2 = (1/d) E|sqrt(Delta_t) s_theta(x_t) + xi|^2, the theory's loss (paper, Eq 4).
    """
    index, totals = index_of(t), []
    for k in range(noises):
        keys = jax.random.split(jax.random.fold_in(key, k), len(_blocks(len(points))))
        parts = [_block_loss(network, jnp.asarray(points[b]), index, q)
                 for b, q in zip(_blocks(len(points)), keys, strict=True)]  # fmt: skip
        totals.append(float(sum(parts)) / points.size)
    error = float(np.std(totals, ddof=1) / np.sqrt(noises)) if noises > 1 else float("nan")
    return float(np.mean(totals)), error


class LearnedScore(eqx.Module):
    """s(x, t) = -eps_theta(x, k)/sqrt(Delta_t) with k the index of t, for `rfscore.sampling.sample`.

    With guidance w and labels, eps = eps(none) + w (eps(label) - eps(none)): classifier-free guidance.
    """

    network: Network
    guidance: float = eqx.field(static=True, default=0.0)
    label: Int[Array, " N"] | None = None

    def __call__(self, x: Float[Array, "N ..."], t: Float[Array, ""]) -> Float[Array, "N ..."]:
        """Score of every point at one time."""
        index = jnp.argmin(jnp.abs(jnp.asarray(np.log(TIMES), dtype=jnp.float32) - jnp.log(t)))
        noise = jax.vmap(lambda v: self.network(v, index))(x)
        if self.guidance and self.label is not None:
            guided = jax.vmap(lambda v, y: self.network(v, index, y))(x, self.label)
            noise = noise + self.guidance * (guided - noise)
        return -noise / jnp.sqrt(-jnp.expm1(-2 * t))


@eqx.filter_jit
def _scores(score: LearnedScore, x: Float[Array, "N ..."], t: Float[Array, ""]) -> Float[Array, "N ..."]:
    return score(x, t)


def generate(network: Network, data: Dataset, config: RunConfig, count: int, key: Array) -> Float[np.ndarray, "N ..."]:
    """Generated points in the units of the training points: by DDIM or the reverse SDE, as the config says."""
    wanted, size = config.measurement, min(count, BLOCK)
    label = jnp.arange(size) % data.classes if wanted.guidance else None
    score, shape = LearnedScore(network, wanted.guidance, label), (size, *data.train.shape[1:])
    times = TIMES[sampling_indices(wanted.sampler_steps)]
    method: Any = wanted.sampler  # one of sampling.Method: checked with the config
    parts = [np.asarray(sample(score, shape, times, jax.random.fold_in(key, i), method=method))
             for i in range(-(-count // BLOCK))]  # fmt: skip
    return np.concatenate(parts)[:count]


def measure(
    network: Network, data: Dataset, config: RunConfig, step: int, reference: Float[np.ndarray, "M f"] | None
) -> dict[str, float]:
    """All numbers of one snapshot; the random numbers depend on the seed and the step alone.

    `reference` are the features of the held-out images, None where quality is not measured.
    """
    wanted = config.measurement
    keys = jax.random.split(jax.random.fold_in(jax.random.key(config.seed + 2), step), 4)
    held_out = data.test[:LOSS_POINTS]
    found: dict[str, float] = {}
    for name, points, key in (("train_loss", data.train, keys[0]), ("test_loss", held_out, keys[1])):
        found[name], error = fixed_time_loss(network, points, wanted.t, wanted.noises, key)
        found[f"{name}_low"], found[f"{name}_high"] = found[name] - 1.96 * error, found[name] + 1.96 * error
    if config.data.source == "mixture":
        found |= _score_distances(network, data, wanted.t, keys[2])
    if wanted.samples:
        made = generate(network, data, config, wanted.samples, keys[3])
        fraction = memorised_fraction(_flat(made), _flat(data.train))
        found |= {"f_mem": fraction.value, "f_mem_low": fraction.interval[0], "f_mem_high": fraction.interval[1]}
        if config.data.source == "mixture":
            found["kl"] = mixture_kl(LearnedScore(network), made.astype(np.float64), jax.random.fold_in(keys[3], 1))
        elif reference is not None:
            found |= _quality(extract(data.images(made)), reference)
    return found


def _quality(samples: Float[np.ndarray, "N f"], reference: Float[np.ndarray, "M f"]) -> dict[str, float]:
    kernel, error = kernel_distance(samples, reference)
    return {"frechet": frechet_distance(samples, reference), "kernel": kernel,
            "kernel_low": kernel - 1.96 * error, "kernel_high": kernel + 1.96 * error}  # fmt: skip


def _score_distances(network: Network, data: Dataset, t: float, key: Array) -> dict[str, float]:
    """(1/d) E|s_theta - s|^2 to the population score on held-out points and to the empirical one on training points."""
    time, found = float(TIMES[index_of(t)]), {}
    for name, points in (("score_population", data.test[:LOSS_POINTS]), ("score_empirical", data.train)):
        noise = np.asarray(jax.random.normal(jax.random.fold_in(key, len(name)), points.shape, dtype=jnp.float32))
        x = np.exp(-time) * points + np.sqrt(-np.expm1(-2 * time)) * noise
        learned = np.asarray(_scores(LearnedScore(network), jnp.asarray(x, dtype=jnp.float32), jnp.float32(time)))
        x = x.astype(np.float64)
        true = mixture.population_score(x, time) if name == "score_population" else \
            mixture.empirical_score(x, time, data.train.astype(np.float64))  # fmt: skip
        found[name] = float(np.mean((learned - true) ** 2))
    return found


@eqx.filter_jit
def _entropy_rate(score: Callable[[Array, Array], Array], x: Array, t: Array, key: Array) -> Array:
    """E[x_t.s] + E|s|^2 at one time."""
    noisy = jnp.exp(-t) * x + jnp.sqrt(-jnp.expm1(-2 * t)) * jax.random.normal(key, x.shape, x.dtype)
    s = score(noisy, t)
    return jnp.mean(jnp.sum(noisy * s + s * s, axis=1))


def mixture_kl(score: Callable[[Array, Array], Array], samples: Float[np.ndarray, "N d"], key: Array) -> float:
    r"""KL divergence of the generated from the true mixture: E_theta log P_theta - E_theta log P_0 (paper, SM B).

    The second term is the mean of the known log density. The first follows from the entropy of the noised samples,
    E log P_theta = int_0^T (E[x.s] + E|s|^2) dt - (d/2) log(2 pi e), with s the learned score and x the generated
    samples noised for t (paper, Eqs 27-28). The integral runs over every fourth time of the schedule, by the
    trapezoidal rule; below the first one the integrand is taken as constant.

    Args:
        score: the learned s(x, t).
        samples: N generated points.
        key: of the noise.

    Returns:
        The KL divergence, with a statistical error of order sqrt(d/N); an imperfect score can make it negative.
    """
    x, every = jnp.asarray(samples, dtype=jnp.float32), TIMES[::4]
    rates = np.array(
        [float(_entropy_rate(score, x, jnp.float32(t), jax.random.fold_in(key, i))) for i, t in enumerate(every)]
    )
    integral = float(np.trapezoid(rates, every) + rates[0] * every[0])
    d = samples.shape[1]
    return integral - 0.5 * d * math.log(2 * math.pi * math.e) - float(np.mean(mixture.log_density(samples)))


def measured_path(folder: Path, step: int) -> Path:
    """The file of the numbers of one snapshot."""
    return Path(folder) / "measurements" / f"step-{step:09d}.json"


def measure_run(config: RunConfig, data: Dataset, folder: Path, report: Callable[[int, int], None]) -> RunSummary:
    """Measure every snapshot that has not been measured with this config, and write summary.json."""
    like = new_network(config, data)
    present = sorted(int(path.stem.split("-")[1]) for path in (folder / "snapshots").glob("step-*.safetensors"))
    mark = f"{config.fingerprint} {config.measurement}"
    wanted = config.measurement
    judged = bool(wanted.quality and wanted.samples) and config.data.source != "mixture"
    reference = extract(data.images(data.test)) if judged else None
    found: list[dict[str, float]] = []
    for i, step in enumerate(present):
        path = measured_path(folder, step)
        numbers = _kept(path, mark)
        if numbers is None:
            network, _ = checkpoint.load(snapshot_path(folder, step), like, fingerprint=config.fingerprint)
            numbers = measure(network, data, config, step, reference)
            path.parent.mkdir(exist_ok=True)
            write_bytes(path, to_json({"mark": mark, "step": step, "numbers": numbers}).encode())
        found.append(numbers)
        report(i + 1, len(present))
    summary = _summary(config, data, np.array(present, dtype=np.float64), found, like, reference)
    summary.save(folder / "summary.json")
    return summary


def _kept(path: Path, mark: str) -> dict[str, float] | None:
    """Numbers measured before with the same settings, or None."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return dict(kept["numbers"]) if kept["mark"] == mark else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _summary(
    config: RunConfig,
    data: Dataset,
    tau: np.ndarray,
    found: list[dict[str, float]],
    network: Network,
    reference: np.ndarray | None,
) -> RunSummary:
    names = [n for base in COLUMNS for n in (base, f"{base}_low", f"{base}_high") if any(n in f for f in found)]
    columns = {name: np.array([f.get(name, np.nan) for f in found], dtype=np.float64) for name in names}
    facts: dict[str, Any] = {
        "data": data.name, "data_sha256": data.sha256, "d": data.d, "parameters": parameter_count(network),
        "optimizer": config.training.optimizer, "learning_rate": config.training.learning_rate, "batch": config.batch,
        "samples": config.measurement.samples, "sampler": config.measurement.sampler,
        "t_loss": float(TIMES[index_of(config.measurement.t)]), "seed": config.seed,
        "chance_level": chance_level(_flat(data.test), _flat(data.train)).value,
        "covariance_eigenvalues": data.eigenvalues.tolist(),
    }  # fmt: skip
    if reference is not None:
        half = min(config.measurement.samples, len(reference) // 2)
        facts["quality"] = EXTRACTORS["efficientnet-lite0"]
        # What perfect samples would score: the distance is biased upwards by about a constant over their number.
        facts["frechet_of_real_images"] = frechet_distance(reference[:half], reference[half:])
    return RunSummary(config.name, config.data.n, config.network.width, tau, columns, facts)
