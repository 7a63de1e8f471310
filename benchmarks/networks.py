"""The networks: a training step, sampling and f_mem, each beside something measured in the same run.

On a CPU everything but f_mem runs on one core, the eager PyTorch twin (where torch is installed) included, and what
counts is the time of that core: how two libraries share out cores, and what else the machine does, would otherwise be
part of the ratio. Every measurement has a process of its own, because
pools of threads are as large as the cores that a process sees at its start.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.clock import Row, best, numbers, once
from rfscore.memorization import memorised_fraction
from rfscore.networks.config import DataConfig, MeasurementConfig, NetworkConfig, RunConfig, TrainingConfig
from rfscore.networks.data import Dataset, load
from rfscore.networks.measure import generate
from rfscore.networks.network import new_network
from rfscore.networks.schedule import STEPS
from rfscore.networks.train import Trainer

_PIN = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
_CALL = "from benchmarks import networks; print(*networks.{}({}))"
#: FLOPs of a training step on one image of 32 x 32 at W = 1 (1.74e12 at W = 32, batch 512): forward and backward.
_FLOPS = 1.74e12 / (512 * 32**2)
_RATE = 1e-3


def platform() -> tuple[float, float]:
    """(JAX has an accelerator, PyTorch can be run on the same device): of a process that ends before the others."""
    accelerated = jax.devices()[0].platform != "cpu"
    usable = importlib.util.find_spec("torch") is not None
    if usable and accelerated:
        import torch

        usable = torch.cuda.is_available()
    return float(accelerated), float(usable)


def _setting(width: int, batch: int, size: int, sampler_steps: int = 100) -> tuple[RunConfig, Dataset]:
    """A run of the paper's kind, SGD with momentum, on noise: speed does not depend on what the images show."""
    points = np.random.default_rng(0).standard_normal((4 * batch, 1, size, size)).astype(np.float32)
    nothing = np.full(len(points), -1)
    data = Dataset(points, points[:2], nothing, 0, 0.0, np.ones(size * size), "noise", "")
    config = RunConfig(
        data=DataConfig(n=len(points)),
        network=NetworkConfig(width=width),
        training=TrainingConfig(optimizer="sgd", learning_rate=_RATE, batch=batch),
        measurement=MeasurementConfig(sampler_steps=sampler_steps),
    )
    return config, data


def training(width: int, batch: int, size: int, steps: int) -> tuple[float]:
    """Seconds per step of the trainer as it is shipped, compiled and warm."""
    return (_per_step(*_setting(width, batch, size), steps),)


def mlp_training(width: int, n: int, steps: int) -> tuple[float]:
    """Seconds per step of the mixture's network, full batch."""
    config = RunConfig(
        data=DataConfig(source="mixture", n=n, test=256),
        network=NetworkConfig(kind="mlp", width=width),
        training=TrainingConfig(optimizer="sgd", learning_rate=6 * _RATE, batch=0),
    )
    return (_per_step(config, load(config.data), steps),)


def _per_step(config: RunConfig, data: Dataset, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, data, Path(folder))
        trainer.advance(1)
        return min(_core(lambda: trainer.advance(trainer.step + steps)) for _ in range(2)) / steps


def _core(function: Callable[[], object]) -> float:
    """Time of the one core a process is bound to; of the wall where there is an accelerator."""
    if jax.devices()[0].platform != "cpu":
        return once(function)
    start = time.process_time()
    function()
    return time.process_time() - start


def sampling(width: int, images: int, size: int, steps: int) -> tuple[float]:
    """Seconds for so many images by DDIM."""
    config, data = _setting(width, images, size, steps)
    network = new_network(config, data)
    generate(network, data, config, images, jax.random.key(0))
    return (_core(lambda: generate(network, data, config, images, jax.random.key(0))),)


def torch_training(width: int, batch: int, size: int, steps: int) -> tuple[float]:
    """Seconds per step of the eager PyTorch twin, on one thread or on the GPU."""
    from tests.reference.torch_unet import TorchUNet

    return (_torch_per_step(TorchUNet(width), (batch, 1, size, size), steps),)


def torch_mlp_training(width: int, n: int, steps: int) -> tuple[float]:
    """The same of the twin of the mixture's network."""
    from tests.reference.torch_mlp import TorchMLP

    return (_torch_per_step(TorchMLP(8, width), (n, 8), steps),)


def _torch_per_step(network: Any, shape: tuple[int, ...], steps: int) -> float:
    import torch

    torch.set_num_threads(1)
    device, batch = "cuda" if torch.cuda.is_available() else "cpu", shape[0]
    network = network.to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=_RATE, momentum=0.95)
    x, noise = torch.randn((2, *shape), device=device)
    index = torch.randint(STEPS, (batch,), device=device)

    def advance(count: int) -> None:
        for _ in range(count):
            optimiser.zero_grad()
            loss = torch.mean((network(x, index) - noise) ** 2)
            loss.backward()
            optimiser.step()
        loss.item()  # waits for the GPU

    advance(1)
    return min(_core(lambda: advance(steps)) for _ in range(2)) / steps


