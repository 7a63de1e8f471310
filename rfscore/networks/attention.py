r"""Softmax attention of one image, in the order of operations that suits the machine.

On an accelerator all images go at once, through JAX's own attention. On a CPU the weights (pixels x pixels per head) of
a whole batch do not fit the caches, and writing and reading them took half of a training step; there, images go one by
one, the weights are made again in the backward pass, and their sum is one more column of the product that uses them.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Tokens = Float[Array, "T heads c"]


def _one_image(q: Tokens, k: Tokens, v: Tokens) -> Tokens:
    """softmax(q k^T/sqrt c) v per head, the normalisation last."""
    scores = jnp.einsum("shc,thc->hst", q, k).astype(jnp.float32) / q.shape[-1] ** 0.5
    # Softmax does not depend on the shift: no gradient passes through it.
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(-1, keepdims=True))).astype(v.dtype)
    sums = jnp.einsum("hst,thc->shc", weights, jnp.concatenate([v, jnp.ones_like(v[..., :1])], axis=-1))
    return sums[..., :-1] / sums[..., -1:]


@jax.custom_batching.sequential_vmap
def _forward(q: Tokens, k: Tokens, v: Tokens) -> Tokens:
    return _one_image(q, k, v)


@jax.custom_batching.sequential_vmap
def _backward(q: Tokens, k: Tokens, v: Tokens, slope: Tokens) -> tuple[Tokens, Tokens, Tokens]:
    found: tuple[Tokens, Tokens, Tokens] = jax.vjp(_one_image, q, k, v)[1](slope)
    return found


_in_turn = jax.custom_vjp(_forward)
_in_turn.defvjp(lambda q, k, v: (_forward(q, k, v), (q, k, v)), lambda kept, slope: _backward(*kept, slope))


def attention(q: Tokens, k: Tokens, v: Tokens) -> Tokens:
    """sum_t softmax_t(q_s . k_t/sqrt c) v_t for every token s and head; batches by `jax.vmap`."""
    if jax.default_backend() == "cpu":
        result: Tokens = _in_turn(q, k, v)
        return result
    return jax.nn.dot_product_attention(q, k, v)
