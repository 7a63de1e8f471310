"""Loss curves as contour integrals of the one- and two-point traces; tau = 0 and infinity; the 2026 closed form."""

from __future__ import annotations

import itertools

import sympy
from mpmath import mp

from derivations.D06_two_point import kernel
from derivations.numeric import System, reference
from derivations.record import Derivation

CONTOUR, CURVES = "rfscore/theory/contours.py", "rfscore/theory/losses.py"


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        7,
        "Loss curves",
        (
            r"The exact losses (D2.4), (D2.5) and the concentration of "
            r"$\frac1{d^2}\mathrm{Tr}\,W^T(U-z)^{-1}W$ on $S(z)$.",
            r"$V\simeq\tilde V\simeq b_tW/\sqrt d$ (paper, Lemma C.4), so $P\tilde P^T\simeq PP^T$.",
        ),
    )
    _laplace(d)
    _contour(d)
    _curves(d)
    _ends(d)
    _closed_form(d)
    return d


def _laplace(d: Derivation) -> None:
    c, s, lam = sympy.symbols("c s lambda", positive=True)
    d.equation(
        1,
        r"k_c(\lambda)=\frac{1-e^{-c\lambda}}\lambda=\frac1{2\pi i}\int_{\rm "
        r"Br}\frac{e^{cs}\,ds}{s\,(s+\lambda)}",
        code=CONTOUR,
    )
    transform = sympy.integrate(sympy.exp(-s * c) * (1 - sympy.exp(-c * lam)) / lam, (c, 0, sympy.oo))
    d.zero("Laplace transform of $k_c(\\lambda)$ in $c$", transform - 1 / (s * (s + lam)))
    d.text(r"""Averaged over a measure with Stieltjes transform $F(z)=\int\mu(d\lambda)/(\lambda-z)$ this is the
    integral of
    $e^{cs}F(-s)/s$: the contour encloses the origin and minus the spectrum, and opens to the left.""")


def parabola(count: int, window: int) -> list[tuple[mp.mpc, mp.mpc]]:
    """Nodes and weights of (D7.2) for the largest exponent 1, all of them (both halves)."""
    root = mp.sqrt(8 * window + 1)
    step, scale = root / count, mp.pi * count / (4 * root)
    thetas = [(j + mp.mpf(1) / 2) * step for j in range(-count, count)]
    return [(scale * (1j * x + 1) ** 2, step / mp.pi * scale * (1j * x + 1)) for x in thetas]


def _contour(d: Derivation) -> None:
    d.equation(
        2,
        r"\begin{aligned}&s_j=\mu(i\theta_j+1)^2,\quad w_j=\frac{h\mu}{\pi}(i\theta_j+1),"
        r"\quad\theta_j=(j+\frac12)h,\quad-N\le j<N,\\"
        r" &h=\frac{\sqrt{8\Lambda+1}}N,\quad\mu=\frac{\pi N}{4c_1\sqrt{8\Lambda+1}}\end{aligned}",
        code=CONTOUR,
    )
    d.equation(
        3,
        r"\text{error}\sim e^{-2\pi N/\sqrt{8\Lambda+1}}\quad\text{for exponents } "
        r"c\in[c_1/\Lambda,\,c_1],\ "
        r"\text{uniformly in the spectrum}",
        code=CONTOUR,
    )
    d.text(
        "Weideman and Trefethen, Math. Comp. 76 (2007). The rate is measured, not assumed: the error for a "
        "single "
        "eigenvalue, worst over nine decades of it and over both ends of the window, against the "
        "number of nodes."
    )
    window = 2
    with mp.workdps(40):
        errors = []
        for count in (8, 16, 24):
            nodes, worst = parabola(count, window), mp.mpf(0)
            for exponent in (mp.mpf(1), mp.mpf(1) / 2):
                for power in range(-4, 6):
                    lam = mp.mpf(10) ** power
                    value = mp.fsum((w * mp.exp(exponent * s) / (s * (s + lam))).real for s, w in nodes)
                    exact = -mp.expm1(-exponent * lam) / lam
                    worst = max(worst, abs(value - exact) / exact)
            errors.append(worst)
        rates = [mp.log(a / b) / 8 for a, b in itertools.pairwise(errors)]
        predicted = 2 * mp.pi / mp.sqrt(8 * window + 1)
        d.check(
            f"Measured rates {mp.nstr(rates[0], 4)}, {mp.nstr(rates[1], 4)} per node; predicted "
            f"{mp.nstr(predicted, 4)}",
            all(abs(r / predicted - 1) < 0.06 for r in rates),
            "40 digits, N = 8, 16, 24",
        )


