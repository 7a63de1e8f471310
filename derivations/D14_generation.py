"""The wide limit: one 2 x 2 block for each sample eigenvalue, and what its networks generate."""

from __future__ import annotations

import numpy as np
import sympy
from mpmath import mp

from derivations.record import Derivation

LAW, WIDE = "rfscore/theory/sample_law.py", "rfscore/theory/wide.py"
LEVELS, LAWS, BOUND = (f"rfscore/generation/{x}.py" for x in ("levels", "wide", "bound"))
x, t, h = sympy.symbols("x t h", positive=True)
a, v2, psi_n, lam = sympy.symbols("a v2 psi_n lambda", positive=True)
e2t, delta = sympy.symbols("rho2 Delta", positive=True)  # e^{-2t} and Delta_t


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        14,
        "The wide limit, and what the trained score generates",
        (
            r"$\psi_p\to\infty$ after $d\to\infty$, noise averaged, no ridge; $S=XX^T/n$ the sample covariance.",
            r"Generation: the networks at all $t$ have common samples; training times polynomial in $d$.",
        ),
    )
    _sample_law(d)
    _block(d)
    _losses(d)
    _learned_map(d)
    _steps(d)
    _bound(d)
    return d


def _sample_law(d: Derivation) -> None:
    d.equation(
        1,
        r"z(u)=u+\frac1{\psi_n}\int\rho_\Sigma(d\lambda)\frac{\lambda u}{u-\lambda},\qquad "
        r"\Big\langle\frac1{S-z}\Big\rangle_\lambda=\frac{u}{z(\lambda-u)}",
        code=LAW,
    )
    u, z = sympy.symbols("u z")
    v = -1 / u
    d.zero("Silverstein's equation $z=-1/v+\\frac1{\\psi_n}\\int\\rho\\lambda/(1+\\lambda v)$ at $v=-1/u$",
           -1 / v + lam / (psi_n * (1 + lam * v)) - u - lam * u / (psi_n * (u - lam)))  # fmt: skip
    d.zero("$(\\Sigma/(1+\\mu)-z)^{-1}$ of Latourelle-Vigeant et al., Eq 26, with $1+\\mu=u/z$",
           1 / (lam * z / u - z) - u / (z * (lam - u)))  # fmt: skip
    mu = lam * u / (psi_n * z * (lam - u))
    d.zero("and their $\\mu=\\frac1n\\mathrm{Tr}\\,\\Sigma M$ is that $1+\\mu=u/z$",
           (1 + mu - u / z).subs(z, u + lam * u / (psi_n * (u - lam))))  # fmt: skip
    d.equation(
        2,
        r"\begin{aligned}z\in\mathbb R,\ u=\xi+i\eta:\quad&\frac1{\psi_n}\int\rho\frac{\lambda^2}{|u-\lambda|^2}=1,\\"
        r"&\frac{dx}{d\xi}=2\Big(\eta^2A+\frac{B^2}{A}\Big),\quad A,B=\frac1{\psi_n}\int\rho\,"
        r"\frac{\lambda^2\,(1,\ \xi-\lambda)}{|u-\lambda|^4}\end{aligned}",
        code=LAW,
    )
    xi, eta = sympy.symbols("xi eta", real=True)
    apart = (xi - lam) ** 2 + eta**2
    whole = xi + sympy.I * eta + lam * (xi + sympy.I * eta) / (psi_n * (xi + sympy.I * eta - lam))
    d.zero("$\\mathrm{Im}\\,z=\\eta\\,(1-\\text{the integral})$",
           sympy.im(sympy.expand_complex(whole)) - eta * (1 - lam**2 / (psi_n * apart)))  # fmt: skip
    slope = 1 - lam**2 / psi_n / (xi + sympy.I * eta - lam) ** 2
    real, imag = (part(sympy.expand_complex(slope)) for part in (sympy.re, sympy.im))
    on_curve = {psi_n: lam**2 / apart}
    first, second = (lam**2 / psi_n * f / apart**2 for f in (1, xi - lam))
    d.zero("On the curve $\\mathrm{Re}\\,z'=2\\eta^2A$", (real - 2 * eta**2 * first).subs(on_curve))
    d.zero("and $\\mathrm{Im}\\,z'=2\\eta B$", (imag - 2 * eta * second).subs(on_curve))
    d.equation(
        3,
        r"\begin{aligned}\Omega_\lambda(dx)&=\frac{\lambda\,\eta}{\pi x\,|u-\lambda|^2}dx"
        r"+\frac{|u_0|}{|u_0|+\lambda}\,\delta_0,\\"
        r"&\frac1{\psi_n}\int\rho\frac{\lambda}{\lambda+|u_0|}=1\ \text{if }\psi_n<1\end{aligned}",
        code=LAW,
    )
    with mp.workdps(25):
        n, at = mp.mpf(3), mp.mpf(6) / 5
        angle = mp.acos(((at - 1 - 1 / n) * mp.sqrt(n)) / 2)  # u = 1 + e^{i theta}/sqrt(psi_n), |u|^2 = x
        point = 1 + mp.expj(angle) / mp.sqrt(n)
        low, high = (1 - 1 / mp.sqrt(n)) ** 2, (1 + 1 / mp.sqrt(n)) ** 2
        printed = n * mp.sqrt((high - at) * (at - low)) / (2 * mp.pi * at)
        d.close("$\\Sigma=I$: a circle, and Marchenko and Pastur's density",
                mp.im(point) / (mp.pi * at * abs(point - 1) ** 2), printed, 22)  # fmt: skip


