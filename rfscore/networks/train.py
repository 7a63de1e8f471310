"""Training of a denoiser: noise prediction, snapshots on a log scale, and a resume that is exact to the bit.

The random numbers of a step depend on the seed and the step alone, and every step is run by the same compiled program,
so a run that was killed and resumed ends in the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from rfscore._machine import free_memory
from rfscore.errors import InputError, SolveError
from rfscore.networks import checkpoint
from rfscore.networks.config import RunConfig
from rfscore.networks.data import Dataset
from rfscore.networks.network import Network, new_network, predict_noise
from rfscore.networks.schedule import ALPHA_BAR, STEPS, index_of

#: step, steps, mean loss since the last report, steps per second
Report = Callable[[int, int, float, float], None]
#: Seconds between two reports, and between two saved states.
REPORT_S, SAVE_S = 2.0, 60.0


class TrainState(eqx.Module):
    """All that the next step needs."""

    network: Network
    optimiser: Any
    step: Int[Array, ""]


def new_state(config: RunConfig, data: Dataset) -> TrainState:
    """The state before the first step."""
    network = new_network(config, data)
    optimiser = _optimiser(config).init(eqx.filter(network, eqx.is_inexact_array))
    return TrainState(network, optimiser, jnp.zeros((), dtype=jnp.int32))


def _optimiser(config: RunConfig) -> optax.GradientTransformation:
    training = config.training
    if training.optimizer == "sgd":
        return optax.sgd(training.learning_rate, momentum=training.momentum or None)
    return optax.adam(training.learning_rate, b1=0.9, b2=0.999)


def snapshot_steps(config: RunConfig) -> np.ndarray:
    """Steps that keep their weights: 0, then log-spaced from `first_snapshot` to the last step."""
    training = config.training
    spaced = np.geomspace(training.first_snapshot, training.steps, training.snapshots)
    return np.unique(np.append(0, spaced.round().astype(int)))


def _batch_rows(key: Array, step: Array, n: int, batch: int) -> Int[Array, " batch"]:
    """Rows of a step: every epoch a new order of the n points, cut into n // batch batches."""
    if batch == n:
        return jnp.arange(n)
    per_epoch = n // batch
    order = jax.random.permutation(jax.random.fold_in(key, step // per_epoch), n)
    return jax.lax.dynamic_slice(order, ((step % per_epoch) * batch,), (batch,))


def denoising_loss(
    network: Network, x: Float[Array, "B ..."], label: Int[Array, " B"], key: Array, t: float, precision: str
) -> Float[Array, ""]:
    """Mean over points and components of |eps_theta(x_k, k) - eps|^2, k uniform, or at fixed diffusion time t > 0."""
    count = x.shape[0]
    k_index, k_noise, k_drop = jax.random.split(key, 3)
    index = jnp.full(count, index_of(t)) if t else jax.random.randint(k_index, (count,), 0, STEPS)
    alpha = jnp.asarray(ALPHA_BAR, dtype=jnp.float32)[index].reshape((count,) + (1,) * (x.ndim - 1))
    noise = jax.random.normal(k_noise, x.shape, dtype=jnp.float32)
    noisy = jnp.sqrt(alpha) * x + jnp.sqrt(1.0 - alpha) * noise
    if precision == "bfloat16":
        network, noisy = jax.tree.map(
            lambda leaf: leaf.astype(jnp.bfloat16) if eqx.is_inexact_array(leaf) else leaf, (network, noisy)
        )
    found = predict_noise(network, noisy, index, label, jax.random.split(k_drop, count))
    return jnp.mean((found.astype(jnp.float32) - noise) ** 2)


def _step(config: RunConfig, n: int, sharding: NamedSharding, static: Any) -> Callable[..., Any]:
    """One step: (arrays of the state, sum of losses, points, labels) -> the first two, one step later."""
    optimiser, key, training = _optimiser(config), jax.random.key(config.seed + 1), config.training
    k_order, k_loss, k_label = jax.random.split(key, 3)

    def step(dynamic: Any, total: Array, points: Array, labels: Array) -> tuple[Any, Array]:
        state = eqx.combine(dynamic, static)
        rows = _batch_rows(k_order, state.step, n, config.batch)
        x, label = points[rows], labels[rows]
        if sharding.num_devices > 1:
            x = jax.lax.with_sharding_constraint(x, sharding)
        hidden = jax.random.uniform(jax.random.fold_in(k_label, state.step), label.shape) < training.label_dropout
        loss, gradient = eqx.filter_value_and_grad(denoising_loss)(
            state.network, x, jnp.where(hidden, -1, label), jax.random.fold_in(k_loss, state.step),
            training.t, training.precision,
        )  # fmt: skip
        updates, memory = optimiser.update(gradient, state.optimiser)
        state = TrainState(eqx.apply_updates(state.network, updates), memory, state.step + 1)
        return eqx.filter(state, eqx.is_array), total + loss

    return step


def _many(step: Callable[..., Any]) -> Callable[..., Any]:
    """Steps up to `stop` in one program, without a word to the host.

    How many is an argument, not part of the program, so that every stretch of training is the same machine code.
    """

    def steps(dynamic: Any, total: Array, points: Array, labels: Array, stop: Array) -> tuple[Any, Array]:
        return jax.lax.while_loop(
            lambda carry: carry[0].step < stop, lambda carry: step(*carry, points, labels), (dynamic, total)
        )

    return steps


class Trainer:
    """Training of one run in its folder: `advance` to a step, `save` the state, continue after any interruption.

    Args:
        config: the run.
        data: its points.
        folder: of the run; holds snapshots/step-*.safetensors (weights) and state.safetensors (all that
            the next step needs).

    Raises:
        InputError: a state in the folder is damaged or of another run; too little memory for a step.
    """

    def __init__(self, config: RunConfig, data: Dataset, folder: Path) -> None:
        self.config, self.folder = config, Path(folder)
        # The largest number of devices that divides the batch; each takes its share, the weights are on all of them.
        usable = next(k for k in range(jax.device_count(), 0, -1) if config.batch % k == 0)
        mesh = Mesh(np.array(jax.devices()[:usable]), ("batch",))
        self._everywhere = everywhere = NamedSharding(mesh, PartitionSpec())
        state = new_state(config, data)
        if self.state_path.exists():
            state, _ = checkpoint.load(self.state_path, state, fingerprint=config.fingerprint)
        dynamic, static = eqx.partition(state, eqx.is_array)
        self._dynamic = jax.device_put(dynamic, everywhere)
        self._points = jax.device_put(jnp.asarray(data.train), everywhere)
        self._labels = jax.device_put(jnp.asarray(data.train_labels, dtype=jnp.int32), everywhere)
        self._static = static
        step = _step(config, config.data.n, NamedSharding(mesh, PartitionSpec("batch")), static)
        # XLA runs convolutions inside a loop at half speed on a CPU; there, their steps are queued one by one.
        self._looped = jax.devices()[0].platform != "cpu" or config.network.kind == "mlp"
        arguments = [self._dynamic, self._zero(), self._points, self._labels]
        if self._looped:
            arguments.append(jax.device_put(jnp.zeros((), dtype=jnp.int32), everywhere))
        program = jax.jit(_many(step) if self._looped else step, donate_argnums=(0, 1))
        self._run = program.lower(*arguments).compile()
        _check_memory(self._run)

    @property
    def state_path(self) -> Path:
        """The file a resumed run starts from."""
        return self.folder / "state.safetensors"

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self._dynamic.step)

    @property
    def state(self) -> TrainState:
        """Network, optimiser and step as they are now."""
        return eqx.combine(self._dynamic, self._static)

    def advance(self, stop: int) -> float:
        """Train up to step `stop`; the mean loss of these steps.

        Raises:
            SolveError: the loss is no longer finite.
        """
        start, total = self.step, self._zero()
        if self._looped:
            end = jax.device_put(jnp.asarray(stop, dtype=jnp.int32), self._everywhere)
            self._dynamic, total = self._run(self._dynamic, total, self._points, self._labels, end)
        else:
            for _ in range(start, stop):
                self._dynamic, total = self._run(self._dynamic, total, self._points, self._labels)
        loss = float(total) / max(stop - start, 1)
        if not np.isfinite(loss):
            raise SolveError(f"the loss is {loss} before step {stop}: training diverged; lower training.learning_rate")
        return loss

    def _zero(self) -> Array:
        return jax.device_put(jnp.zeros((), dtype=jnp.float32), self._everywhere)

    def save(self) -> None:
        """Write the state."""
        checkpoint.save(self.state_path, self.state, step=self.step, fingerprint=self.config.fingerprint)

    def snapshot(self) -> None:
        """Write the weights of this step."""
        path = snapshot_path(self.folder, self.step)
        path.parent.mkdir(exist_ok=True)
        checkpoint.save(path, self.state.network, step=self.step, fingerprint=self.config.fingerprint)

    def run(self, report: Report, until: int | None = None) -> None:
        """Train to the end, or to step `until` if that comes first, from wherever the folder stands."""
        wanted, last = snapshot_steps(self.config), min(until or self.config.training.steps, self.config.training.steps)
        saved, pace = time.monotonic(), 1.0
        if self.step in wanted:  # a new run, or one killed between a saved state and its snapshot
            self.snapshot()
        while self.step < last:
            following = int(wanted[np.searchsorted(wanted, self.step, side="right")])
            start, began = self.step, time.monotonic()
            loss = self.advance(min(following, last, start + max(1, round(pace * REPORT_S))))
            pace = (self.step - start) / max(time.monotonic() - began, 1e-9)
            report(self.step, last, loss, pace)
            if self.step == following:
                self.snapshot()
            if self.step in (following, last) or time.monotonic() - saved > SAVE_S:
                self.save()
                saved = time.monotonic()


def snapshot_path(folder: Path, step: int) -> Path:
    """The file of the weights after `step` steps."""
    return Path(folder) / "snapshots" / f"step-{step:09d}.safetensors"


def _check_memory(compiled: Any) -> None:
    """Refuse a step that does not fit, before it is run; the compiler knows what it needs."""
    needed = compiled.memory_analysis().temp_size_in_bytes
    device = jax.devices()[0]
    if device.platform == "cpu":
        free = free_memory()
    else:
        facts = device.memory_stats() or {}
        free = facts.get("bytes_limit", needed) - facts.get("bytes_in_use", 0)
    if needed > free:
        raise InputError(
            f"a training step needs {needed / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: lower training.batch "
            "or network.width"
        )
