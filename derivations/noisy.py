"""A Gaussian draw trained with gradient noise: by runs, by the recursion of its second moments, by (D12.5)."""

from __future__ import annotations

import numpy as np


def draw(size: int, seed: int = 0) -> dict[str, np.ndarray]:
    """W, the common parts, B, U, V and the population of a Gaussian draw: psi_n = 2, psi_p = 3."""
    rng, n, p = np.random.default_rng(seed), 2 * size, 3 * size
    w = rng.standard_normal((p, size)) / np.sqrt(size)
    c = np.sqrt(0.3) * w @ rng.standard_normal((size, n)) + 0.2 * rng.standard_normal((p, n))
    b = 0.2 * w @ w.T + np.eye(p) / 30
    u = c @ c.T / n + b
    return {"w": w, "c": c, "B": b, "U": u, "V": np.sqrt(0.2) * w, "T": 0.3 * w @ w.T + 0.04 * np.eye(p) + b}


def _parts(m: dict[str, np.ndarray], theta: np.ndarray, s: np.ndarray) -> tuple[float, float]:
    """R and Q."""
    size, c_n = len(theta), m["U"] - m["B"]
    own = 1 + (np.sum(theta @ m["B"] * theta) + 2 * np.sum(theta * m["V"].T)) / size + np.sum(s * m["B"])
    return float(np.sum(theta @ c_n * theta) / size + np.sum(s * c_n)), float(own)


def recursion(m: dict[str, np.ndarray], x: float, batch: float, steps: int) -> np.ndarray:
    """Training losses by the recursion of the p x p matrix S."""
    n, p = m["c"].shape[1], len(m["U"])
    theta, s, step = np.zeros(m["V"].T.shape), np.zeros((p, p)), np.eye(p) - x * m["U"]
    losses = []
    for _ in range(steps):
        r, q = _parts(m, theta, s)
        losses.append(r + q)
        source = r * (m["B"] + (1 - batch) * (m["U"] - m["B"])) + q * m["U"]
        theta, s = theta - x * (theta @ m["U"] + m["V"].T), step @ s @ step + x * x / (batch * n) * source
    return np.array(losses)


def by_kernels(m: dict[str, np.ndarray], x: float, batch: float, steps: int) -> np.ndarray:
    """The same by (D12.5)."""
    n, p = m["c"].shape[1], len(m["U"])
    c_n = m["U"] - m["B"]
    sources, power, kernels = (m["B"] + (1 - batch) * c_n, m["U"]), np.eye(p), []
    for _ in range(steps):
        moved = [power @ source @ power for source in sources]
        kernels.append(x * x / (batch * n) * np.array([[np.sum(a * b) for b in moved] for a in (c_n, m["B"])]))
        power = power @ (np.eye(p) - x * m["U"])
    theta, found = np.zeros(m["V"].T.shape), []
    for k in range(steps):
        memory = [kernels[k - 1 - j] @ found[j] for j in range(k)]
        found.append(np.array(_parts(m, theta, np.zeros((p, p)))) + np.sum(memory, axis=0))
        theta = theta - x * (theta @ m["U"] + m["V"].T)
    return np.array([pair.sum() for pair in found])


def run(m: dict[str, np.ndarray], x: float, batch: float, steps: int, seed: int) -> np.ndarray:
    """Training losses of one run."""
    rng, (p, n) = np.random.default_rng(seed), m["c"].shape
    size, theta, losses = m["w"].shape[1], np.zeros(m["V"].T.shape), []
    for _ in range(steps):
        losses.append(1 + (np.sum(theta @ m["U"] * theta) + 2 * np.sum(theta * m["V"].T)) / size)
        rows = rng.permutation(n)[: round(batch * n)]
        xi = rng.standard_normal((size, rows.size))
        phi = m["c"][:, rows] + m["V"] @ xi + np.sqrt(1 / 30) * rng.standard_normal((p, rows.size))
        theta = theta - x * (theta @ phi + xi) @ phi.T / rows.size
    return np.array(losses)
