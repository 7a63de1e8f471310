"""What is measured of the snapshots of a run: losses, samples, memorised fraction, quality; a JSON file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rfscore._plain import to_json
from rfscore._text import read_json
from rfscore.errors import InputError, SolveError
from rfscore.memorization import chance_level, nearest, wilson
from rfscore.networks import checkpoint, mixture
from rfscore.networks.config import RunConfig
from rfscore.networks.data import Dataset
from rfscore.networks.divergence import mixture_kl, neighbour_kl
from rfscore.networks.frechet import frechet_distance, kernel_distance
from rfscore.networks.mlp import ResidualMLP
from rfscore.networks.network import Network, new_network, parameter_count, predict_noise
from rfscore.networks.quality import EXTRACTORS, extract
from rfscore.networks.schedule import ALPHA_BAR, TIMES, index_of, sampling_indices
from rfscore.networks.train import snapshot_path
from rfscore.output import write_bytes
from rfscore.runs.summary import COLUMNS, RunSummary
from rfscore.sampling import sample

#: Points a network sees at once while it is measured: bounds the memory.
BLOCK = 256
#: Thresholds of the gap ratio beside 1/3, and the end of the names of their curves: the paper's claims hold for all.
THRESHOLDS = {"": 1 / 3, "_quarter": 1 / 4, "_half": 1 / 2}
#: Held-out points whose loss is measured, as in the paper.
LOSS_POINTS = 2048
#: What a note says of a snapshot that could not be measured.
LEFT_OUT = "is left out"


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
    return jnp.sum((predict_noise(network, noisy, jnp.full(len(x), index)) - noise) ** 2)


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
        index = jnp.broadcast_to(index, len(x))
        noise = predict_noise(self.network, x, index)
        if self.guidance and self.label is not None:
            guided = predict_noise(self.network, x, index, self.label)
            noise = noise + self.guidance * (guided - noise)
        return -noise / jnp.sqrt(-jnp.expm1(-2 * t))


@eqx.filter_jit
def _scores(score: LearnedScore, x: Float[Array, "N ..."], t: Float[Array, ""]) -> Float[Array, "N ..."]:
    return score(x, t)


@eqx.filter_jit
def _in_one_program(
    score: LearnedScore, shape: tuple[int, ...], times: tuple[float, ...], key: Array, method: Any
) -> Array:
    """`sample` without a word to the host between its steps: twice as fast where no convolution is in them."""
    return sample(score, shape, np.array(times), key, method=method)


def generate(network: Network, data: Dataset, config: RunConfig, count: int, key: Array) -> Float[np.ndarray, "N ..."]:
    """Generated points in the units of the training points: by DDIM or the reverse SDE, as the config says."""
    wanted, size = config.measurement, min(count, BLOCK)
    label = jnp.arange(size) % data.classes if wanted.guidance else None
    score, shape = LearnedScore(network, wanted.guidance, label), (size, *data.train.shape[1:])
    times = tuple(TIMES[sampling_indices(wanted.sampler_steps)].tolist())
    draw: Any = _in_one_program if isinstance(network, ResidualMLP) else sample
    parts = [np.asarray(draw(score, shape, times, jax.random.fold_in(key, i), method=wanted.sampler))
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
        found |= _interval(name, *fixed_time_loss(network, points, wanted.t, wanted.noises, key))
        if wanted.t_later:
            found |= _interval(f"{name}_later", *fixed_time_loss(network, points, wanted.t_later, wanted.noises, key))
        if not np.isfinite(found[name]):
            raise SolveError(f"its {name} is {found[name]}: training had diverged")
    if config.data.source == "mixture":
        found |= _score_distances(network, data, wanted.t, keys[2])
    if wanted.samples and step >= wanted.sample_from:
        made = generate(network, data, config, wanted.samples, keys[3])
        found |= _copies(made, data)
        if config.data.source == "mixture":
            plain = made.astype(np.float64)
            found |= _interval("kl", *mixture_kl(LearnedScore(network), plain, jax.random.fold_in(keys[3], 1)))
            found |= _interval("kl_neighbours", *neighbour_kl(plain))
        elif reference is not None:
            found |= _quality(extract(data.images(made)), np.split(reference, wanted.test_sets))
    return found


def _interval(name: str, value: float, error: float) -> dict[str, float]:
    """A number and the ends of its 95 % interval, from its standard error."""
    return {name: value, f"{name}_low": value - 1.96 * error, f"{name}_high": value + 1.96 * error}


def _copies(made: Float[np.ndarray, "N ..."], data: Dataset) -> dict[str, float]:
    """Memorised fraction at every threshold, with Wilson's interval."""
    ratio, found = nearest(_flat(made), _flat(data.train)).ratio, {}
    for end, threshold in THRESHOLDS.items():
        count = int(np.count_nonzero(ratio < threshold))
        found[f"f_mem{end}"] = count / len(ratio)
        found[f"f_mem{end}_low"], found[f"f_mem{end}_high"] = wilson(count, len(ratio), 0.95)
    return found


