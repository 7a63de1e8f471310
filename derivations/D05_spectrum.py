"""Edges as a separated curve, the potential, the isotropic algebraic curve with its discriminant, the atom."""

from __future__ import annotations

import itertools

import sympy
from mpmath import mp

from derivations.numeric import System, reference
from derivations.record import Derivation
from derivations.symbols import POINT, alpha2, b2, lam, mean, psi_n, psi_p, s2, v2, weights

CURVE, SPECTRUM, FLOOR = (f"rfscore/theory/{name}.py" for name in ("real_curve", "spectrum", "floor_edge"))
w, kappa, z, q, g = sympy.symbols("w kappa z q g")


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        5,
        "Spectrum: edges, distribution, atom",
        (
            "The one-point equations (D4.5)-(D4.7).",
            r"$\rho_\Sigma$ is a finite set of atoms (a continuous one is a limit of them).",
        ),
    )
    _curve(d)
    _edges(d)
    _potential(d)
    _isotropic(d)
    _atom(d)
    _floor(d)
    return d


def _curve(d: Derivation) -> None:
    d.text(r"""Put $w=\psi_pq$, $g=1/(1+\delta)$ and $\kappa=(1+b_t^2w)/(\alpha^2wg)$, so that
    $D(\lambda)=1+\psi_pq\,m(\lambda)=
    \alpha^2wg\,(\kappa+\lambda)$.""")
    d.equation(1, r"D(\lambda)=1+b_t^2w+\alpha^2wg\lambda=\alpha^2wg\,(\kappa+\lambda)", code=CURVE)
    phi = psi_n - mean(lambda x: x / (kappa + x))
    g_of = (1 + b2 * w) / (alpha2 * w * kappa)
    second = psi_n * (1 / g_of - 1) - w * (v2 + alpha2 * mean(lambda x: x / (alpha2 * w * g_of * (kappa + x))))
    quadratic = (1 + b2 * w) * (v2 * w + psi_n) - w * alpha2 * kappa * phi
    d.equation(
        2,
        r"(1+b_t^2w)(v_t^2w+\psi_n)=w\,\alpha^2\kappa\,\varphi(\kappa),\qquad\varphi(\kappa)=\psi_n-\int"
        r"\rho_\Sigma("
        r"d\lambda)\frac{\lambda}{\kappa+\lambda}",
        code=CURVE,
    )
    d.zero(
        "(D4.6) separates: the right side depends on $\\kappa$, the left one is quadratic in $w$",
        second + quadratic / (1 + b2 * w),
    )
    d.equation(3, r"g=\frac{\varphi(\kappa)}{v_t^2w+\psi_n}", code=CURVE)
    d.zero(
        "On the curve the two forms of $g$ agree",
        (g_of - phi / (v2 * w + psi_n)) * (v2 * w + psi_n) * w * alpha2 * kappa - quadratic,
    )
    d.equation(4, r"z=s_t^2+v_t^2g+\frac1w\Big(1-\psi_p-\int\frac{\rho_\Sigma(d\lambda)}{D(\lambda)}\Big)", code=CURVE)
    k0 = s2 - z + v2 * g
    m = lambda x: b2 + alpha2 * g * x  # noqa: E731
    first = k0 + mean(lambda x: m(x) / (1 + w * m(x))) - psi_p / w
    height = s2 + v2 * g + (1 - psi_p - mean(lambda x: 1 / (1 + w * m(x)))) / w
    d.zero("(D4.5) is an explicit formula for $z$", first - (height - z))
    y = sympy.Symbol("y")
    other = s2 + (psi_n - psi_p) / w - psi_n * (psi_n - 1 + y) / (w * (v2 * w + psi_n)) + b2 * y / (1 + b2 * w)
    inverse = y / (1 + b2 * w)  # <1/D>, y = <kappa/(kappa + lam)>
    d.zero(
        "With $\\varphi=\\psi_n-1+y$ the height depends on $\\kappa$ through "
        "$y=\\langle\\kappa/(\\kappa+\\lambda)\\rangle$ only",
        other - (s2 + v2 * (psi_n - 1 + y) / (v2 * w + psi_n) + (1 - psi_p - inverse) / w),
    )