def _curves(d: Derivation) -> None:
    d.equation(
        4,
        r"\mathcal L_{\rm train}(\tau)=1-b_t^2\,\mathrm{Re}\sum_jw_j\frac{e^{2cs_j}}{s_j}\,S(-s_j),\qquad "
        r"c=\frac{2\Delta_t"
        r"\tau}{\psi_p}",
        paper="Eq 53 in the limit",
        code=CURVES,
    )
    d.equation(
        5,
        r"\mathcal L_{\rm test}(\tau)=1+b_t^2\,\mathrm{Re}\sum_{jk}w_jw_k\frac{e^{c(s_j+s_k)}}{s_js_k}"
        r"\,T(-s_j,-s_k)-2b_t^2"
        r"\,\mathrm{Re}\sum_jw_j\frac{e^{cs_j}}{s_j}S(-s_j)",
        paper="none",
        code=CURVES,
    )
    d.text(
        "Checked on an explicit model, three features and two dimensions, where the sums over modes "
        "(D2.4), (D2.5) are "
        "finite: the same traces of explicit resolvents, inserted in the contour formulas."
    )
    with mp.workdps(30):
        u = mp.matrix([[2, 1, 0], [1, 3, 1], [0, 1, mp.mpf(1) / 3 + 1]])
        fresh, v = mp.matrix([[3, 0, 1], [0, 4, 1], [1, 1, 5]]), mp.matrix([[1, 2], [0, 1], [1, -1]]) / 3
        lam, vectors = mp.eigsy(u)
        p, m = vectors.T * v, vectors.T * fresh * vectors
        inverse = lambda z: mp.inverse(u - z * mp.eye(3))  # noqa: E731
        one = lambda z: _trace(v.T * inverse(z) * v) / 2  # noqa: E731
        c, nodes = mp.mpf(7) / 10, parabola(30, 2)
        nodes = [(s / (2 * c), w / (2 * c)) for s, w in nodes]
        gains = [-mp.expm1(-c * x) / x for x in lam]
        pp = p * p.T
        train = 1 - mp.fsum(pp[j, j] * -mp.expm1(-2 * c * lam[j]) / lam[j] for j in range(3)) / 2
        contour = 1 - mp.fsum((w * mp.exp(2 * c * s) / s * one(-s)).real for s, w in nodes)
        d.close("Training loss", contour, train, 18)
        pairs = [(i, j) for i in range(3) for j in range(3)]
        test = 1 + mp.fsum(gains[i] * gains[j] * pp[i, j] * m[i, j] for i, j in pairs) / 2
        test -= mp.fsum(gains[j] * pp[j, j] for j in range(3))
        left = mp.zeros(3, 2)
        for s, w in nodes:
            left += w * mp.exp(c * s) / s * inverse(-s) * v
        double = _trace(left.T * fresh * left) / 2
        contour = 1 + double.real - 2 * mp.fsum((w * mp.exp(c * s) / s * one(-s)).real for s, w in nodes)
        d.close("Test loss", contour, test, 18)


def _trace(matrix: mp.matrix) -> mp.mpf:
    return mp.fsum(matrix[j, j] for j in range(matrix.rows))


