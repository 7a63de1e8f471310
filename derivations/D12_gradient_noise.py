"""Descent that sees new noises, or a part of the samples, at every step: mean, fluctuations and stability."""

from __future__ import annotations

import numpy as np
import sympy
from mpmath import mp

from derivations.D06_two_point import kernel
from derivations.noisy import by_kernels, draw, recursion, run
from derivations.numeric import System, reference
from derivations.record import Derivation

STEP, CONTOURS, LIFT = (f"rfscore/theory/{x}.py" for x in ("step_noise", "step_contours", "two_point"))


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        12,
        "Gradient noise",
        (
            r"Steps use the average over a batch of $n_b=fn$ samples, drawn anew without replacement, of "
            r"$r_\nu\phi_\nu^T$, $r_\nu=\Theta\phi_\nu+\xi_\nu$, $\Theta=\sqrt{\Delta_t/p}\,A$, with one new noise a "
            r"sample; $x=2\Delta_t\eta/(dp)$.",
            r"The Gaussian equivalent (D10.1): $\phi_\nu=c_\nu+e_\nu$, $e_\nu\sim N(0,B)$ new at every step, "
            r"$c_\nu$ kept; $U=C_n+B$, $C_n=\frac1n\sum_\nu c_\nu c_\nu^T$.",
        ),
    )
    _mean(d)
    _one_sample(d)
    _order(d)
    _all_samples(d)
    _response(d)
    _volterra(d)
    _kernels(d)
    _stability(d)
    return d


def _mean(d: Derivation) -> None:
    d.equation(
        1,
        r"\begin{aligned}&\Theta_{k+1}=\Theta_k-x\big(\Theta_kU+V^T+\Gamma_k\big)+\beta(\Theta_k-\Theta_{k-1}),\\"
        r"&\mathrm E[\Gamma_k|\Theta_k]=0:\quad\mathrm E\,\Theta_k\ \text{is descent in the averaged loss}"
        r"\end{aligned}",
        code=STEP,
    )
    d.text(r"""The fluctuation $\zeta_k=\Theta_k-\mathrm E\,\Theta_k$ obeys the same recursion with $-x\Gamma_k$ as its
    source, and adds $\mathrm{Tr}\,S_kM$ to a loss with the quadratic form $M$, $S_k=\frac1d\mathrm E\,
    \zeta_k^T\zeta_k$.""")


def _moments(values: dict[str, sympy.Matrix]) -> sympy.Matrix:
    """sum_a Cov(r_a phi) for phi = c + E g, r = rbar + F g with g standard normal, by Gaussian moments."""
    g = sympy.Matrix(sympy.symbols("g0:3"))
    phi, r = values["c"] + values["E"] * g, values["r"] + values["F"] * g

    def expect(expression: sympy.Expr) -> sympy.Expr:
        terms = sympy.Poly(sympy.expand(expression), *g).terms()
        double = lambda n: 0 if n % 2 else sympy.factorial2(n - 1)  # noqa: E731
        return sum(weight * sympy.prod([double(n) for n in powers]) for powers, weight in terms)

    total = sympy.zeros(2, 2)
    for a in range(2):
        column = r[a] * phi
        average = column.applyfunc(expect)
        total += (column * column.T).applyfunc(expect) - average * average.T
    return total