def _edges(d: Derivation) -> None:
    d.equation(
        5,
        r"z\ \text{real is off the support}\iff\text{some real solution has spectral radius of } M(z,z)<1",
        code=CURVE,
    )
    d.equation(6, r"\text{edges: } \det(1-M(z,z))=0\iff\frac{dz}{dw}=0 \text{ along the curve}", code=CURVE)
    d.text(r"""(D4.9) at $z_1\to z_2$ reads $(1-M)(dq,d\delta)=dz\,(q^2,0)$: the map from the curve to $z$ is
    stationary exactly
    where $1-M$ is singular. For real solutions $M(z,z)$ has non-negative entries, so its Perron eigenvalue decides;
    below one
    it gives $dq/dz>0$ and $d\delta/dz>0$, which is what continues into the upper half-plane.""")
    big = 1 + w * (b2 + alpha2 * g * sympy.Symbol("x"))
    n = lambda f: mean(lambda x: f(x) / big.subs(sympy.Symbol("x"), x) ** 2)  # noqa: E731
    m = lambda x: b2 + alpha2 * g * x  # noqa: E731
    one_minus = sympy.Matrix(
        [
            [1 - w**2 / psi_p * n(lambda x: m(x) ** 2), -(w**2) / psi_p**2 * g**2 * (v2 + alpha2 * n(lambda x: x))],
            [-psi_p / psi_n * (v2 + alpha2 * n(lambda x: x)), 1 - w**2 * g**2 * alpha2**2 / psi_n * n(lambda x: x**2)],
        ]
    )
    second = psi_n * (1 / g - 1) - w * (v2 + alpha2 * mean(lambda x: x / (1 + w * m(x))))
    height = v2 * g + (1 - psi_p - mean(lambda x: 1 / (1 + w * m(x)))) / w
    jacobian = sympy.Matrix([[sympy.diff(f, x) for x in (w, g)] for f in (height, second)])
    ratios = []
    for at in ({w: 2, g: 3}, {w: -1, g: 5}, {w: sympy.Rational(1, 3), g: 2}):
        values = {**POINT, **at}
        factor = (psi_n * psi_p / (w * g) ** 2).subs(values)
        ratios.append(jacobian.subs(values).det() / one_minus.subs(values).det() / factor)
    d.check(
        "The Jacobian of (D5.4) and (D4.6) in $(w,g)$ is $\\frac{\\psi_n\\psi_p}{w^2g^2}\\det(1-M)$ up to "
        "sign: " + ", ".join(map(str, ratios)),
        all(x in (1, -1) for x in ratios),
        "exact rationals, three points",
    )


