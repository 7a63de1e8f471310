"""Theorem 3.2 as an expansion in 1/psi with its next order; timescales and where tau_mem stops growing like n."""

from __future__ import annotations

import itertools

import sympy
from mpmath import mp

from derivations.record import Derivation
from derivations.symbols import alpha2, b2, mean, psi_n, psi_p, s2, v2
from rfscore.oracle.equivalence import Model
from rfscore.oracle.onepoint import solve
from rfscore.oracle.spectrum import stationary

LIMITS, TIMES = "rfscore/theory/limits.py", "rfscore/theory/timescales.py"
w = sympy.Symbol("w")


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        8,
        "Large psi: Theorem 3.2, its next order, timescales",
        (
            r"$\psi_n,\psi_p\to\infty$ with $\psi_p/\psi_n$ fixed, after $d\to\infty$; the coefficients "
            r"and $\Sigma$ are fixed.",
            r"Exact edges from the separated curve (D5.2)-(D5.6).",
        ),
    )
    _masses(d)
    _sample_bulk(d)
    _population_bulk(d)
    _training_loss(d)
    _next_order(d)
    _times(d)
    _lowest(d)
    return d


def isotropic(n: object, p: object) -> Model:
    """Sigma = I with round coefficients, in the current precision."""
    one = mp.mpf(1)
    return Model(n * one, p * one, one / 3, one / 50, one / 40, one / 300, one / 20, 19 * one / 20, (one,), (one,))


def edges(m: Model) -> list:
    """Stationary heights across which the density starts or stops."""
    heights: list = []
    for x in stationary(m):
        if x > m.s2 and (not heights or x - heights[-1] > 1e-12 * x):
            heights.append(x)
    points = [(m.s2 + heights[0]) / 2, *((a + b) / 2 for a, b in itertools.pairwise(heights)), 2 * heights[-1]]
    inside = [solve(m, x)[2] == "bulk" for x in points]
    return [x for x, before, after in zip(heights, inside[:-1], inside[1:], strict=True) if before != after]


def _masses(d: Derivation) -> None:
    d.equation(
        1,
        r"\begin{aligned}\psi_p>\psi_n\gg1:&\quad\rho=\Big(1-\frac{1+\psi_n}{\psi_p}\Big)\delta_{s_t^2}+\frac{\psi_n}{\psi_p}\rho_1"
        r"+\frac1{\psi_p}\rho_2\\ "
        r"\psi_n>\psi_p\gg1:&\quad\rho=\Big(1-\frac1{\psi_p}\Big)\rho_1+\frac1{\psi_p}\rho_2\end{aligned}",
        paper="Theorem 3.2",
        code=LIMITS,
    )
    d.text(r"""The masses are counts: $d$ directions of the population bulk; of the others, $n$ or all $p-d$ are
    reached by the
    samples; the rest of the $p$ is the atom (D5.12). At finite $\psi$ the sample part splits once more, see
    (D8.9).""")
    total = (1 - (1 + psi_n) / psi_p) + psi_n / psi_p + 1 / psi_p
    d.zero("Unit mass in the first regime", total - 1)
    d.zero("Unit mass in the second", (1 - 1 / psi_p) + 1 / psi_p - 1)


def _leading(w_: sympy.Expr) -> sympy.Expr:
    return s2 + v2 * psi_n / (psi_n + v2 * w_) - psi_p / w_


def _sample_bulk(d: Derivation) -> None:
    d.text(r"""On $\rho_1$, $q=O(1)$, hence $w=\psi_pq=O(\psi)$ and every $1/D(\lambda)=O(1/\psi)$. Dropping them
    and the 1 against
    $\psi_p$ in (D5.4), with $g=\psi_n/(\psi_n+v_t^2w)$ from (D4.6):""")
    q = sympy.Symbol("q")
    d.equation(
        2,
        r"z=s_t^2+\frac{v_t^2}{1+\frac{\psi_p}{\psi_n}v_t^2q}-\frac1q,\qquad\mathrm{supp}\,"
        r"\rho_1=s_t^2+v_t^2\Big(1\mp\sqrt{"
        r"\psi_p/\psi_n}\Big)^2",
        paper="Eq 171, Theorem 3.2",
        code=LIMITS,
    )
    d.zero("Leading form", _leading(psi_p * q) - (s2 + v2 / (1 + psi_p / psi_n * v2 * q) - 1 / q))
    x, y = sympy.symbols("x y", positive=True)  # x = sqrt(psi_p), y = sqrt(psi_n)
    for sign in (1, -1):
        at = sign * x * y**2 / (v2 * (y - sign * x))
        values = {psi_p: x**2, psi_n: y**2}
        d.zero(f"Stationary point {sign:+d}", sympy.diff(_leading(w), w).subs(values).subs(w, at))
        d.zero(f"Edge {sign:+d}", _leading(w).subs(values).subs(w, at) - s2 - v2 * (1 - sign * x / y) ** 2)


