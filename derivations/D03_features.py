"""Exact noise-averaged U and V by Mehler's formula, with the bound on the truncated tail."""

from __future__ import annotations

import sympy
from mpmath import mp

from derivations.D01_coefficients import gaussian, hermite
from derivations.record import Derivation

CODE = "rfscore/finite/features.py"


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        3,
        "Exact features at finite size",
        (
            r"$W$ and the samples $x^\nu$ are given; only the noise $\xi\sim N(0,I_d)$ is averaged.",
            r"$h_i=e^{-t}w_i\cdot x^\nu/\sqrt d$, $s_i=\sqrt{\Delta_t}\,|w_i|/\sqrt d$, $C_{ij}=w_i\cdot "
            r"w_j/(|w_i||w_j|)$.",
        ),
    )
    d.text(r"""The pre-activations of one noised sample are $h_i+s_iz_i$ with standard normal $z_i$ of correlation
    $C_{ij}$. Put
    $c_k(i,\nu)=\mathbb{E}_z[\sigma(h_i+s_iz)\,\mathrm{he}_k(z)]$, $\mathrm{he}_k$ orthonormal.""")
    _u(d)
    _v(d)
    _tail(d)
    return d


def _orthonormal(function: sympy.Expr, z: sympy.Symbol, k: int) -> sympy.Expr:
    return gaussian(function * hermite(k, z), z) / sympy.sqrt(sympy.factorial(k))


def _u(d: Derivation) -> None:
    z, zp, c = sympy.symbols("z zp c", real=True)
    hi, hj, si, sj = sympy.symbols("h_i h_j s_i s_j", real=True)
    sigma = lambda x: x**3 - 2 * x**2 + x / 2 + 1  # noqa: E731
    other = c * z + sympy.sqrt(1 - c**2) * zp
    direct = gaussian(sigma(hi + si * z) * sigma(hj + sj * other), zp, z)
    series = sum(
        c**k * _orthonormal(sigma(hi + si * z), z, k) * _orthonormal(sigma(hj + sj * z), z, k) for k in range(4)
    )
    d.equation(
        1, r"U_{ij}=\frac1n\sum_\nu\sum_{k\ge0}C_{ij}^k\,c_k(i,\nu)\,c_k(j,\nu),\quad i\ne j", paper="Eq 11", code=CODE
    )
    d.zero("Mehler's series is exact for a cubic with all its parameters free", sympy.expand(direct - series))
    d.equation(
        2,
        r"U_{ii}=\frac1n\sum_\nu\mathbb{E}_z[\sigma(h_i+s_iz)^2]=\frac1n\sum_\nu\sum_{k\ge0}c_k(i,\nu)^2",
        paper="Eq 11",
        code=CODE,
    )
    square = gaussian(sigma(hi + si * z) ** 2, z)
    d.zero("Parseval", square - sum(_orthonormal(sigma(hi + si * z), z, k) ** 2 for k in range(4)))


def _v(d: Derivation) -> None:
    x1, x2, h, w1, w2, dt = sympy.symbols("x1 x2 h w1 w2 Delta", positive=True)
    sigma = lambda x: x**3 + x**2 - x  # noqa: E731
    norm = sympy.sqrt(w1**2 + w2**2)
    s = sympy.sqrt(dt) * norm / sympy.sqrt(2)
    pre = h + sympy.sqrt(dt) * (w1 * x1 + w2 * x2) / sympy.sqrt(2)
    z = sympy.Symbol("z", real=True)
    c1 = _orthonormal(sigma(h + s * z), z, 1)
    d.equation(3, r"V_i=\frac1n\sum_\nu c_1(i,\nu)\,\frac{w_i}{|w_i|}", paper="Eq 11", code=CODE)
    for x, w in ((x1, w1), (x2, w2)):
        d.zero(f"Component along ${sympy.latex(x)}$, d = 2", gaussian(sigma(pre) * x, x1, x2) - c1 * w / norm)
    d.equation(
        4,
        r"\tilde U,\tilde V:\ \text{the same with } h=0 \text{ and } "
        r"\sqrt{\Delta_t}\,w_i\to\Sigma_t^{1/2}w_i,\quad "
        r"\tilde V_i=\sqrt{\Delta_t}\,\frac{\tilde c_1(i)}{\tilde s_i}\,\frac{w_i}{\sqrt "
        r"d},\quad \tilde s_i^2=\frac{"
        r"w_i^T\Sigma_tw_i}{d}",
        code=CODE,
    )
    lam = sympy.Symbol("lam", positive=True)
    g = sympy.Symbol("g", real=True)
    total = sympy.sqrt(lam) * g + sympy.sqrt(dt) * x1
    st = sympy.sqrt(lam + dt)
    ct = _orthonormal(sigma(st * z), z, 1)
    d.zero(
        "Population version, one direction of data variance $\\lambda$",
        gaussian(sigma(total) * x1, g, x1) - sympy.sqrt(dt) * ct / st,
    )


