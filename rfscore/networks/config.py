"""What a network run is: data, network, training, measurement. Read from TOML, which is data and never code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from rfscore._text import read_toml, toml_value
from rfscore.errors import bad
from rfscore.networks import named


@dataclass(frozen=True)
class DataConfig:
    """The data.

    Attributes:
        source: "digits" (8x8, shipped with scikit-learn), "mixture" (two Gaussians, paper SM B), or the path of an
            npz of uint8 images, a folder, or CelebA's img_align_celeba.zip.
        n: training points.
        test: held-out points: the last ones of the data set, never trained on.
        size: images are resized to size x size (short side, then centre crop); 0 keeps them.
        dimension: d of the mixture.
        subset: which block of n training points: numbers subset n ... (subset + 1) n - 1, as in the paper.
        key: which array of an npz holds the images; empty where one is named `images` or only one holds any.
    """

    source: str = "digits"
    n: int = 64
    test: int = 512
    size: int = 0
    dimension: int = 8
    subset: int = 0
    key: str = ""


@dataclass(frozen=True)
class NetworkConfig:
    """The network; `width` is W.

    Attributes:
        kind: "unet" for images, "mlp" for the mixture, or "module:function" for your own (`rfscore.networks.named`).
        width: W.
        dropout: of the U-Net.
        conditional: told the class of every point.
    """

    kind: str = "unet"
    width: int = 8
    dropout: float = 0.1
    conditional: bool = False


@dataclass(frozen=True)
class TrainingConfig:
    """The optimisation; tau counts its steps.

    Attributes:
        optimizer: "sgd" (with momentum) or "adam".
        learning_rate: step size.
        momentum: of SGD.
        batch: images a step, at most n; 0 is full batch.
        steps: how many.
        snapshots: how many log-spaced steps keep their weights, the last one included.
        first_snapshot: the first of them; step 0 is kept as well.
        t: 0 to train all diffusion times, or the one to train.
        precision: "float32", or "bfloat16" for the network's arithmetic (weights and optimiser stay float32).
        label_dropout: share of labels hidden while training a conditional network.
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.95
    batch: int = 32
    steps: int = 2000
    snapshots: int = 16
    first_snapshot: int = 50
    t: float = 0.0
    precision: str = "float32"
    label_dropout: float = 0.1


@dataclass(frozen=True)
class MeasurementConfig:
    """What is measured of every snapshot.

    Attributes:
        t: fixed diffusion time of the losses.
        t_later: a second one, for the curves train_loss_later and test_loss_later; 0 for none.
        noises: noise draws per point.
        samples: generated samples; 0 generates none.
        sample_from: the first step whose snapshot is sampled.
        sampler: "ddim" or "sde" (the reverse SDE).
        sampler_steps: steps of the sampler, at most 1000.
        quality: whether to compute Frechet and kernel distances (images; a kept ImageNet network).
        test_sets: into how many disjoint sets the held-out images are cut for them; distances are means over these.
        guidance: weight of classifier-free guidance in sampling a conditional network; 0 samples without labels.
    """

    t: float = 0.01
    t_later: float = 0.0
    noises: int = 5
    samples: int = 500
    sample_from: int = 0
    sampler: str = "ddim"
    sampler_steps: int = 100
    quality: bool = True
    test_sets: int = 1
    guidance: float = 0.0


@dataclass(frozen=True)
class RunConfig:
    """All that decides a run's numbers, the seed included."""

    name: str = "run"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    measurement: MeasurementConfig = field(default_factory=MeasurementConfig)

    @property
    def batch(self) -> int:
        """Points a step really takes: at most n, n when full batch was asked for."""
        return min(self.training.batch or self.data.n, self.data.n)

    @property
    def fingerprint(self) -> str:
        """Checksum of everything that a trained step depends on; runs and checkpoints with another one do not mix.

        How long a run is and which steps it keeps are left out: no step depends on them, and a run may be prolonged.
        """
        plain = dataclasses.asdict(self)
        del plain["name"], plain["measurement"]
        for length in ("steps", "snapshots", "first_snapshot"):
            del plain["training"][length]
        if ":" in self.network.kind:
            plain["network"]["source"] = named.source(self.network.kind)
        if not self.data.key:
            del plain["data"]["key"]  # so that runs from before it keep their mark
        if not self.data.source.isalpha():  # where the archive lies does not matter, its content is checked by hash
            plain["data"]["source"] = Path(self.data.source).name
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**31 - 1), "data.n": (2, 10**7), "data.test": (2, 10**7), "data.size": (0, 1024),
    "data.dimension": (1, 10**4), "data.subset": (0, 10**7), "network.width": (2, 1024), "network.dropout": (0, 0.9),
    "training.learning_rate": (1e-12, 1e3), "training.momentum": (0, 0.9999), "training.batch": (0, 10**6),
    "training.steps": (1, 10**9), "training.snapshots": (2, 1000), "training.first_snapshot": (1, 10**9),
    "training.t": (0, 5), "training.label_dropout": (0, 1), "measurement.t": (1e-4, 5), "measurement.noises": (1, 1000),
    "measurement.t_later": (0, 5), "measurement.sample_from": (0, 10**9), "measurement.test_sets": (1, 100),
    "measurement.samples": (0, 10**6), "measurement.sampler_steps": (2, 1000), "measurement.guidance": (0, 100),
}  # fmt: skip
_CHOICES = {
    "network.kind": ("unet", "mlp"), "training.optimizer": ("adam", "sgd"),
    "training.precision": ("float32", "bfloat16"), "measurement.sampler": ("ddim", "sde"),
}  # fmt: skip


