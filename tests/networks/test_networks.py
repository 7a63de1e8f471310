"""The two denoisers: parameter counts of the paper, shapes, and what their arguments do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rfscore as rf
from rfscore.errors import InputError
from rfscore.networks import ResidualMLP, UNet, data, named, network, parameter_count, run
from rfscore.networks import config as configs
from rfscore.networks.measure import measure_run


def shapes_of(make):
    return eqx.filter_eval_shape(make, jax.random.key(0))


@pytest.mark.parametrize("width", [8, 16, 32, 48, 64])
def test_unet_has_the_parameters_of_the_paper(width):
    net = shapes_of(lambda key: UNet(width, key=key))
    count = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(net) if isinstance(leaf, jax.ShapeDtypeStruct))
    assert count == 3910 * width**2 + 606 * width + 1


@pytest.mark.parametrize(("d", "width", "count"), [(8, 64, 26_440), (8, 128, 102_024), (8, 256, 400_648)])
def test_mlp_has_the_parameters_of_the_paper(d, width, count):
    net = shapes_of(lambda key: ResidualMLP(d, width, key=key))
    assert parameter_count(ResidualMLP(2, 4, key=jax.random.key(0))) == 4 * 17 + 2 + 96
    assert sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(net) if hasattr(leaf, "shape")) == count


@pytest.mark.parametrize("size", [8, 16, 32])
def test_unet_answers_in_the_shape_of_its_image(size):
    make = lambda key: UNet(8, key=key)(jnp.zeros((1, size, size)), jnp.asarray(3), key=key)  # noqa: E731
    assert shapes_of(make).shape == (1, size, size)


def test_parts_of_the_unet_are_those_of_the_published_one():
    net = shapes_of(lambda key: UNet(32, key=key))

    def count(part):
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(part) if isinstance(leaf, jax.ShapeDtypeStruct))

    assert count((net.time1, net.time2)) == 20_736 and count(net.enter) == 320
    assert [count(level) for level in net.down] == [54_752, 218_816, 691_456]
    assert count(net.middle) == 690_688 and [count(level) for level in net.up] == [1_742_848, 490_624, 112_640]
    assert count((net.norm, net.leave)) == 353


def test_a_conditional_network_depends_on_its_label_and_an_unconditional_one_does_not():
    x, index = jnp.ones(8), jnp.asarray(5)
    labels = [jnp.asarray(k) for k in (-1, 0, 1)]
    for classes, different in ((0, 1), (2, 3)):
        net = ResidualMLP(8, 16, classes=classes, key=jax.random.key(0))
        assert len({float(net(x, index, label).sum()) for label in labels}) == different


@pytest.mark.parametrize("make", [lambda key: UNet(12, key=key), lambda key: UNet(0, key=key),
                                  lambda key: ResidualMLP(8, 7, key=key)])  # fmt: skip
def test_widths_that_do_not_fit_are_refused(make):
    with pytest.raises(rf.InputError, match="width"):
        make(jax.random.key(0))


@pytest.mark.slow  # compiles a U-Net
def test_a_batch_is_answered_as_its_images_one_by_one():
    """With their own indices, labels and dropout."""
    net = UNet(8, classes=3, dropout=0.3, key=jax.random.key(0))
    x, index, label = (
        jax.random.normal(jax.random.key(1), (3, 1, 8, 12)),
        jnp.array([3, 500, 999]),
        jnp.array([0, 2, -1]),
    )
    keys = jax.random.split(jax.random.key(2), 3)
    found = eqx.filter_jit(net.batch)(x, index, label, keys)
    one = eqx.filter_jit(lambda *each: net(*each))
    for i in range(3):
        np.testing.assert_allclose(found[i], one(x[i], index[i], label[i], keys[i]), rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # compiles a U-Net
def test_dropout_drops_channels_only_while_training():
    net = UNet(8, dropout=0.5, key=jax.random.key(0))
    call = eqx.filter_jit(lambda x, key: net(x, jnp.asarray(5), key=key))
    x = jax.random.normal(jax.random.key(1), (1, 8, 8))
    quiet = [call(x, None) for _ in range(2)]
    loud = [call(x, jax.random.key(k)) for k in range(2)]
    assert bool(jnp.all(quiet[0] == quiet[1])) and not bool(jnp.allclose(loud[0], loud[1], atol=1e-3))


@pytest.mark.parametrize("source", ["mixture", "digits"])
def test_a_users_network_is_trained_measured_and_resumed_by_its_name(source, tmp_path):
    plain = {
        "name": "own", "data": {"source": source, "n": 32, "test": 32},
        "network": {"kind": "tests.user_networks:Plain", "width": 16},
        "training": {"batch": 16, "steps": 40, "snapshots": 3, "first_snapshot": 5},
        "measurement": {"samples": 8, "sampler_steps": 4, "noises": 2, "quality": False},
    }  # fmt: skip
    config = configs.from_plain(plain)
    run.train(config, tmp_path / "run", lambda *_: None, until=20)
    run.train(config, tmp_path / "run", lambda *_: None, resume=True)
    losses = measure_run(*run.opened(tmp_path / "run"), lambda *_: None).curve("train_loss")[1]
    assert losses[-1] < losses[0] and configs.read(tmp_path / "run" / "config.toml") == config


def test_a_users_network_whose_source_changes_is_another_run(monkeypatch):
    config = configs.from_plain({"network": {"kind": "tests.user_networks:Plain"}})
    before = config.fingerprint
    monkeypatch.setattr(named, "source", lambda kind: "another")
    assert config.fingerprint != before


@pytest.mark.parametrize(
    ("kind", "said"), [("tests.user_networks:Missing", "a function of the module"), ("no_such_module:f", "PYTHONPATH"),
                       ("resnet", "module:function"), ("tests.user_networks:jnp", "a function or class")],
)  # fmt: skip
def test_a_users_network_that_is_not_there_is_refused(kind, said):
    with pytest.raises(InputError, match=said):
        configs.from_plain({"network": {"kind": kind}})


def test_a_users_network_of_another_shape_is_refused_before_training():
    config = configs.from_plain({"data": {"n": 8, "test": 8}, "network": {"kind": "tests.user_networks:wrong"}})
    with pytest.raises(InputError, match="answers network"):
        network.new_network(config, data.load(config.data))