def _potential(d: Derivation) -> None:
    m = lambda x: b2 + alpha2 * g * x  # noqa: E731
    phi = q * (s2 + v2 * g - z) - sympy.log(q) + mean(lambda x: sympy.log(1 + psi_p * q * m(x))) / psi_p
    phi += psi_n / psi_p * (g - sympy.log(g) - 1)
    d.equation(
        7,
        r"\Phi=q\,(s_t^2-z+v_t^2g)-\log q+\frac1{\psi_p}\int\rho_\Sigma\log(1+\psi_pq\,m)+\frac{\psi_n}{"
        r"\psi_p}\big(g-1-"
        r"\log g\big)",
        paper="Eq 147 (replica action), reduced",
        code=SPECTRUM,
    )
    d.zero(
        "$\\partial\\Phi/\\partial q=0$ is (D4.5)",
        sympy.diff(phi, q) - (s2 + v2 * g - z + mean(lambda x: m(x) / (1 + psi_p * q * m(x))) - 1 / q),
    )
    r = mean(lambda x: x * q / (1 + psi_p * q * m(x)))
    d.zero(
        "$\\partial\\Phi/\\partial g=0$ is (D4.6)",
        sympy.diff(phi, g) - psi_n / psi_p * (psi_p / psi_n * (v2 * q + alpha2 * r) - (1 / g - 1)),
    )
    d.equation(8, r"\frac{d\Phi}{dz}=\frac{\partial\Phi}{\partial z}=-q", code=SPECTRUM)
    d.zero("Explicit dependence on $z$", sympy.diff(phi, z) + q)
    d.equation(9, r"N(\lambda)=\int_{-\infty}^\lambda\rho=-\frac1\pi\,\mathrm{Im}\,\Phi(\lambda+i0)", code=SPECTRUM)
    with mp.workdps(30):
        system = reference()
        start, total = None, mp.mpf(0)
        # From far left to lam + i h along a path in the upper half-plane: Phi must equal its closed form throughout.
        path = [mp.mpc(-4, 1), mp.mpc(1, 1), mp.mpc(1, "0.05")]
        for a, b in itertools.pairwise(path):
            nodes, weights_ = _gauss(40)
            for node, weight in zip(nodes, weights_, strict=True):
                at = a + (b - a) * node
                start = system.solve(at, start)
                total -= start[0] * (b - a) * weight
        ends = [
            _potential_value(system, x, system.solve(x, None if x == path[0] else start)) for x in (path[0], path[-1])
        ]
        d.close("Integral of $-q$ along a path in the upper half-plane", total, ends[1] - ends[0], 15)


def _gauss(count: int) -> tuple[list, list]:
    from mpmath.calculus.quadrature import GaussLegendre

    pairs = GaussLegendre(mp).calc_nodes(5, mp.prec)
    del count
    return [(x + 1) / 2 for x, _ in pairs], [weight / 2 for _, weight in pairs]


def _potential_value(system: System, at: mp.mpc, solution: tuple) -> mp.mpc:
    q_, d_ = solution
    big = lambda x: 1 + system.psi_p * q_ * system.m(x, d_)  # noqa: E731
    # log(1 + psi_p q m) - log q = log(1/q + psi_p m), continuous in the upper half-plane.
    logs = system.mean(lambda x: mp.log(big(x) / q_) + mp.log(q_)) / system.psi_p - mp.log(q_)
    gain = 1 / (1 + d_)
    value = q_ * (system.fixed[0] - at + system.sampled[0] * gain) + logs
    return value + system.psi_n / system.psi_p * (gain - 1 + mp.log(1 + d_))


def _isotropic(d: Derivation) -> None:
    delta_sym = sympy.Symbol("h")
    big = 1 + b2 * w + alpha2 * delta_sym  # h = w g, lambda = 1
    one = sympy.expand(psi_n * (w - delta_sym) * big - w * delta_sym * (v2 * big + alpha2))
    two = sympy.expand((w * (s2 - z) + v2 * delta_sym + 1 - psi_p) * big - 1)
    values = {
        psi_n: 2,
        psi_p: 8,
        alpha2: sympy.Rational(1, 3),
        b2: sympy.Rational(1, 10),
        v2: sympy.Rational(1, 50),
        s2: sympy.Rational(1, 60),
    }
    eliminated = sympy.factor_list(sympy.resultant(one.subs(values), two.subs(values), delta_sym))[1]
    polynomial = max((f for f, _ in eliminated), key=lambda f: sympy.degree(f, w))
    d.equation(
        10,
        r"\begin{aligned}&\Sigma=\sigma_x^2I:\quad P(w;z)=\mathrm{Res}_h(F_1,F_2)=0,\\"
        r" &F_1=\psi_n(w-h)D-wh(v_t^2D+\alpha^2\sigma_x^2),\quad F_2=(w(s_t^2-z)+v_t^2h+1-\psi_p)D-1\end{aligned}",
        code="tests/oracle/test_spectrum.py",
    )
    d.text(r"with $h=wg$ and $D=1+b_t^2w+\alpha^2\sigma_x^2h$: (D4.6) and (D4.5) cleared of denominators.")
    d.check(
        f"Algebraic curve of degree {sympy.degree(polynomial, w)} in $w$, {sympy.degree(polynomial, z)} in $z$",
        sympy.degree(polynomial, w) == 5 and sympy.degree(polynomial, z) == 2,
    )
    factors = sympy.factor_list(sympy.discriminant(polynomial, w))[1]
    real = sorted(
        float(r) for f, _ in factors if f.has(z) for r in sympy.Poly(f, z).nroots(n=30) if r.is_real and r > 0
    )
    d.equation(11, r"\text{edges}\subset\{z:\ \mathrm{Disc}_w\,P=0\}", code="tests/oracle/test_spectrum.py")
    with mp.workdps(30):
        system = reference(
            psi_n=mp.mpf(2),
            psi_p=mp.mpf(8),
            fixed=(mp.mpf(1) / 60, mp.mpf(1) / 10, mp.mpf(0)),
            sampled=(mp.mpf(1) / 50, mp.mpf(0), mp.mpf(1) / 3),
            nodes=(mp.mpf(1),),
            weights=(mp.mpf(1),),
        )
        heights = _stationary(system)
        agree = [min(abs(x - r) / x for r in real) for x in heights]
        d.check(
            f"The {len(heights)} stationary points of (D5.4) on the real curve are zeros of the discriminant: "
            + ", ".join(mp.nstr(x, 8) for x in heights),
            len(heights) >= 4 and max(agree) < 1e-12,
            "30 digits",
        )