def _build(kind: Any, values: Any, prefix: str) -> Any:
    """A config dataclass from a TOML table, every key known and of its type and range."""
    if not isinstance(values, dict):
        raise bad(prefix.rstrip(".") or "config", values, "a table")
    known = {f.name: f for f in dataclasses.fields(kind)}
    found = {}
    for key, value in values.items():
        name = prefix + key
        if key not in known:
            raise bad(f"config key {name!r}", value, f"one of {sorted(known)}", "remove or rename it")
        default = getattr(kind(), key)
        found[key] = (
            _build(type(default), value, f"{name}.")
            if dataclasses.is_dataclass(default)
            else _leaf(name, value, default)
        )
    return kind(**found)


def _leaf(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise bad(name, value, f"a {type(default).__name__}")
    low, high = _RANGES.get(name, (-float("inf"), float("inf")))
    if isinstance(value, int | float) and not low <= value <= high:
        raise bad(name, value, f"a {type(default).__name__} in [{low:g}, {high:g}]")
    own = name == "network.kind" and all(value.partition(":"))
    if name in _CHOICES and value not in _CHOICES[name] and not own:
        also = ", or 'module:function' for your own" if name == "network.kind" else ""
        raise bad(name, value, f"one of {_CHOICES[name]}{also}")
    return value


def from_plain(plain: dict[str, Any]) -> RunConfig:
    """A checked RunConfig from nested dictionaries.

    Raises:
        InputError: unknown keys, wrong types, values out of range, or a combination that makes no sense.

    Example:
        >>> from rfscore.networks import config
        >>> config.from_plain({"data": {"n": 128}}).batch
        32
    """
    config: RunConfig = _build(RunConfig, plain, "")
    if ":" in config.network.kind:
        named.function(config.network.kind)
    elif (config.network.kind == "mlp") != (config.data.source == "mixture"):
        raise bad("network.kind", config.network.kind, "'mlp' for the mixture, 'unet' for images")
    if config.training.first_snapshot > config.training.steps:
        raise bad("training.first_snapshot", config.training.first_snapshot, f"at most {config.training.steps} steps")
    if config.network.conditional and config.data.source not in ("digits", "mixture"):
        raise bad("network.conditional", True, "data with labels: 'digits' or 'mixture'")
    if config.measurement.guidance and not config.network.conditional:
        raise bad("measurement.guidance", config.measurement.guidance, "0 for an unconditional network")
    return config


def read(path: str | PathLike[str], overrides: list[str] | tuple[str, ...] = ()) -> RunConfig:
    """A RunConfig from a TOML file, with `section.key=value` overrides.

    Raises:
        InputError: no such file, no TOML, or bad content (see `from_plain`).
    """
    plain = read_toml(path, "config")
    for text in overrides:
        name, equals, value = text.partition("=")
        if not equals:
            raise bad("--set", text, "section.key=value, e.g. data.n=256")
        try:
            parsed = tomllib.loads(f"x = {value}")["x"]
        except tomllib.TOMLDecodeError:
            parsed = value.strip()
        *sections, key = name.strip().split(".")
        table = plain
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise bad("--set", text, "section.key=value", f"{section!r} is no section")
        table[key] = parsed
    return from_plain(plain)


def to_toml(config: RunConfig) -> str:
    """The complete config as TOML, defaults written out.

    Raises:
        InputError: a name or path that is not UTF-8.
    """
    plain = dataclasses.asdict(config)
    tables = {key: value for key, value in plain.items() if isinstance(value, dict)}
    lines = [f"{key} = {toml_value(value)}" for key, value in plain.items() if key not in tables]
    for section, values in tables.items():
        lines += ["", f"[{section}]", *(f"{key} = {toml_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"