def _one_sample(d: Derivation) -> None:
    d.equation(
        2,
        r"\begin{aligned}\sum_a\mathrm{Cov}_\xi(r_{\nu a}\phi_\nu)&=|r_\nu|^2B+(|r_\nu|^2-|\bar r_\nu|^2)\,c_\nu "
        r"c_\nu^T+\big[uu^T+u\bar r_\nu c_\nu^T+c_\nu\bar r_\nu^Tu^T\big],\\&|r_\nu|^2\to\mathrm E_\xi|r_\nu|^2,\quad"
        r"\bar r_\nu=\mathrm E_\xi r_\nu=\Theta c_\nu,\quad u=\mathrm E_\xi\,e_\nu r_\nu^T\end{aligned}",
        code=STEP,
    )
    rng = np.random.default_rng(1)

    def exact(*shape: int) -> sympy.Matrix:
        return sympy.Matrix(*shape, [sympy.Rational(int(x), 7) for x in rng.integers(-9, 10, shape).ravel()])

    for j in range(3):
        v = {"c": exact(2, 1), "E": exact(2, 3), "r": exact(2, 1), "F": exact(2, 3)}
        size, mean = (v["F"] * v["F"].T).trace(), (v["r"].T * v["r"])[0]
        u, cross = v["E"] * v["F"].T, v["E"] * v["F"].T * v["r"] * v["c"].T
        claim = (size + mean) * v["E"] * v["E"].T + size * v["c"] * v["c"].T + u * u.T + cross + cross.T
        d.check(f"Gaussian moments, case {j + 1}", _moments(v) == claim, "exact rationals")


def _order(d: Derivation) -> None:
    d.text(r"""The bracket has $\bar r_\nu$, $c_\nu$ and $\mathrm{rank}\,u\le d$ where the other terms have the size
    $|r_\nu|^2\sim d$: its share of the traces below is $O(1/d)$. On draws, after one step, traced with $U$:""")
    shares = {}
    for size in (30, 60, 120):
        m = draw(size)
        theta = -0.2 * m["V"].T
        u = m["B"] @ theta.T + m["V"]
        own = size + np.sum(theta @ m["B"] * theta) + 2 * np.sum(theta * m["V"].T)
        common = np.mean((theta @ m["c"]) ** 2) * size
        crossed = u @ theta @ (m["U"] - m["B"])
        bracket = np.sum(u @ u.T * m["U"]) + 2 * abs(np.sum(crossed * m["U"]))
        main = common * m["B"] + own * m["U"]
        shares[size] = bracket / np.sum(main * m["U"])
    d.check(
        "Share of the bracket at $d=30,60,120$: " + ", ".join(f"{x:.4f}" for x in shares.values()) + ", halves as $d$ "
        "doubles",
        all(0.4 < shares[2 * s] / shares[s] < 0.6 for s in (30, 60)),
        "numpy",
    )


def _all_samples(d: Derivation) -> None:
    d.equation(
        3,
        r"\begin{aligned}\tfrac1d\mathrm E\,\Gamma^T\Gamma=\frac1{fn}\big[R\,(B+(1-f)C_n)+Q\,U\big],\qquad"
        r"&Q=1+\tfrac1d\mathrm{Tr}\,\Theta B\Theta^T+\tfrac2d\mathrm{Tr}\,\Theta V,\\"
        r"&R=\tfrac1d\mathrm{Tr}\,\Theta C_n\Theta^T,\qquad L_{\rm train}=R+Q\end{aligned}",
        code=STEP,
    )
    d.text(r"""$|r_\nu|^2/d$ and $|\bar r_\nu|^2/d$ concentrate on $L_{\rm train}$ and $R$. The choice of the batch adds
    the covariance of $\bar r_\nu c_\nu^T$ over the samples, $R\,C_n$, times $(1-f)/(fn)$. With the noise averaged and
    $f<1$ only that remains: $\frac1{fn}(1-f)R\,C_n$.""")
    f, loss, own, b, c = sympy.symbols("f L Q B C")
    noise_part = loss * b + own * c
    batch_part = (1 - f) * (loss - own) * c
    d.zero("Both parts", noise_part + batch_part - ((loss - own) * (b + (1 - f) * c) + own * (b + c)))
    d.zero("$f\\to0$: the covariance of single samples, $L_{\\rm train}U$",
           (noise_part + batch_part).subs(f, 0) - loss * (b + c))  # fmt: skip


