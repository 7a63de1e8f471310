"""A small run on the mixture, for every test that needs one: trains in seconds."""

import jax
import pytest

from rfscore.networks import config as configs

OPTIONS = {"jax_compilation_cache_dir": "", "jax_persistent_cache_min_compile_time_secs": 0.5}


@pytest.fixture
def small():
    return configs.from_plain({
        "name": "small", "data": {"source": "mixture", "n": 64, "test": 128}, "network": {"kind": "mlp", "width": 16},
        "training": {"batch": 16, "steps": 60, "snapshots": 4, "first_snapshot": 5},
        "measurement": {"samples": 64, "sampler_steps": 10, "noises": 3},
    })  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory):
    """The same small network is compiled once for all tests."""
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    for name, value in OPTIONS.items():
        jax.config.update(name, value or str(tmp_path_factory.mktemp("compiled")))
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