def _tail(d: Derivation) -> None:
    d.equation(
        5,
        r"\Big|\sum_{k>K}C^k c_k(i)c_k(j)\Big|\le|C|^{K+1}\sqrt{R_K(i)\,R_K(j)},\qquad "
        r"R_K(i)=\mathbb{E}\sigma^2-"
        r"\sum_{k\le K}c_k(i)^2",
        code="rfscore/finite/features.py, rfscore/finite/hermite.py",
    )
    d.text(
        "Cauchy-Schwarz on the tail. Both remainders are known from the diagonal, so the number of orders "
        "is chosen, "
        "not guessed; pairs with $|C|$ close to one are integrated in two dimensions instead."
    )
    with mp.workdps(50):
        c, (hi, si), (hj, sj) = mp.mpf(3) / 10, (mp.mpf(2) / 5, mp.mpf(4) / 5), (-mp.mpf(1) / 5, mp.mpf(1) / 2)
        table = [_tanh_coefficients(h, s, 60) for h, s in ((hi, si), (hj, sj))]
        seconds = [_mean(lambda z, h=h, s=s: mp.tanh(h + s * z) ** 2) for h, s in ((hi, si), (hj, sj))]
        exact = mp.fsum(c**k * x * y for k, (x, y) in enumerate(zip(*table, strict=True)))
        outer = _mean(
            lambda z: (
                mp.tanh(hi + si * z)
                * _mean(lambda y: mp.tanh(hj + sj * (c * z + mp.sqrt(1 - c * c) * y)), mp.mpf(1) / 6)
            ),
            mp.mpf(1) / 6,
        )
        d.close("tanh: sixty orders against a two-dimensional integral", exact, outer, 12)
        for cut in (2, 5, 10, 20):
            part = mp.fsum(c**k * x * y for k, (x, y) in enumerate(zip(*table, strict=True)) if k <= cut)
            rests = [m - mp.fsum(x * x for x in row[: cut + 1]) for m, row in zip(seconds, table, strict=True)]
            bound = c ** (cut + 1) * mp.sqrt(rests[0] * rests[1])
            d.check(
                f"K = {cut}: the error {mp.nstr(abs(exact - part), 2)} is below the bound {mp.nstr(bound, 2)}",
                0 < abs(exact - part) <= bound,
                "50 digits",
            )


def _mean(function: object, step: mp.mpf | None = None) -> mp.mpf:
    step = step or mp.mpf(1) / 16
    reach = int(11 / step)
    values = [function(j * step) * mp.exp(-((j * step) ** 2) / 2) for j in range(-reach, reach + 1)]
    return mp.fsum(values) * step / mp.sqrt(2 * mp.pi)


def _tanh_coefficients(h: mp.mpf, s: mp.mpf, count: int) -> list:
    step = mp.mpf(1) / 16
    nodes = [j * step for j in range(-16 * 13, 16 * 13 + 1)]
    values = [mp.tanh(h + s * z) * mp.exp(-z * z / 2) * step / mp.sqrt(2 * mp.pi) for z in nodes]
    before, now, result = [mp.mpf(0)] * len(nodes), [mp.mpf(1)] * len(nodes), []
    for k in range(count):
        result.append(mp.fdot(zip(now, values, strict=True)))
        rows = zip(nodes, now, before, strict=True)
        before, now = now, [(z * b - mp.sqrt(k) * a) / mp.sqrt(k + 1) for z, b, a in rows]
    return result
