"""A PyTorch network is a score, has losses at fixed t, and its weights are ours and back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rfscore.errors import InputError
from rfscore.networks import UNet
from rfscore.networks.released import from_torch, to_torch
from rfscore.networks.schedule import ALPHA_BAR, index_of

torch = pytest.importorskip("torch", reason="needs PyTorch")
from rfscore.pytorch import fixed_time_loss, score  # noqa: E402
from rfscore.sampling import sample  # noqa: E402
from tests.reference.torch_unet import TorchUNet  # noqa: E402


class GaussianNet(torch.nn.Module):
    """The exact denoiser of N(0, variance) data, in the form asked for; dropout shows whether it evaluates."""

    def __init__(self, variance, predicts):
        super().__init__()
        self.variance, self.predicts, self.drop = variance, predicts, torch.nn.Dropout(0.5)
        self.one = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("alpha_bar", torch.tensor(ALPHA_BAR, dtype=torch.float32))

    def forward(self, x, index):
        a2 = self.alpha_bar[index].reshape(-1, *[1] * (x.ndim - 1))
        a, s, total = a2.sqrt(), (1 - a2).sqrt(), a2 * self.variance + 1 - a2
        noise, data = s * x / total, a * self.variance * x / total
        answer = {"noise": noise, "data": data, "v": a * noise - s * data, "score": -x / total}[self.predicts]
        return self.drop(self.one * answer)


FORMS = ["noise", "data", "v", "score"]


@pytest.mark.parametrize("predicts", FORMS)
def test_every_form_is_the_score_of_its_data(predicts):
    net = GaussianNet(0.25, predicts)
    s = score(net, ALPHA_BAR, predicts=predicts)
    for t in (0.01, 0.3, 3.0):
        t = float(-0.5 * np.log(ALPHA_BAR[index_of(t)]))
        x = jnp.linspace(-2.0, 2.0, 12).reshape(4, 3)
        expected = -x / (np.exp(-2 * t) * 0.25 + 1 - np.exp(-2 * t))
        np.testing.assert_allclose(s(x, jnp.asarray(t)), expected, rtol=2e-4, atol=1e-5)
    assert net.training  # the mode came back


def test_samples_are_those_of_the_same_score_in_jax():
    times = -0.5 * np.log(ALPHA_BAR[np.linspace(999, 0, 60).astype(int)])
    found, expected = (
        sample(s, (800, 4), times, jax.random.key(0))
        for s in (score(GaussianNet(0.25, "noise"), ALPHA_BAR), lambda x, t: -x / (1 - 0.75 * jnp.exp(-2 * t)))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert abs(float(found.std()) - 0.5) < 0.05


@pytest.mark.parametrize("predicts", FORMS)
def test_the_loss_at_fixed_t_is_that_of_the_exact_denoiser(predicts):
    points = 0.5 * np.random.default_rng(0).standard_normal((600, 5))
    t = -0.5 * np.log(ALPHA_BAR[index_of(0.1)])
    found, error = fixed_time_loss(GaussianNet(0.25, predicts), points, 0.1, ALPHA_BAR, predicts=predicts)
    a2 = np.exp(-2 * t)
    expected = a2 * 0.25 / (a2 * 0.25 + 1 - a2)  # (1/d) E|E[xi|x] - xi|^2
    assert abs(found - expected) < 4 * error + 0.01 * expected and 0 < error < 0.02


def test_wrong_modules_and_schedules_are_refused():
    net = GaussianNet(0.25, "noise")
    with pytest.raises(InputError, match="descending"):
        score(net, ALPHA_BAR[::-1])
    with pytest.raises(InputError, match="diffusion time of the schedule"):
        fixed_time_loss(net, np.ones((2, 2)), 50.0, ALPHA_BAR)
    with pytest.raises(InputError, match="x's shape"):
        fixed_time_loss(torch.nn.Module.__new__(Wrong), np.ones((2, 2)), 0.1, ALPHA_BAR)


class Wrong(torch.nn.Module):
    training = False

    def parameters(self):
        return iter(())

    def eval(self):
        return self

    def train(self, mode=True):
        return self

    def __call__(self, x, index):
        return x[:, :1]


@pytest.fixture(scope="module")
def twin():
    torch.manual_seed(0)
    net = TorchUNet(8, dropout=0.0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.2)
    return net.eval()


def test_a_checkpoint_becomes_ours_and_is_the_same_function(tmp_path, twin):
    torch.save({f"module.{name}": value for name, value in twin.state_dict().items()}, tmp_path / "Model_1000")
    ours = from_torch(tmp_path / "Model_1000", dropout=0.0)
    x, index = np.random.default_rng(1).normal(size=(2, 1, 8, 8)).astype(np.float32), np.array([3, 700])
    with torch.no_grad():
        expected = twin(torch.tensor(x), torch.tensor(index)).numpy()
    np.testing.assert_allclose(ours.batch(jnp.asarray(x), jnp.asarray(index)), expected, rtol=1e-3,
                               atol=1e-4 * np.abs(expected).max())  # fmt: skip
    back = to_torch(ours)
    for (_, there), here in zip(twin.state_dict().items(), back.values(), strict=True):
        np.testing.assert_allclose(here, there.numpy(), atol=2e-5)
    assert list(back)[:4] == ["time_embeddings.time_blocks.0.weight", "time_embeddings.time_blocks.1.weight",
                              "time_embeddings.time_blocks.1.bias", "time_embeddings.time_blocks.3.weight"]  # fmt: skip


def test_another_order_of_the_table_is_the_same_network(twin):
    tensors = {name: value.numpy() for name, value in twin.state_dict().items()}
    names, order = list(tensors), np.random.default_rng(2).permutation(8)
    mixed = tensors | {names[0]: tensors[names[0]][:, order], names[1]: tensors[names[1]][:, order]}
    np.testing.assert_array_equal(from_torch(mixed).time1.weight, from_torch(tensors).time1.weight)
    with pytest.raises(InputError, match="table of times in the checkpoint"):
        from_torch(tensors | {names[0]: 2 * tensors[names[0]]})
    with pytest.raises(InputError, match="shape of"):
        from_torch(tensors | {names[3]: tensors[names[3]][:-1]})
    with pytest.raises(InputError, match="tensors of the checkpoint"):
        from_torch({name: tensors[name] for name in names[:-1]})


def test_ours_goes_into_theirs():
    net = UNet(8, key=jax.random.key(0))
    twin = TorchUNet(8)
    weights = to_torch(net)
    twin.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in
                          zip(twin.state_dict(), weights.values(), strict=True)})  # fmt: skip
    np.testing.assert_array_equal(twin.enter.weight.detach().numpy(), net.enter.weight)