def _population_bulk(d: Derivation) -> None:
    q = sympy.Symbol("q")
    d.equation(
        3,
        r"-\frac1q=z-s_t^2-v_t^2-\int\frac{\rho_\Sigma(d\lambda)\,\mu}{1+\psi_pq\,\mu},\qquad\mu=\frac{"
        r"\mu_1^2}{\Gamma_t^2}(e^{-2t}"
        r"\lambda+\Delta_t)=b_t^2+\alpha^2\lambda",
        paper="Eq 182",
        code=LIMITS,
    )
    d.text(
        r"On the scale $z=O(\psi_p)$, $w=O(1)$ and (D4.6) gives $\delta=O(1/\psi)$, $g\to1$: the "
        r"population matrix."
    )
    delta = w / psi_n * (v2 + alpha2 * mean(lambda x: x / (1 + w * (b2 + alpha2 * x))))
    d.check("$\\delta\\to0$ as $\\psi_n\\to\\infty$ at fixed $w$", sympy.limit(delta, psi_n, sympy.oo) == 0)
    mu = lambda x: b2 + alpha2 * x  # noqa: E731
    bulk = s2 + v2 + (1 - psi_p - mean(lambda x: 1 / (1 + w * mu(x)))) / w
    printed = s2 + v2 - 1 / q + mean(lambda x: mu(x) / (1 + psi_p * q * mu(x)))
    d.zero("(D5.4) at $g=1$ is (D8.3)", bulk.subs(w, psi_p * q) - printed)


def _training_loss(d: Derivation) -> None:
    rho, omega = sympy.symbols("rho omega", positive=True)
    d.equation(
        4,
        r"\mathcal L_{\rm train}(\infty)\to\int\rho_\Sigma(d\lambda)\frac{e^{-2t}\lambda\rho_\star}{"
        r"\Delta_t+e^{-2t}\lambda\rho_"
        r"\star},\qquad v_t^2\rho_\star^2+\Big[s_t^2+v_t^2\Big(\frac{\psi_p}{\psi_n}-1\Big)"
        r"\Big]\rho_\star-s_t^2=0",
        paper="after Kim and Lee 2026, Prop 4.5 (there $\\Sigma=I$)",
        code=LIMITS,
    )
    # z = 0, w = psi_p omega, g = rho: (D5.4) gives omega (s2 + v2 rho) = 1, (D4.6) psi_n (1/rho - 1) = psi_p omega v2.
    polynomial = v2 * rho**2 + (s2 + v2 * (psi_p / psi_n - 1)) * rho - s2
    second = psi_n * (1 / rho - 1) - psi_p * v2 / (s2 + v2 * rho)
    d.zero("$g=\\rho_\\star$ solves the quadratic at $z=0$", second * rho * (s2 + v2 * rho) / psi_n + polynomial)
    decay, noise, mu2, x = sympy.symbols("e Delta mu lambda", positive=True)
    big = omega * psi_p * (noise * mu2 + decay * mu2 * rho * x)
    loss = 1 - noise * mu2 * sympy.limit(psi_p * omega / (1 + big), psi_p, sympy.oo)
    d.zero("$1-b_t^2S(0)$ for one eigenvalue", loss - decay * x * rho / (noise + decay * x * rho))
    with mp.workdps(25):
        errors = []
        for size in (100, 1000, 10000):
            m = isotropic(size, 3 * size)
            w_, d_, _ = solve(m, mp.mpf(0))
            exact = 1 - m.b2 * w_ / (1 + m.b2 * w_ + m.alpha2 * w_ / (1 + d_))
            roots = mp.polyroots([m.v2, m.s2 + 2 * m.v2, -m.s2])
            star = max(r.real for r in roots)
            limit = m.alpha2 * star / (m.b2 + m.alpha2 * star)
            errors.append(abs(exact / limit - 1))
        d.check(
            "Relative error at $\\psi=10^2,10^3,10^4$: " + ", ".join(mp.nstr(e, 3) for e in errors) + ", order one",
            all(9 < a / b < 11 for a, b in itertools.pairwise(errors)),
            "25 digits",
        )