def _response(d: Derivation) -> None:
    d.equation(
        4,
        r"S_k=\sum_{j<k}x^2\,h_{k-1-j}(U)\,\tfrac1d\mathrm E\,\Gamma_j^T\Gamma_j\,h_{k-1-j}(U),\qquad "
        r"h_{i+1}=(1+\beta-xU)h_i-\beta h_{i-1},\quad h_0=1,\ h_{-1}=0",
        code=CONTOURS,
    )
    x, beta, lam = sympy.symbols("x beta lambda")
    noise = sympy.symbols("N0:4")
    a, h = 1 + beta - x * lam, [sympy.Integer(1)]
    h.append(a)
    h += [sympy.expand(a * h[1] - beta * h[0])]
    h.append(sympy.expand(a * h[2] - beta * h[1]))
    s00 = s01 = s11 = sympy.Integer(0)  # second moments of (zeta_k, zeta_{k-1}) for one mode
    for level in noise:
        s00, s01, s11 = a**2 * s00 - 2 * a * beta * s01 + beta**2 * s11 + x**2 * level, a * s00 - beta * s01, s00
    d.zero("One mode with momentum, four steps", s00 - x**2 * sum(noise[j] * h[3 - j] ** 2 for j in range(4)))
    r = sympy.Symbol("r")
    closed = lambda i: (r ** (i + 1) - (beta / r) ** (i + 1)) / (r - beta / r)  # noqa: E731
    root = (1 - r) * (r - beta) / (x * r)
    d.zero("$h_i=(r^{i+1}-(\\beta/r)^{i+1})/(r-\\beta/r)$ with $r$ of (D9.8)", closed(2) - h[2].subs(lam, root))
    d.zero("from $h_{-1}=0$", closed(-1))


def _volterra(d: Derivation) -> None:
    d.equation(
        5,
        r"\begin{aligned}&\begin{pmatrix}R_k\\Q_k\end{pmatrix}=\begin{pmatrix}\bar R_k\\\bar Q_k\end{pmatrix}+"
        r"\sum_{j<k}G(k-1-j)\begin{pmatrix}R_j\\Q_j\end{pmatrix},\qquad G_{MN}(i)=\frac{x^2}{fn}\mathrm{Tr}\,"
        r"M\,h_i(U)\,N\,h_i(U),\\&M=C_n,B,\qquad N=B+(1-f)C_n,\ U\end{aligned}",
        code=STEP,
    )
    m, x, batch, steps = draw(16), 0.4, 0.5, 25
    by_matrix, convolved = recursion(m, x, batch, steps), by_kernels(m, x, batch, steps)
    error = float(np.max(abs(by_matrix / convolved - 1)))
    d.check(f"{steps} steps of the matrix recursion of $S_k$: relative difference {error:.0e}", error < 1e-11, "numpy")
    runs = np.array([run(m, x, batch, 8, seed) for seed in range(400)])
    spread = runs.std(0) / np.sqrt(len(runs))
    worst = np.max(abs(runs.mean(0) - by_matrix[:8])[1:] / (4 * spread[1:] + 0.5 / 16 * by_matrix[1:8]))
    d.check("400 runs of the same draw with new noises and batches, losses of eight steps within four standard errors "
            "and $1/(2d)$", worst < 1, "numpy")  # fmt: skip


