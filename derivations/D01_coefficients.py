"""Coefficients of the activation: Stein and Mehler identities, Hermite tails, closed forms."""

from __future__ import annotations

import sympy
from mpmath import mp

from derivations.record import Derivation

CODE = "rfscore/model/equivalence.py"
u, v = sympy.symbols("u v", real=True)
rho = sympy.Symbol("rho", positive=True)


def gaussian(expression: sympy.Expr, *variables: sympy.Symbol) -> sympy.Expr:
    """Mean of a polynomial over independent standard normal variables."""
    for x in variables:
        poly = sympy.Poly(sympy.expand(expression), x)
        expression = sum(c * (sympy.factorial2(k - 1) if k else 1) for (k,), c in poly.terms() if k % 2 == 0)
    return sympy.expand(expression)


def hermite(k: int, x: sympy.Expr) -> sympy.Expr:
    """He_k, the probabilists' Hermite polynomial."""
    return sympy.expand(2 ** (-sympy.Rational(k, 2)) * sympy.hermite(k, x / sympy.sqrt(2)))


def hermite_coefficients(function: object, gamma: mp.mpf, count: int) -> list:
    """h_k = E[sigma(gamma z) He_k(z)]/sqrt(k!), trapezoidal rule."""
    step = mp.mpf(1) / 24
    nodes = [j * step for j in range(-24 * 16, 24 * 16 + 1)]
    values = [function(gamma * z) * mp.exp(-z * z / 2) * step / mp.sqrt(2 * mp.pi) for z in nodes]
    before, now, result = [mp.mpf(0)] * len(nodes), [mp.mpf(1)] * len(nodes), []
    for k in range(count):
        result.append(mp.fdot(zip(now, values, strict=True)))
        rows = zip(nodes, now, before, strict=True)
        before, now = now, [(z * b - mp.sqrt(k) * a) / mp.sqrt(k + 1) for z, b, a in rows]
    return result


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        1,
        "Coefficients of the activation",
        (
            r"$\sigma$ is square integrable under the Gaussian of variance $\Gamma_t^2$ and centred, "
            r"$\mathbb{E}\,\sigma(\Gamma_t z)=0$.",
            r"$x_t=e^{-t}x+\sqrt{\Delta_t}\,\xi$; one pre-activation is $e^{-t}\sigma_x "
            r"u+\sqrt{\Delta_t}\,v=\Gamma_t z$ with "
            r"independent standard normal $u$ (data) and $v$ (noise), $\Gamma_t^2=e^{-2t}\sigma_x^2+\Delta_t$.",
        ),
    )
    d.text(r"""Expand $\sigma(\Gamma_t z)=\sum_k h_k\,\mathrm{he}_k(z)$ in orthonormal Hermite polynomials and write
    $\rho=e^{-2t}\sigma_x^2/\Gamma_t^2$, so that $z=\sqrt\rho\,u+\sqrt{1-\rho}\,v$.""")
    _stein(d)
    _mehler(d)
    _closed_forms(d)
    _numbers(d)
    return d


def _stein(d: Derivation) -> None:
    z = sympy.sqrt(rho) * u + sympy.sqrt(1 - rho) * v
    d.equation(
        1,
        r"\mu_1=\mathbb{E}[\sigma(\Gamma_t z)\,z]=h_1,\qquad a_t=\frac{\mathbb{E}[\sigma(\Gamma_t z)\,u]}"
        r"{e^{-t}\sigma_x}=\frac{\mu_1}{\Gamma_t}",
        paper="Eqs 12-14, 38-48",
        code=CODE,
    )
    d.equation(
        2,
        r"b_t=\mathbb{E}[\sigma(\Gamma_t z)\,v]=\sqrt{\Delta_t}\,\frac{\mu_1}{\Gamma_t}",
        paper="Eqs 12-14, 38-48",
        code=CODE,
    )
    sides = ((u, sympy.sqrt(rho)), (v, sympy.sqrt(1 - rho)))
    rest = [
        gaussian(hermite(k, z) * side, u, v) - (overlap if k == 1 else 0) for k in range(7) for side, overlap in sides
    ]
    d.check(
        r"Only $\mathrm{He}_1$ overlaps with $u$ or $v$: $\mathbb{E}[\mathrm{He}_k(z)u]=\sqrt\rho\,"
        r"\delta_{k1}$ and "
        r"$\mathbb{E}[\mathrm{He}_k(z)v]=\sqrt{1-\rho}\,\delta_{k1}$",
        all(sympy.simplify(x) == 0 for x in rest),
        "sympy, k = 0..6",
    )
    d.equation(3, r"e^{-2t}\sigma_x^2a_t^2+b_t^2=\mu_1^2", code=CODE)
    t, sx, mu = sympy.symbols("t sigma_x mu_1", positive=True)
    noise = 1 - sympy.exp(-2 * t)
    gamma2 = sympy.exp(-2 * t) * sx**2 + noise
    d.zero(
        "The linear part splits exactly into signal and noise",
        sympy.exp(-2 * t) * sx**2 * mu**2 / gamma2 + noise * mu**2 / gamma2 - mu**2,
    )