def _extremum(function: object, a: mp.mpf, b: mp.mpf, maximum: bool) -> mp.mpf:
    """Ternary search for the one extremum between a and b, to half of the digits (the value is then good to all)."""
    for _ in range(110):
        left, right = a + (b - a) / 3, b - (b - a) / 3
        a, b = (left, b) if (function(left) < function(right)) == maximum else (a, right)
    return (a + b) / 2


def _stationary(system: System) -> list:
    """Positive stationary heights of (D5.4) along (D5.2), Sigma = I, found by scanning both branches."""
    n, p, noise, a2, b = system.psi_n, system.psi_p, system.sampled[0], system.sampled[2], system.fixed[1]

    def height(k: mp.mpf, sign: int) -> mp.mpf | None:
        phi = n - 1 / (k + 1)
        half = (a2 * k * phi - noise - n * b) / 2
        if half * half < noise * b * n or phi == 0:
            return None
        x = (half + sign * mp.sqrt(half * half - noise * b * n)) / (noise * b)
        gain = phi / (noise * x + n)
        return system.fixed[0] + noise * gain + (1 - p - 1 / (a2 * x * gain * (k + 1))) / x

    found = []
    for side in (-1, 1):
        grid = sorted(side * mp.mpf(10) ** ((j + mp.mpf(1) / 3) / 40) - 1 for j in range(-160, 161))
        for sign in (-1, 1):
            values = [height(k, sign) for k in grid]
            for j in range(1, len(grid) - 1):
                three = values[j - 1 : j + 2]
                if None in three or (three[1] - three[0]) * (three[2] - three[1]) > 0:
                    continue
                at = _extremum(lambda k, s=sign: height(k, s), grid[j - 1], grid[j + 1], three[1] > three[0])
                found.append(height(at, sign))
    kept: list = []
    for x in sorted(x for x in found if system.fixed[0] < x < 1000):
        if not kept or x - kept[-1] > 1e-9 * x:
            kept.append(x)
    return kept


def _atom(d: Derivation) -> None:
    e = sympy.Symbol("epsilon")
    # Near z = s2: w = 1/e with g e-independent to leading order; (D4.6) fixes g ~ psi_n e/v2.
    gain = psi_n * e / v2 * (1 + sympy.Symbol("c") * e)
    big = lambda x: 1 + (b2 + alpha2 * gain * x) / e  # noqa: E731
    height = v2 * gain + e * (1 - psi_p - sum(u / big(x) for u, x in zip(weights, lam, strict=True)))
    slope = sympy.limit(sympy.diff(height, e), e, 0)
    d.equation(
        12,
        r"z\to s_t^2:\quad q\simeq-\frac{m_0}{z-s_t^2},\qquad m_0=1-\frac{1+\psi_n}{\psi_p}\quad(\psi_p>"
        r"\psi_n+1)",
        paper="Eq 163",
        code=SPECTRUM,
    )
    d.zero(
        "$w(z-s_t^2)\\to\\psi_n+1-\\psi_p$ as $w\\to\\infty$: mass $-q(z-s_t^2)$ of the atom, for any $\\Sigma$",
        slope - (psi_n + 1 - psi_p),
    )