def _ends(d: Derivation) -> None:
    d.equation(
        6, r"\tau\to0:\quad\mathcal L_{\rm train},\mathcal L_{\rm test}=1-4\Delta_tb_t^2\,\tau+O(\tau^2)", code=CURVES
    )
    c, lam, b2, psi, noise = sympy.symbols("c lambda b2 psi_p Delta", positive=True)
    gain = lambda time: (1 - sympy.exp(-time * lam)) / lam  # noqa: E731
    start = {"training": -b2 * sympy.limit(gain(2 * c) / c, c, 0), "test": -2 * b2 * sympy.limit(gain(c) / c, c, 0)}
    for name, slope in start.items():
        d.zero(
            f"Initial slope of the {name} loss: every eigenvalue contributes alike, and $S$ has mass $\\psi_p$",
            slope * psi * 2 * noise / psi + 4 * noise * b2,
        )
    d.equation(
        7,
        r"\tau\to\infty:\quad\mathcal L_{\rm train}=1-b_t^2S(0),\qquad\mathcal L_{\rm "
        r"test}=1+b_t^2T(0,0)-2b_t^2S(0)",
        code=CURVES,
    )
    d.equation(
        8,
        r"\mathcal E_{\rm score}=\frac1{\Delta_t}\Big(\mathcal L_{\rm "
        r"test}-1+\Delta_t\int\frac{\rho_\Sigma(d\lambda)}{e^{-2t}"
        r"\lambda+\Delta_t}\Big)",
        paper="Eq 218, any $\\Sigma$",
        code=CURVES,
    )
    with mp.workdps(40):
        system = reference()
        z = mp.mpf(-10) ** 8
        d.close("$-zS(z)\\to\\psi_p$: the total mass of $S$", -z * system.trace(z), system.psi_p, 6)


def _closed_form(d: Derivation) -> None:
    d.equation(
        9,
        r"\mathcal L_{\rm test}(\infty)=1-2\mu_1^2\Delta_t\psi_pr+\mu_1^2\psi_p\Delta_t(\mu_1^2\,\partial_"
        r"\zeta r+\mu_*^2\,"
        r"\partial_zr),\quad\mu_*^2=v_t^2+s_t^2,\ \Sigma=I",
        paper="Urfin et al. 2026, Prop C.5 (m = infinity)",
        code=CURVES,
    )
    d.text(r"""with $\frac1r+\psi_p\zeta=\frac1q+\frac{\mu_1^2\psi_pe^{-2t}}L+\psi_p\mu_1^2\Delta_t$,
    $\psi_pz=\frac{1-\psi_p}q-\frac
    r{q^2}+\frac{\psi_pv_t^2}L+\psi_ps_t^2$, $L=1+\frac{\psi_p}{\psi_n}(\mu_1^2e^{-2t}r+v_t^2q)$ at $z=\zeta=0$.""")
    with mp.workdps(50):
        mu2, noise = mp.mpf(37) / 100, mp.mpf(9) / 50
        v2, s2, n, p = mp.mpf(1) / 70, mp.mpf(1) / 75, mp.mpf(2), mp.mpf(8)
        system = System(n, p, (s2, noise * mu2, mp.mpf(0)), (v2, mp.mpf(0), (1 - noise) * mu2), (mp.mpf(1),))
        base = system.solve(mp.mpf(0))
        s0 = system.trace(mp.mpf(0), base)
        population = (v2 + s2, noise * mu2, (1 - noise) * mu2)
        ours = 1 + noise * mu2 * kernel(system, base, base, population) - 2 * noise * mu2 * s0

        def equations(q: mp.mpf, r: mp.mpf, z: mp.mpf, zeta: mp.mpf) -> list:
            big = 1 + p / n * (mu2 * (1 - noise) * r + v2 * q)
            return [
                1 / r + p * zeta - 1 / q - mu2 * p * (1 - noise) / big - p * mu2 * noise,
                p * z - (1 - p) / q + r / q**2 - p * v2 / big - p * s2,
            ]

        def r_at(z: mp.mpf, zeta: mp.mpf) -> mp.mpf:
            return mp.findroot(lambda q, r: equations(q, r, z, zeta), (base[0], s0 / p))[1]

        eps = mp.mpf(10) ** -15
        by_zeta = (r_at(0, eps) - r_at(0, -eps)) / (2 * eps)
        by_z = (r_at(eps, 0) - r_at(-eps, 0)) / (2 * eps)
        closed = 1 - 2 * mu2 * noise * p * r_at(0, 0) + mu2 * p * noise * (mu2 * by_zeta + (v2 + s2) * by_z)
        d.close("(D7.7) equals the 2026 closed form", ours, closed, 25)