def _next_order(d: Derivation) -> None:
    d.equation(
        5,
        r"\begin{aligned}&\lambda_\pm=s_t^2+v_t^2\Big(1\pm\sqrt{\psi_p/\psi_n}\Big)^2+\frac1{w_0}\Big(1-\frac{v_t^2h_0^2\alpha^2}{\psi_n}"
        r"Y\Big)+O(\psi^{-2}),\\ &w_0=\frac{\mp\sqrt{\psi_p}\,\psi_n}{v_t^2(\sqrt{\psi_n}\pm\sqrt{\psi_p})},\quad "
        r"h_0=\frac{\psi_nw_0}{\psi_n+v_t^2w_0},\quad "
        r"Y=\int\frac{\rho_\Sigma(d\lambda)\,\lambda}{b_t^2w_0+\alpha^2h_0\lambda}"
        r"\end{aligned}",
        code=LIMITS,
    )
    d.text(r"""An edge is a stationary value, so to first order it moves by the perturbation taken at the
    unperturbed $w_0$: the 1
    beside $\psi_p$, and $\alpha^2Y$ beside $v_t^2$ in (D4.6). The correction is of relative order $1/\psi$; it is
    what makes the
    exact edge at $\psi_p=64$ differ from the law in the second digit.""")
    with mp.workdps(30):
        table = {}
        for size in (200, 2000, 20000):
            m = isotropic(size, 3 * size)
            exact = edges(m)
            for sign in (1, -1):
                law = m.s2 + m.v2 * (1 + sign * mp.sqrt(3)) ** 2
                w0 = -sign * mp.sqrt(m.psi_p) * m.psi_n / (m.v2 * (mp.sqrt(m.psi_n) + sign * mp.sqrt(m.psi_p)))
                h0 = m.psi_n * w0 / (m.psi_n + m.v2 * w0)
                shift = (1 - m.v2 * h0**2 * m.alpha2 / m.psi_n / (m.b2 * w0 + m.alpha2 * h0)) / w0
                edge = min(exact, key=lambda x, law=law: abs(x - law))
                table.setdefault(sign, []).append((abs(edge - law), abs(edge - law - shift)))
        for sign, rows in table.items():
            first = [mp.log10(a[0] / b[0]) for a, b in itertools.pairwise(rows)]
            second = [mp.log10(a[1] / b[1]) for a, b in itertools.pairwise(rows)]
            d.check(
                f"Edge {'+' if sign > 0 else '-'}: measured order of the law {mp.nstr(first[-1], 4)}, with "
                f"the correction "
                f"{mp.nstr(second[-1], 4)}",
                abs(first[-1] - 1) < 0.02 and abs(second[-1] - 2) < 0.05,
                "exact edges at 30 digits, psi = 200, 2000, 20000",
            )


