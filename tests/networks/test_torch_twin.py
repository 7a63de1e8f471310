"""The U-Net and an eager PyTorch one with the same weights are the same function with the same gradient."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rfscore.networks import ResidualMLP, UNet, parameter_count

torch = pytest.importorskip("torch")
from tests.reference.torch_mlp import TorchMLP  # noqa: E402
from tests.reference.torch_unet import TorchUNet, copy_weights  # noqa: E402

WIDTH, INDEX = 8, np.array([3, 700])
TOLERANCE = 1e-4  # of the largest entry: both compute in float32


@pytest.fixture(scope="module")
def network():
    """Every weight is drawn, biases and norms included: at its usual start a swapped or missing one would not show."""
    rng = np.random.default_rng(0)
    shapes = eqx.filter_eval_shape(lambda key: UNet(WIDTH, dropout=0.0, key=key), jax.random.key(0))

    def draw(leaf):
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        return jnp.asarray(rng.normal(size=leaf.shape) / np.sqrt(np.prod(leaf.shape[1:])), dtype=jnp.float32)

    return jax.tree.map(draw, shapes)


def twin_of(network):
    twin = TorchUNet(WIDTH, dropout=0.0)
    copy_weights(network, twin)
    return twin


def drawn(size, seed):
    return np.random.default_rng(seed).normal(size=(len(INDEX), 1, size, size)).astype(np.float32)


def assert_close(found, expected, floor=0.0):
    expected = expected.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE * max(np.abs(expected).max(), floor))


def test_both_have_the_same_number_of_parameters(network):
    assert sum(p.numel() for p in twin_of(network).parameters()) == parameter_count(network)


def test_the_residual_network_is_that_of_its_twin():
    ours, twin = ResidualMLP(8, 32, key=jax.random.key(0)), TorchMLP(8, 32)
    copy_weights(ours, twin)
    x = np.random.default_rng(5).normal(size=(2, 8)).astype(np.float32)
    assert_close(jax.vmap(ours)(jnp.asarray(x), jnp.asarray(INDEX)), twin(torch.tensor(x), torch.tensor(INDEX)))
    assert sum(p.numel() for p in twin.parameters()) == parameter_count(ours)


@pytest.mark.slow  # compiles a U-Net
def test_answers_are_those_of_the_twin(network):
    x = drawn(16, 1)
    found = eqx.filter_jit(lambda net: net.batch(jnp.asarray(x), jnp.asarray(INDEX)))(network)
    assert_close(found, twin_of(network)(torch.tensor(x), torch.tensor(INDEX)))


@pytest.mark.slow  # compiles a U-Net and its gradient
def test_answers_and_all_gradients_are_those_of_the_twin(network):
    x, noise = drawn(8, 2), drawn(8, 3)

    @eqx.filter_jit
    @eqx.filter_grad(has_aux=True)
    def gradient_and_answer(network):
        answer = network.batch(jnp.asarray(x), jnp.asarray(INDEX))
        return jnp.mean((answer - noise) ** 2), answer

    gradient, answer = gradient_and_answer(network)
    twin, moved = twin_of(network), twin_of(gradient)
    found = twin(torch.tensor(x), torch.tensor(INDEX))
    torch.mean((found - torch.tensor(noise)) ** 2).backward()
    assert_close(answer, found)
    # Some gradients are 0 but for rounding: of key biases, and of what a group norm takes out again right after.
    floor = 1e-3 * max(float(p.grad.abs().max()) for p in twin.parameters())
    for expected, got in zip(twin.parameters(), moved.parameters(), strict=True):
        assert_close(got.detach().numpy(), expected.grad, floor)