def torch_sampling(width: int, images: int, size: int, steps: int) -> tuple[float]:
    """Seconds for as many evaluations of the twin as DDIM needs; its few sums an image are left out."""
    import torch

    from tests.reference.torch_unet import TorchUNet

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = TorchUNet(width).to(device).eval()
    start = torch.randn((images, 1, size, size), device=device)
    index = torch.full((images,), STEPS // 2, device=device)

    def run(count: int) -> None:
        x = start
        with torch.inference_mode():
            for _ in range(count):
                x = network(x, index)
            x.sum().item()

    run(1)
    return (_core(lambda: run(steps)),)


def gemm(flops: float) -> tuple[float]:
    """Seconds that float32 matrix products take for so many FLOPs, from the rate of one on the same device."""
    if jax.devices()[0].platform == "cpu":
        a = np.random.default_rng(0).standard_normal((2048, 2048), dtype=np.float32)
        seconds = best(lambda: a @ a, 3)
    else:
        a = jnp.ones((8192, 8192), dtype=jnp.float32)
        seconds = best(jax.jit(lambda: a @ a).lower().compile().__call__, 3)
    return (seconds * flops / (2 * len(a) ** 3),)


def memorised(samples: int, images: int, pixels: int) -> tuple[float, float]:
    """Seconds of f_mem, and of the bare float32 product of the same size."""
    rng = np.random.default_rng(0)
    # Variances 1/j: about those of natural images. White noise has no near neighbours to speak of.
    scale = (1.0 / np.sqrt(np.arange(1, pixels + 1))).astype(np.float32)
    x = rng.standard_normal((samples, pixels), dtype=np.float32) * scale
    train = rng.standard_normal((images, pixels), dtype=np.float32) * scale
    return best(lambda: memorised_fraction(x, train), 2), best(lambda: x @ train.T, 2)


def rows(step: Callable[[str], None], quick: bool = False) -> list[Row]:
    """Training, sampling and f_mem; `quick` only shows that they run."""
    step("which device")
    accelerated, twin = (bool(flag) for flag in numbers(_CALL.format("platform", "")))
    pin = "" if accelerated else _PIN

    def measured(name: str, *arguments: float) -> float:
        return numbers(pin + _CALL.format(name, ", ".join(map(repr, arguments))))[0]

    def reference(name: str, flops: float, *arguments: int) -> tuple[str, float]:
        if twin:
            where = "the same GPU" if accelerated else "one thread"
            return f"eager PyTorch twin, {where}", measured(f"torch_{name}", *arguments)
        return f"float32 matrix products of {flops:.1e} FLOPs", measured("gemm", flops)

    found = []
    batch = 4 if quick else 512 if accelerated else 32
    where = "the GPU" if accelerated else "one core"
    for width in (8,) if quick else (16, 32):
        for size in (8,) if quick else (16, 32):
            scale = _FLOPS * (size / 32) ** 2
            what = f"training step, W = {width}, batch {batch}, {size} x {size}"
            step(what)
            arguments = (width, batch, size, 50 if accelerated else 4)
            seconds = measured("training", *arguments)
            beside = reference("training", scale * width**2 * batch, *arguments)
            found.append(Row(f"{what}, {where}: {batch / seconds:.3g} images/s", seconds, *beside))
    for n in (16,) if quick else (256, 1024):
        what = f"training step of the mixture's network, W = 128, full batch n = {n}"
        step(what)
        seconds = measured("mlp_training", 128, n, 50)
        flops = 6.0 * n * 128 * (6 * 128 + 16)
        found.append(Row(f"{what}, {where}", seconds, *reference("mlp_training", flops, 128, n, 50)))
    width, images, steps = (8, 4, 5) if quick else (16, 32, 50)
    what = f"{images} images by {steps} DDIM steps, W = {width}, {size} x {size}"
    step(what)
    seconds = measured("sampling", width, images, size, steps)
    # A training step is a forward pass and a backward one that costs two.
    beside = reference("sampling", scale / 3 * width**2 * images * steps, width, images, size, steps)
    found.append(Row(f"{what}, {where}: {images / seconds:.3g} images/s", seconds, *beside))
    sizes = (100, 2048, 64) if quick else (2000, 32768, 1024)
    what = "f_mem of {} samples against {} images of {} pixels, all cores".format(*sizes)
    step(what)
    seconds, bare = numbers(_CALL.format("memorised", ", ".join(map(str, sizes))))
    found.append(Row(what, seconds, "bare float32 matrix product of that size", bare))
    return found