def _quality(samples: Float[np.ndarray, "N f"], references: list[Float[np.ndarray, "M f"]]) -> dict[str, float]:
    """Mean distances over disjoint test sets; the interval of the first is two standard deviations over the sets."""
    kernels = np.array([kernel_distance(samples, reference) for reference in references])
    far = np.array([frechet_distance(samples, reference) for reference in references])
    found = _interval("kernel", float(kernels[:, 0].mean()), float(np.sqrt((kernels[:, 1] ** 2).mean())))
    found["frechet"] = float(far.mean())
    if len(far) > 1:
        spread = 2 * float(far.std(ddof=1))
        found |= {"frechet_low": found["frechet"] - spread, "frechet_high": found["frechet"] + spread}
    return found


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


def measured_path(folder: Path, step: int) -> Path:
    """The file of the numbers of one snapshot."""
    return Path(folder) / "measurements" / f"step-{step:09d}.json"


def measure_run(config: RunConfig, data: Dataset, folder: Path, report: Callable[[int, int], None]) -> RunSummary:
    """Measure every snapshot that has not been measured with this config, and write summary.json.

    A snapshot that cannot be measured is left out of the curves and named in facts["notes"].

    Raises:
        SolveError: no snapshot can be measured.
    """
    like = new_network(config, data)
    present = sorted(int(path.stem.split("-")[1]) for path in (folder / "snapshots").glob("step-*.safetensors"))
    mark = f"{config.fingerprint} {config.measurement}"
    wanted = config.measurement
    judged = bool(wanted.quality and wanted.samples) and config.data.source != "mixture"
    whole = len(data.test) - len(data.test) % wanted.test_sets
    reference = extract(data.images(data.test[:whole])) if judged else None
    found: dict[int, dict[str, float]] = {}
    notes: list[str] = []
    for i, step in enumerate(present):
        path = measured_path(folder, step)
        try:
            numbers = _kept(path, mark)
            if numbers is None:
                network, _ = checkpoint.load(snapshot_path(folder, step), like, fingerprint=config.fingerprint)
                numbers = measure(network, data, config, step, reference)
                path.parent.mkdir(exist_ok=True)
                write_bytes(path, to_json({"mark": mark, "step": step, "numbers": numbers}).encode())
            found[step] = numbers
        except (InputError, SolveError) as error:
            notes.append(f"step {step} {LEFT_OUT}: {error}")
        report(i + 1, len(present))
    if not found:
        raise SolveError(f"no snapshot of {str(folder)!r} can be measured: {notes[0] if notes else 'there is none'}")
    tau = np.array(list(found), dtype=np.float64)
    summary = _summary(config, data, tau, list(found.values()), like, reference)
    summary.facts["notes"] = notes + summary.facts["notes"]
    summary.save(folder / "summary.json")
    return summary


def _kept(path: Path, mark: str) -> dict[str, float] | None:
    """Numbers measured before with the same settings, or None."""
    try:
        kept = read_json(path, "measurement")
        return dict(kept["numbers"]) if kept["mark"] == mark else None
    except (InputError, KeyError, TypeError, ValueError):
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
    chance = {end: chance_level(_flat(data.test), _flat(data.train), ratio) for end, ratio in THRESHOLDS.items()}
    repeats = max(level.repeats for level in chance.values())
    facts: dict[str, Any] = {
        "notes": [f"{repeats} training points are equal to another; each counts once in f_mem"] if repeats else [],
        "data": data.name, "data_sha256": data.sha256, "d": data.d, "parameters": parameter_count(network),
        "optimizer": config.training.optimizer, "learning_rate": config.training.learning_rate, "batch": config.batch,
        "samples": config.measurement.samples, "sampler": config.measurement.sampler,
        "t_loss": float(TIMES[index_of(config.measurement.t)]), "seed": config.seed,
        **{f"chance_level{end}": level.value for end, level in chance.items()},
        "covariance_eigenvalues": data.eigenvalues.tolist(),
    }  # fmt: skip
    if config.measurement.t_later:
        facts["t_later"] = float(TIMES[index_of(config.measurement.t_later)])
    if reference is not None:
        half = min(config.measurement.samples, len(reference) // 2, len(reference) // config.measurement.test_sets)
        facts["quality"] = EXTRACTORS["efficientnet-lite0"]
        # What perfect samples would score: the distance is biased upwards by about a constant over their number.
        facts["frechet_of_real_images"] = frechet_distance(reference[:half], reference[-half:])
    return RunSummary(config.name, config.data.n, config.network.width, tau, columns, facts)