def _mehler(d: Derivation) -> None:
    z = sympy.sqrt(rho) * u + sympy.sqrt(1 - rho) * v
    rest = [gaussian(hermite(k, z), v) - rho ** sympy.Rational(k, 2) * hermite(k, u) for k in range(7)]
    d.text(r"""Averaging over the noise damps each order: $\mathbb{E}_v\,\mathrm{he}_k(\sqrt\rho u+\sqrt{1-\rho}v)
    =\rho^{k/2}\,\mathrm{he}_k(u)$ (Mehler). Two copies that share $u$ therefore have covariance $\sum_k h_k^2\rho^k$,
    from which the orders 0 and 1 are removed.""")
    d.check(
        r"$\mathbb{E}_v\mathrm{He}_k(z)=\rho^{k/2}\mathrm{He}_k(u)$",
        all(sympy.expand(x) == 0 for x in rest),
        "sympy, k = 0..6",
    )
    d.equation(
        4, r"v_t^2=\sum_{k\ge2}h_k^2\,\rho^k", paper="Eqs 12-14, their difference of O(1) numbers summed", code=CODE
    )
    d.equation(5, r"s_t^2=\sum_{k\ge2}h_k^2\,(1-\rho^k)", paper="Eqs 12-14", code=CODE)
    h = sympy.symbols("h2:7")
    second = sum(x**2 for x in h)
    shared = sum(x**2 * rho**k for k, x in enumerate(h, 2))
    d.zero(
        "Both parts add up to the non-linear second moment, $v_t^2+s_t^2=\\|\\sigma\\|^2-\\mu_1^2$",
        shared + sum(x**2 * (1 - rho**k) for k, x in enumerate(h, 2)) - second,
    )
    d.equation(
        6,
        r"s_t^2=\tfrac12\,\mathbb{E}\big[(g(z)-g(z'))^2\big],\qquad g(z)=\sigma(\Gamma_tz)-h_0-h_1z,\quad "
        r"\mathbb{E}[zz']=\rho",
        code=CODE,
    )
    d.text(r"""(D1.6) is $\mathbb{E}g^2-\mathbb{E}[g(z)g(z')]$ written without a difference of nearly equal numbers;
    it serves
    activations with kinks, whose Hermite tail decays too slowly near $\rho=1$.""")