def _blocks() -> tuple[sympy.Matrix, sympy.Matrix]:
    """B over a^2, and Latourelle-Vigeant's Q times d, with their d delta_n = h."""
    cross = sympy.sqrt(e2t * h * x)
    ours = sympy.Matrix([[e2t * x + delta, cross], [cross, h]])
    root = sympy.sqrt(e2t * delta * x)
    return ours, sympy.Matrix([[e2t * x + h, root], [root, delta]])


def _block(d: Derivation) -> None:
    d.equation(
        4,
        r"B(x)=\begin{pmatrix}a^2e^{-2t}x+b^2&a e^{-t}\sqrt{v^2x/\psi_n}\\a e^{-t}\sqrt{v^2x/\psi_n}&v^2/\psi_n"
        r"\end{pmatrix}",
        code=WIDE,
    )
    d.text(r"""$U=FF^T+s^2$ with the columns $F=(ae^{-t}WX/\sqrt{nd}+v\Omega/\sqrt n,\ bW/\sqrt d)$. As $p\to\infty$,
    $W^TW/p\to I$, $\Omega^T\Omega/p\to I$ and $W^T\Omega/p\to0$: in the orthonormal frame $(W,\Omega)/\sqrt p$,
    $U/\psi_p$ is a $(d+n)\times(d+n)$ matrix that singular vectors of $X$ cut into blocks $B(x)$, $b^2$ and
    $v^2/\psi_n$; $s^2/\psi_p\to0$.""")
    rng = np.random.default_rng(0)
    size, n, p = 6, 9, 200_000
    signal, noise, own = 0.5, 0.2, 0.3
    data, w, omega = (rng.standard_normal(s) for s in ((size, n), (p, size), (p, n)))
    columns = np.hstack([signal * w @ data / np.sqrt(n * size) + own * omega / np.sqrt(n), noise * w / np.sqrt(size)])
    found = np.linalg.eigvalsh(columns.T @ columns * size / p)
    values = np.linalg.eigvalsh(data @ data.T / n)
    alone = own**2 * size / n
    cross = signal * np.sqrt(alone * values)
    blocks = [np.linalg.eigvalsh([[signal**2 * y + noise**2, c], [c, alone]])
              for y, c in zip(values, cross, strict=True)]  # fmt: skip
    expected = np.sort(np.concatenate([*blocks, np.full(n - size, alone)]))
    error = float(np.max(abs(found / expected - 1)))
    d.check(f"Eigenvalues of one draw with $p=2\\cdot10^5$: relative difference {error:.1e}", error < 0.03, "numpy")
    d.equation(
        5,
        r"\begin{aligned}&\det B=b^2v^2/\psi_n,\qquad x=\frac{\gamma+b^2v^2/(\psi_n\gamma)-b^2-v^2/\psi_n}"
        r"{a^2e^{-2t}}\ \text{for both eigenvalues},\\&\gamma_-=\frac{2a^2\Delta_th}{T+\sqrt{T^2-4\Delta_th}},\quad "
        r"h=\frac{v^2}{a^2\psi_n},\quad T=e^{-2t}x+\Delta_t+h\end{aligned}",
        code=WIDE,
    )
    ours, _ = _blocks()
    gamma = sympy.Symbol("gamma", positive=True)
    d.zero("Determinant", ours.det() - delta * h)
    d.zero(
        "Eigenvalues", (ours - gamma * sympy.eye(2)).det() / gamma - (gamma + delta * h / gamma - delta - h - e2t * x)
    )
    total = e2t * x + delta + h
    closed = 2 * delta * h / (total + sympy.sqrt(total**2 - 4 * delta * h))
    d.zero("The lower one", (closed**2 - total * closed + delta * h))