def _times(d: Derivation) -> None:
    x = sympy.Symbol("x", positive=True)  # sqrt(psi_p/psi_n)
    d.equation(
        6,
        r"\text{mode } \lambda:\quad\text{rate}\ \frac{2\Delta_t\lambda}{\psi_p}\ "
        r"\text{in}\ A(\tau),\qquad\tau\sim\frac{\psi_p}"
        r"{\Delta_t\lambda}",
        paper=r"after Theorem 3.2 (the main text once prints $\tau^{-1}$ for $\tau$)",
        code=TIMES,
    )
    d.equation(
        7,
        r"\tau_{\rm gen}\sim\frac1{\Delta_t}\ (\lambda\sim\psi_p),\qquad\tau_{\rm "
        r"mem}=\frac{\psi_p}{\Delta_t\lambda_{\min}},\quad"
        r"\lambda_{\min}=s_t^2+v_t^2\Big(1-\sqrt{\psi_p/\psi_n}\Big)^2",
        paper="after Theorem 3.2",
        code=TIMES,
    )
    lowest = s2 + v2 * (x - 1) ** 2
    d.check(
        "$\\tau_{\\rm mem}\\to\\psi_n/(\\Delta_tv_t^2)$ for $\\psi_p\\gg\\psi_n$",
        sympy.limit(x**2 / lowest, x, sympy.oo) == 1 / v2,
    )
    slope = sympy.diff(-sympy.log(lowest), x) * (-x / 2)  # at fixed psi_p, dx/dlog psi_n = -x/2
    printed = v2 * x * (x - 1) / (s2 + v2 * (x - 1) ** 2)
    d.equation(
        8,
        r"\frac{d\log\tau_{\rm mem}}{d\log\psi_n}=\frac{v_t^2\,x(x-1)}{s_t^2+v_t^2(x-1)^2}=1+\frac1x+O(x^{-2}),\qquad "
        r"x=\sqrt{\psi_p/\psi_n}",
        code=TIMES,
    )
    d.text(r"""It is 1 at $x=1+s_t^2/v_t^2$ and 0 at $x=1$: $\tau_{\rm mem}$ is proportional to $n$ only for
    $\psi_p\gg\psi_n$, grows faster than $n$ in between, and stops growing when $\psi_n$ reaches $\psi_p$.""")
    d.zero("Exponent at fixed $\\psi_p$", slope - printed)
    d.check(
        "Above $\\psi_n=\\psi_p/(1+s_t^2/v_t^2)^2$ growth is slower than $n$, below it faster",
        sympy.simplify(printed.subs(x, 1 + s2 / v2)) == 1 and sympy.limit((printed - 1) * x, x, sympy.oo) == 1,
    )


def _lowest(d: Derivation) -> None:
    d.equation(
        9,
        r"\lambda_{\rm low}\simeq s_t^2+v_t^2\frac{\psi_p}{\psi_n}\,\frac{b_t^2}{b_t^2+\alpha^2\sigma_x^2}"
        r"\qquad(\psi_p\gg\psi_n\gg1,"
        r"\ \Sigma=\sigma_x^2I),\qquad\text{mass } \frac1{\psi_p}",
        code=TIMES,
    )
    d.text(r"""The $d$ sample directions that fit the signal are soft: eliminating the stiff range of $W$ (Schur
    complement) leaves
    $\frac1n\Omega_\perp K\Omega_\perp^T$ with
    $K=1-\frac1nG_W^T\big(\frac1nG_WG_W^T+b_t^2\frac{WW^T}d\big)^{-1}G_W$, which has $n-d$ eigenvalues 1 and $d$
    equal to
    $b_t^2/(b_t^2+\alpha^2\hat\lambda)$, $\hat\lambda$ the sample covariance. At $\sigma_x=1$ the factor is
    $\Delta_t$: these modes
    relax $1/\Delta_t$ times later than $\tau_{\rm mem}$.""")
    with mp.workdps(30):
        errors = []
        for size in (100, 400, 1600):
            m = isotropic(size, 1000 * size)
            low, high = edges(m)[:2]
            law = m.v2 * 1000 * m.b2 / (m.b2 + m.alpha2)
            errors.append((abs((low + high) / 2 - m.s2 - law) / law, (high - low) / law))
        d.check(
            "Centre of the lowest bulk against the law at $\\psi_n=100,400,1600$, $\\psi_p=1000\\psi_n$: "
            "relative error "
            + ", ".join(mp.nstr(e, 2) for e, _ in errors)
            + "; its relative width "
            + ", ".join(mp.nstr(x, 2) for _, x in errors)
            + " falls as $\\psi_n^{-1/2}$",
            all(e < 0.2 for e, _ in errors) and all(1.8 < a[1] / b[1] < 2.2 for a, b in itertools.pairwise(errors)),
            "30 digits",
        )