def _closed_forms(d: Derivation) -> None:
    c, g2 = sympy.symbols("c Gamma2", positive=True)
    d.text(r"""Closed forms follow from Price's theorem,
    $\frac{d}{dc}\mathbb{E}[\sigma(x)\sigma(y)]=\mathbb{E}[\sigma'(x)
    \sigma'(y)]$ for a Gaussian pair of variance $\Gamma^2$ and covariance $c$.""")
    # E[erf'(x) erf'(y)] = (4/pi) det(1 + 2 C)^(-1/2), C = [[g2, c], [c, g2]].
    slope = 4 / sympy.pi / sympy.sqrt((1 + 2 * g2) ** 2 - 4 * c**2)
    closed = 2 / sympy.pi * sympy.asin(2 * c / (1 + 2 * g2))
    point = {g2: sympy.Rational(3, 2), c: sympy.Rational(2, 7)}
    d.zero("erf: derivative in $c$ of the closed form", sympy.diff(closed, c) ** 2 - slope**2)
    d.check("erf: sign of that derivative", (sympy.diff(closed, c) / slope).subs(point).evalf() > 0)
    d.equation(
        7,
        r"\mathrm{erf}:\quad \mathbb{E}[\sigma(x)\sigma(y)]=\frac2\pi\arcsin\frac{2c}{1+2\Gamma^2},\qquad "
        r"\mu_1=\frac{2\Gamma}{\sqrt{\pi(1+2\Gamma^2)}}",
        code="rfscore/oracle/equivalence.py",
    )
    d.zero(
        "erf: $\\mu_1^2$ is the linear term in $c$ times $\\Gamma^2$",
        sympy.diff(closed, c).subs(c, 0) * g2 - 4 * g2 / (sympy.pi * (1 + 2 * g2)),
    )
    d.equation(
        8,
        r"\sin:\quad \mathbb{E}[\sigma(x)\sigma(y)]=e^{-\Gamma^2}\sinh c,\qquad \mu_1=\Gamma "
        r"e^{-\Gamma^2/2}",
        code="rfscore/oracle/equivalence.py",
    )
    characteristic = lambda s: sympy.exp(-(g2 + s * c))  # noqa: E731 (E cos(x + s y))
    d.zero(
        "sin: from the characteristic function of $x\\pm y$",
        ((characteristic(-1) - characteristic(1)) / 2 - sympy.exp(-g2) * sympy.sinh(c)).rewrite(sympy.exp),
    )
    r = sympy.Symbol("r", positive=True)
    arc = (sympy.sqrt(1 - r**2) + r * (sympy.pi - sympy.acos(r))) / (2 * sympy.pi)
    d.zero(
        "relu: twice differentiated in the correlation, the density of $(x,y)$ at the origin",
        sympy.diff(arc, r, 2) - 1 / (2 * sympy.pi * sympy.sqrt(1 - r**2)),
    )
    d.check(
        "relu: value and slope at zero correlation are $\\mathbb{E}[\\sigma]^2$ and $\\mathbb{E}[\\sigma']^2$",
        arc.subs(r, 0) == 1 / (2 * sympy.pi) and sympy.diff(arc, r).subs(r, 0) == sympy.Rational(1, 4),
    )
    d.equation(
        9,
        r"\mathrm{relu}:\quad \mathbb{E}[\sigma(x)\sigma(y)]=\frac{\Gamma^2}{2\pi}\Big(\sqrt{1-r^2}+r\,("
        r"\pi-"
        r"\arccos r)\Big),\qquad r=c/\Gamma^2,\quad h_0=\frac{\Gamma}{\sqrt{2\pi}}",
        code="rfscore/oracle/equivalence.py",
    )


def _numbers(d: Derivation) -> None:
    with mp.workdps(50):
        # sigma_x^2 = 1/4, t = 0.3 keeps rho small enough for 30 digits from 200 orders.
        t, variance = mp.mpf(3) / 10, mp.mpf(1) / 4
        common = mp.exp(-2 * t) * variance
        gamma2 = common - mp.expm1(-2 * t)
        h = hermite_coefficients(mp.erf, mp.sqrt(gamma2), 60)
        tail = mp.fsum(x * x * (common / gamma2) ** k for k, x in enumerate(h) if k >= 2)
        mu2 = 4 * gamma2 / (mp.pi * (1 + 2 * gamma2))
        exact = 2 / mp.pi * mp.asin(2 * common / (1 + 2 * gamma2)) - mu2 * common / gamma2
        d.close("erf: the Hermite tail (D1.4) equals the closed form (D1.7)", tail, exact, 25)
        h = hermite_coefficients(mp.sin, mp.mpf(1), 60)
        d.close("sin: $h_1$ from quadrature", h[1], mp.exp(-mp.mpf(1) / 2), 40)
        rest = mp.exp(-1) * (mp.sinh(1) - mp.sinh(mp.exp(-2 * t))) - h[1] ** 2 * (1 - mp.exp(-2 * t))
        d.close(
            "sin: $s_t^2$ of (D1.5) equals the closed form",
            mp.fsum(x * x * -mp.expm1(-2 * t * k) for k, x in enumerate(h) if k >= 2),
            rest,
            35,
        )
