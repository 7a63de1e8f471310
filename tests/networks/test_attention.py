"""Attention image by image is the softmax average it stands for, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np

from rfscore.networks.attention import attention


def plain(q, k, v):
    scores = jnp.einsum("shc,thc->hst", q, k) / np.sqrt(q.shape[-1])
    return jnp.einsum("hst,thc->shc", jax.nn.softmax(scores, axis=-1), v)


def test_attention_and_its_gradient_are_those_of_the_definition():
    # Large entries: the largest score of a row reaches 60, which an exponential without the shift would not survive.
    points = 4.0 * jax.random.normal(jax.random.key(0), (3, 5, 12, 2, 8))

    def loss(function, points):
        return jnp.sum(jnp.sin(jax.vmap(function)(*points)))

    np.testing.assert_allclose(jax.vmap(attention)(*points), jax.vmap(plain)(*points), rtol=2e-4, atol=2e-5)
    found, wanted = (jax.grad(loss, argnums=1)(function, points) for function in (attention, plain))
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-4)


def test_accelerators_get_the_same_function(monkeypatch):
    points = jax.random.normal(jax.random.key(1), (3, 2, 12, 2, 8))
    here = jax.vmap(attention)(*points)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(jax.vmap(attention)(*points), here, rtol=1e-4, atol=1e-5)