def _losses(d: Derivation) -> None:
    d.equation(
        6,
        r"\begin{aligned}L_{\rm train}&=1-b^2\int\Big[\frac{1-e^{-2cB}}{B}\Big]_{11}\tfrac1d\mathrm{Tr}\,\Omega,\qquad "
        r"m=\Big[\frac{1-e^{-cB}}{B}\Big]_{11},\quad c=2\Delta_t\tau\\L_{\rm test}&=1-2b^2\int m\,\tfrac1d\mathrm{Tr}\,"
        r"\Omega+a^2b^2\int m^2\,\tfrac1d\mathrm{Tr}\,\Sigma_t\Omega\end{aligned}",
        code=WIDE,
    )
    ours, theirs = _blocks()
    for power in (0, 1):  # both sides are linear in f, and f(Q) = f_0 + f_1 Q by Cayley and Hamilton
        d.zero(f"$[Qf(Q)]_{{22}}=\\Delta_t[f(B/a^2)]_{{11}}$ for $f(Q)=Q^{power}$, so that their Eq 29 is this",
               (theirs * theirs**power)[1, 1] - delta * (ours**power)[0, 0])  # fmt: skip
    d.zero(
        "Equal characteristic polynomials",
        sympy.Matrix([theirs.det() - ours.det(), theirs.trace() - ours.trace()]).norm(),
    )
    d.equation(
        7,
        r"\tau\to\infty:\quad m=\frac1{b^2},\qquad L_{\rm train}=0,\qquad L_{\rm test}=\frac{e^{-2t}\sigma_x^2}"
        r"{\Delta_t}\ \text{for every }\psi_n",
        code=WIDE,
    )
    d.zero("$[B^{-1}]_{11}=1/b^2$", ours.inv()[0, 0] - 1 / delta)
    s = sympy.Symbol("sigma2", positive=True)
    d.zero("the plateau", 1 - 2 + (e2t * s + delta) / delta - e2t * s / delta)


def _learned_map(d: Derivation) -> None:
    d.equation(
        8,
        r"\begin{aligned}s_A(x_t)&\to-a\,\bar a(v)\,m(S)\,x_t,\\\bar a(v)&=\mathrm E\,\sigma'(\sqrt v z)="
        r"\frac{\mathrm E\,z\,"
        r"\sigma(\sqrt vz)}{\sqrt v},\qquad v=|x_t|^2/d\end{aligned}",
        code=LEVELS,
    )
    d.text(r"""$s_A=-\frac1{\sqrt{\Delta_t}}V^T\frac{1-e^{-cU}}U\sigma(Wx/\sqrt d)$ with $V=bW/\sqrt d$; the arguments
    are Gaussian with variance $v$ over the neurons. Their linear part is $\bar a Wx/\sqrt d$; the rest is a noise of
    variance $O(1/\psi_p)$ a direction.""")
    with mp.workdps(20):
        v = mp.mpf(7) / 5
        density = lambda y: mp.npdf(y)  # noqa: E731
        slope = mp.quad(lambda y: density(y) / mp.cosh(mp.sqrt(v) * y) ** 2, mp.linspace(-12, 12, 13))
        first = mp.quad(lambda y: density(y) * y * mp.tanh(mp.sqrt(v) * y), mp.linspace(-12, 12, 13)) / mp.sqrt(v)
        d.close("tanh at $v=1.4$", first, slope, 15)


