"""A slow, independent twin of the losses for any channel, target and mixture: plain NumPy, no Newton, no compilation.

The one-point equations are iterated with damping, the corner of the lift is an affine map that is probed and inverted,
and the inverse Laplace transform is a sum over a parabola (Weideman and Trefethen, Math. Comp. 76, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


def coefficients(signal: float, noise: float, variance: float) -> tuple[float, float, float, float]:
    """a, b, v2, s2 of tanh, by trapezoidal sums over one and two normal variables."""
    z = np.arange(-90, 91) / 10.0
    w = 0.1 * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    width = np.sqrt(signal**2 * variance + noise**2)
    a = float(w @ (z * np.tanh(width * z))) / width
    inner = np.tanh(signal * np.sqrt(variance) * z[:, None] + noise * z) @ w
    v2 = float(w @ inner**2) - (a * signal) ** 2 * variance
    return a, a * noise, v2, float(w @ np.tanh(width * z) ** 2) - (a * width) ** 2 - v2


@dataclass
class Twin:
    """Everything that the equations need, class by class and part by part."""

    psi_n: float
    psi_p: float
    signal: float
    noise: float
    on_data: float
    on_noise: float
    pi: Array
    lam: Array  # (K, L)
    weights: Array
    m: float = np.inf

    def __post_init__(self) -> None:
        variances = self.lam @ self.weights
        a, b, v2, s2 = np.array([coefficients(self.signal, self.noise, v) for v in variances]).T
        flat, part = np.ones_like(self.lam), 0.0 if np.isinf(self.m) else 1.0 / self.m
        data = (self.signal * a[:, None]) ** 2 * self.lam
        pull = self.on_data * self.signal * a[:, None] * self.lam
        own, push = b[:, None] ** 2 * flat, self.on_noise * b[:, None] * flat
        self.fresh, self.truth = (v2 + s2, data + own), pull + push
        self.power = self.on_data**2 * self.lam + self.on_noise**2
        self.level, self.profile = v2 + part * s2, data + part * own
        self.target, self.y2 = pull + part * push, self.on_data**2 * self.lam + part * self.on_noise**2
        self.share, self.ratio = self.pi, np.full(self.pi.size, self.psi_p / self.psi_n)
        self.fixed = (0.0, np.zeros(self.weights.size), np.zeros(self.weights.size))
        if part == 0.0:
            self.fixed = float(self.pi @ s2), self.pi @ own, self.pi @ push
        elif part < 1.0:
            self.level, self.profile = np.append(self.level, s2), np.concatenate([self.profile, own])
            self.target = np.concatenate([self.target, push])
            self.y2 = np.concatenate([self.y2, self.on_noise**2 * flat])
            self.share = np.append(self.share, self.pi * (1.0 - part))
            self.ratio = np.append(self.ratio, self.ratio * part)

    def point(self, z: complex) -> dict[str, Array]:
        """One point of the resolvent, iterated."""
        q, delta = -1.0 / z, np.zeros(self.share.size, dtype=complex)
        for _ in range(100_000):
            g = 1.0 / (1.0 + delta)
            level = self.fixed[0] - z + (self.share * g) @ self.level
            m = self.fixed[1] + (self.share * g) @ self.profile
            shrink = 1.0 + self.psi_p * q * m
            new = 1.0 / (level + self.weights @ (m / shrink))
            change = self.ratio * (self.level * q + self.profile @ (self.weights * q / shrink)) - delta
            step = max(abs(new - q) / abs(q), np.max(abs(change)))
            q, delta = 0.5 * (q + new), delta + 0.5 * change
            if step < 1e-14:
                break
        else:
            raise AssertionError(f"no convergence at {z}")
        g = 1.0 / (1.0 + delta)
        m = self.fixed[1] + (self.share * g) @ self.profile
        pull = self.fixed[2] + (self.share * g) @ self.target
        return {"q": q, "g": g, "m": m, "d": 1.0 + self.psi_p * q * m, "p": pull}

    def traces(self, x: dict[str, Array]) -> tuple[Array, Array]:
        """H_l, and X_l of every class."""
        y = x["q"] / x["d"]
        pull = self.psi_p * x["p"] ** 2 * y + (self.share * (1.0 - x["g"])) @ self.y2
        return pull, self.psi_p * self.truth * x["p"] * y

    def kernel(self, x: dict[str, Array], y: dict[str, Array], c: int) -> Array:
        """T_l with the fresh features of class c between."""
        level, profile = self.fresh[0][c], self.fresh[1][c]
        n, qq = 1.0 / (x["d"] * y["d"]), x["q"] * y["q"]

        def lifted(v: Array) -> tuple[Array, Array, Array]:
            corner = -x["g"] * y["g"] * v[1:]
            number = level + (self.share * self.level) @ corner
            mc = profile + (self.share * corner) @ self.profile
            cross = self.weights @ (n * x["m"] * y["m"])
            q = -qq * (number + self.weights @ (n * mc) - self.psi_p * v[0] * cross)
            yc = n * (v[0] - self.psi_p * qq * mc)
            return np.append(q, self.ratio * (self.level * v[0] + self.profile @ (self.weights * yc))), yc, corner

        size = self.share.size + 1
        start = lifted(np.zeros(size, dtype=complex))[0]
        slope = np.stack([lifted(e)[0] - start for e in np.eye(size, dtype=complex)], axis=1)
        _, yc, corner = lifted(np.linalg.solve(np.eye(size) - slope, start))
        pc, y1, y2 = (self.share * corner) @ self.target, x["q"] / x["d"], y["q"] / y["d"]
        through = pc * y2 * y["p"] + x["p"] * yc * y["p"] + x["p"] * y1 * pc
        return (self.share * corner) @ self.y2 - self.psi_p * through

    def losses(self, c: float, nodes: int = 18) -> tuple[Array, Array]:
        """Training loss of every direction, and test loss of every class and direction, at the exponent c."""
        root = np.sqrt(17.0)
        mu, h = np.pi * nodes / (8.0 * c * root), root / nodes
        theta = (np.arange(-nodes, nodes) + 0.5) * h
        s, w = mu * (1j * theta + 1.0) ** 2, h / np.pi * mu * (1j * theta + 1.0)
        points = [self.point(-one) for one in s]
        pulls, crosses = zip(*(self.traces(x) for x in points), strict=True)
        twice, once = w * np.exp(2.0 * c * s) / s, w * np.exp(c * s) / s
        train = self.pi @ self.power - (twice @ np.array(pulls)).real
        test = self.power - 2.0 * np.einsum("j,jcl->cl", once, np.array(crosses)).real
        for k in range(self.pi.size):
            for one, x in zip(once, points, strict=True):
                test[k] += sum(one * two * self.kernel(x, y, k) for two, y in zip(once, points, strict=True)).real
        return train, test