def _kernels(d: Derivation) -> None:
    d.equation(
        6,
        r"\frac1n\mathrm{Tr}\,M\,R(z_1)\,B\,R(z_2)=-\frac{\psi_p}{\psi_n}\Big(M_0Q+M_1s_{12}+M_2r_{12}\Big),\qquad "
        r"\frac1n\mathrm{Tr}\,M\,R(z)=\frac{\psi_p}{\psi_n}\big(M_0q+M_1s+M_2r\big)",
        code=LIFT,
    )
    d.text(r"""for triples $M=(M_0,M_1,M_2)$ of $I$, $WW^T/d$, $W\Sigma W^T/d$ and the corners $Q,s_{12},r_{12}$
    of (D6.3)-(D6.5) with the coupling $B$; $U$ commutes with the resolvents, so that with $U$ in place of $M$ or $B$
    one point is enough. With (D9.9) these traces give the kernels of (D12.5).""")
    with mp.workdps(30):
        system, z1, z2 = reference(), mp.mpf(-1) / 3, mp.mpf(-2)
        one, two = system.solve(z1), system.solve(z2)
        for left, right in (((1, 2, 3), (5, 7, 11)), ((0, 1, 0), (2, 0, 1))):
            d.close("The outer matrix and the coupling exchanged", kernel(system, one, two, right, left),
                    kernel(system, one, two, left, right), 22)  # fmt: skip
        d.close("Outer $WW^T/d$: (D6.5)", kernel(system, one, two, (5, 7, 11), (0, 1, 0)),
                kernel(system, one, two, (5, 7, 11)), 22)  # fmt: skip
    with mp.workdps(20):
        drawn, size = draw(120), 120
        model = System(mp.mpf(2), mp.mpf(3), (mp.mpf(1) / 30, mp.mpf(1) / 5, mp.mpf(0)),
                       (mp.mpf(1) / 25, mp.mpf(0), mp.mpf(3) / 10), (mp.mpf(1),))  # fmt: skip
        state = model.solve(mp.mpf(-1) / 10)
        inverse = np.linalg.inv(drawn["U"] + 0.1 * np.eye(3 * size))
        sampled = np.sum((inverse @ drawn["T"] @ inverse) * drawn["B"]) / size
        coupling, population = (mp.mpf(1) / 30, mp.mpf(1) / 5, 0), (mp.mpf(1) / 25 + mp.mpf(1) / 30, mp.mpf(1) / 5,
                                                                    mp.mpf(3) / 10)  # fmt: skip
        error = abs(sampled / float(kernel(model, state, state, coupling, population)) - 1)
        d.check(f"One draw, $\\tilde U$ against $B$: relative error {error:.1e}", error < 4 / size, "numpy")


def _stability(d: Derivation) -> None:
    d.equation(
        7,
        r"\varrho(\mathcal G)<1,\quad\mathcal G=\sum_{i\ge0}G(i):\qquad(1-\mathcal G)\begin{pmatrix}R_\infty\\Q_\infty"
        r"\end{pmatrix}=\begin{pmatrix}\bar R_\infty\\\bar Q_\infty\end{pmatrix}",
        code=STEP,
    )
    d.text(r"""$G_{MN}(i)\ge0$, as traces of products of two positive semi-definite matrices. By the renewal theorem the
    fluctuations stay bounded exactly where the spectral radius $\varrho$ of the sum is below one.""")
    a, g, s = sympy.symbols("a g s", positive=True)
    pole = sympy.solve(1 - s * g / (1 - a * s), s)[0]
    d.zero("$G(i)=ga^i$: solutions grow like $(a+g)^k$, and $a+g<1\\iff g/(1-a)<1$", 1 / pole - (a + g))
    d.equation(
        8,
        r"x^2\sum_{i\ge0}h_i(U)\otimes h_i(U)=\frac1{2\pi}\int_{-\pi}^\pi R(z_\omega)\otimes R(\bar z_\omega)\,d\omega,"
        r"\qquad z_\omega=\frac{(1-r)(r-\beta)}{xr},\quad r=e^{-i\omega}",
        code=STEP,
    )
    with mp.workdps(25):
        x, beta = mp.mpf(3) / 5, mp.mpf(2) / 5
        for low, high in ((mp.mpf(1) / 5, mp.mpf(4)), (mp.mpf(1), mp.mpf(9) / 5)):
            now, before, total = (mp.mpf(1),) * 2, (mp.mpf(0),) * 2, mp.mpf(0)
            for _ in range(1500):
                total += x * x * now[0] * now[1]
                now, before = tuple((1 + beta - x * lam) * h - beta * b
                                    for lam, h, b in zip((low, high), now, before, strict=True)), now  # fmt: skip

            def integrand(omega: mp.mpf, low: mp.mpf = low, high: mp.mpf = high) -> mp.mpf:
                r = mp.expj(-omega)
                z = (1 - r) * (r - beta) / (x * r)
                return mp.re(1 / ((low - z) * (high - mp.conj(z)))) / mp.pi

            d.close(f"Two modes, $\\beta={mp.nstr(beta, 2)}$", mp.quad(integrand, mp.linspace(0, mp.pi, 9)), total, 15)