def _floor(d: Derivation) -> None:
    x, gamma, excess, sigma, y = sympy.symbols("x gamma epsilon sigma y")
    d.text(r"""Close to the floor $w=\psi_pq$ is large. Put $x=1/w$, $\gamma=gw$, $\epsilon=\psi_p-\psi_n-1$ and
    $y=z-s_t^2$; every term below is positive for $x>0$, so that nothing cancels however small $y$ is.""")
    d.equation(
        13,
        r"y=-x(\epsilon+x\sigma),\qquad\sigma=\psi_n\gamma+\int\rho_\Sigma\frac{1+\alpha^2\gamma\lambda}{x(1+\alpha^2"
        r"\gamma\lambda)+b_t^2},\qquad\frac1\gamma=x+\frac1{\psi_n}\Big(v_t^2+\int\rho_\Sigma\frac{x\,\alpha^2\lambda}"
        r"{x(1+\alpha^2\gamma\lambda)+b_t^2}\Big)",
        code=FLOOR,
    )
    big = lambda u: 1 + b2 / x + alpha2 * gamma * u  # noqa: E731
    second = mean(lambda u: alpha2 * u / big(u))  # alpha2 <lam/D>
    height = v2 * x * gamma + x * (1 - psi_p - mean(lambda u: 1 / big(u)))  # (D5.4)
    total = psi_n * gamma + mean(lambda u: (1 + alpha2 * gamma * u) / (x * big(u)))
    own = (v2 + second) * gamma - psi_n * (1 - x * gamma)  # (D4.6): vanishes
    d.zero("(D5.4) with (D4.6)", height + x * (psi_p - psi_n - 1 + x * total) - x * own)
    d.equation(
        14,
        r"\text{lowest edge: the maximum of } y \text{ over } x \text{ of the sign of } -\epsilon,\quad y_0\simeq\frac{"
        r"\epsilon^2}{4\sigma},\quad\sigma\to\frac{\psi_n^2}{v_t^2}+\frac1{b_t^2}\int\rho_\Sigma\Big(1+\frac{\alpha^2"
        r"\psi_n\lambda}{v_t^2}\Big)\quad(\epsilon\to0)",
        code=FLOOR,
    )
    curve = -x * (excess + x * sigma)
    peak = sympy.solve(sympy.diff(curve, x), x)[0]
    d.zero("Maximum at constant $\\sigma$", curve.subs(x, peak) - excess**2 / (4 * sigma))
    limit = sympy.limit(total.subs(gamma, psi_n / v2), x, 0)
    d.zero(
        "$\\sigma$ at $x=0$", limit - psi_n**2 / v2 - mean(lambda u: 1 + alpha2 * psi_n * u / v2) / b2
    )  # fmt: skip
    d.equation(15, r"y\to0:\quad\rho\simeq\frac{\sqrt{\sigma\,(y-y_0)}}{\pi\psi_p\,y}", code=SPECTRUM)
    near = 1 / sympy.solve(curve - y, x)[0]
    values = {sigma: sympy.Rational(3, 7), excess: sympy.Rational(1, 10), y: sympy.Rational(1, 5)}
    law = sympy.sqrt(sigma * (y - excess**2 / (4 * sigma))) / y
    d.check(
        "Im $w$ of the quadratic is $\\pi\\psi_p\\rho$: an inverse square root at $y_0=0$",
        sympy.simplify(abs(sympy.im(near.subs(values))) - law.subs(values)) == 0,
        "exact, one point",
    )