def _steps(d: Derivation) -> None:
    d.equation(
        9,
        r"\begin{aligned}\text{flow }\dot x=-x-s:\quad&f\leftarrow(1+hr)^2f,\quad r=1-a\bar a(v)m(x),\\"
        r"&v=\int f\,\tfrac1d"
        r"\mathrm{Tr}\,\Omega,\quad f=1\text{ at the start}\end{aligned}",
        code=LAWS,
    )
    d.equation(
        10,
        r"\begin{aligned}&\text{SDE }-dx=(x+2s)dt+\sqrt2\,dB:\\&f\leftarrow(1+hr)^2f+2h,"
        r"\quad r=1-2a\bar a(v)m(x)\end{aligned}",
        code=LAWS,
    )
    step, f, m = sympy.symbols("s f m", positive=True)
    rate = 1 - 2 * a**2 * m
    theirs = -2 * (1 + 2 * (-(a**2) * m)) * f - 2  # their Eq 35, psi/sigma = -a^2 m by (D14.6)
    change = sympy.diff((1 + step * rate) ** 2 * f + 2 * step, step).subs(step, 0)
    d.zero("$h\\to0$ with $\\bar a=a$: Latourelle-Vigeant et al., Eq 35, backwards in $t$", change + theirs)
    d.zero("The true score $am\\bar a=1$ keeps $f=1$, per step to second order",
           sympy.diff((1 + step * (1 - 2)) ** 2 + 2 * step, step).subs(step, 0))  # fmt: skip
    d.equation(
        11,
        r"\tfrac1d\mathrm{KL}(\Sigma|\Sigma_{\rm gen})=\tfrac12\Big[\int\tfrac1f\,\tfrac1d\mathrm{Tr}\,\Sigma\Omega-1+"
        r"\int\ln f\,\tfrac1d\mathrm{Tr}\,\Omega-\tfrac1d\ln\det\Sigma\Big],\qquad\Sigma_{\rm gen}=f(S)",
        code=LAWS,
    )
    rng = np.random.default_rng(2)
    root = rng.standard_normal((4, 4))
    sigma, data = np.diag([0.5, 1.0, 2.0, 3.0]), root @ root.T
    values, vectors = np.linalg.eigh(data)
    drawn = vectors * np.exp(-values) @ vectors.T
    direct = 0.5 * (np.trace(np.linalg.solve(drawn, sigma)) - 4 + np.log(np.linalg.det(drawn) / np.linalg.det(sigma)))
    omega = np.einsum("ik,jk->kij", vectors, vectors)
    summed = sum(np.exp(y) * np.trace(sigma @ part) - y for y, part in zip(values, omega, strict=True))
    d.close("As a sum over eigenvectors, $f=e^{-x}$", 0.5 * (summed - 4 - np.log(np.linalg.det(sigma))), direct, 11)


def _bound(d: Derivation) -> None:
    d.equation(
        12,
        r"\tfrac1d\mathrm{KL}(P_{t_{\min}}|\hat P)\le\tfrac1d\mathrm{KL}(P_{t_{\max}}|N(0,I))+"
        r"\int_{t_{\min}}^{t_{\max}}\mathcal E_{\rm score}\,dt",
        paper="219",
        code=BOUND,
    )
    d.text(r"""Girsanov: two processes with noise $\sqrt2\,dB$ and drifts apart by $2(s-s')$ have the relative entropy
    $\frac14\int\mathrm E|2(s-s')|^2dt$, and the last points have less. The law of the samples is Gaussian where the
    score is linear. For $N(0,1)$ data and the score $-(1+\epsilon)x$:""")
    with mp.workdps(20):
        for eps in (mp.mpf(1) / 10, mp.mpf(-1) / 5):
            for time in (mp.mpf(1) / 10, mp.mpf(2)):
                rate = 2 * (1 - 2 * (1 + eps))
                end = mp.exp(rate * time) + 2 * mp.expm1(rate * time) / rate
                kl, bound = (1 / end - 1 + mp.log(end)) / 2, eps**2 * time
                d.check(f"$\\epsilon={mp.nstr(eps, 2)}$, time {mp.nstr(time, 2)}: KL is {mp.nstr(kl / bound, 3)} of "
                        "the bound", 0 < kl < bound, "mpmath")  # fmt: skip
