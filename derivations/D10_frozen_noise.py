"""A finite number of frozen noises per sample, ridge, and what the error is made of, at every training time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy
from mpmath import mp

from derivations.record import Derivation
from derivations.symbols import alpha2, b2, psi_n, s2, v2
from rfscore.oracle import frozen
from rfscore.oracle.coefficients import Model

EQUIVALENT, POINT, TARGETS = (f"rfscore/theory/{x}.py" for x in ("equivalent", "one_point", "targets"))
CALCULUS, CURVE = "rfscore/theory/calculus.py", "rfscore/theory/real_curve.py"
DESCENT = "rfscore/theory/descent.py"
REPLICAS, PARTS = "rfscore/theory/replicas.py", "rfscore/theory/decomposition.py"
m = sympy.Symbol("m", positive=True)


def derive() -> Derivation:
    """Run the derivation."""
    d = Derivation(
        10,
        "Frozen noises, ridge, bias and variance",
        (
            r"Gaussian equivalence of the features of all noised copies jointly: the non-linear parts of two copies "
            r"of one sample share the variance $v_t^2$ out of $v_t^2+s_t^2$.",
            r"The one-point rule of (D4.2) for several sampled parts, one $\delta_j$ a part, and its lift (D6.1).",
        ),
    )
    _columns(d)
    _one_point(d)
    _targets(d)
    _ridge(d)
    _curve(d)
    _replicas(d)
    _empirical(d)
    _steps(d)
    return d


def _columns(d: Derivation) -> None:
    d.equation(
        1,
        r"\phi_{\nu j}=c_\nu+e_{\nu j},\quad c_\nu\sim N(0,C),\ e_{\nu j}\sim N(0,B),\qquad "
        r"C=\alpha^2\frac{W\Sigma W^T}d+v_t^2,\quad B=b_t^2\frac{WW^T}d+s_t^2",
        paper="none",
        code=EQUIVALENT,
    )
    d.text(r"""The $m$ columns of one sample have covariance $C\otimes11^T+B\otimes1$. An orthogonal matrix
    whose first
    row is $1/\sqrt m$ turns them into one column of covariance $mC+B$ and $m-1$ of covariance $B$, all
    independent, and
    leaves $\sum_j\phi_{\nu j}\phi_{\nu j}^T$ as it is.""")
    c, b = sympy.symbols("c b")
    helmert = sympy.Matrix([[1, 1, 1], [1, -1, 0], [1, 1, -2]])
    helmert = sympy.diag(*(1 / row.norm() for row in (helmert.row(i) for i in range(3)))) * helmert
    turned = helmert * (c * sympy.ones(3, 3) + b * sympy.eye(3)) * helmert.T
    d.check("$m=3$", sympy.simplify(turned - sympy.diag(3 * c + b, b, b)) == sympy.zeros(3, 3))
    d.equation(
        2,
        r"U_m=\frac1{nm}\sum_{\nu j}\phi_{\nu j}\phi_{\nu j}^T\simeq\frac1n\sum_{\nu=1}^nh_\nu h_\nu^T+\frac1{nm}"
        r"\sum_{i=1}^{(m-1)n}k_ik_i^T,\qquad h_\nu\sim N(0,C+B/m),\quad k_i\sim N(0,B)",
        code=EQUIVALENT,
    )
    d.equation(
        3,
        r"\mathcal L_{\rm train}+\frac{\Delta_t\ell}{pd}\,|A|^2:\qquad\frac{A}{\sqrt p}=-\frac1{\sqrt{\Delta_t}}"
        r"V_m^T\,\frac{1-e^{-c(U_m+\ell)}}{U_m+\ell}",
        paper="Eqs 9-10 with weight decay",
        code=EQUIVALENT,
    )


def _one_point(d: Derivation) -> None:
    d.equation(
        4,
        r"\begin{aligned}&\frac1q=\ell-z+\frac{v_t^2+s_t^2/m}{1+\delta_1}+\frac{m-1}m\frac{s_t^2}{1+\delta_2}+\int"
        r"\rho_\Sigma\frac{M(\lambda)}{1+\psi_pqM(\lambda)},\\&M(\lambda)=\frac{\alpha^2\lambda+b_t^2/m}{1+\delta_1}"
        r"+\frac{m-1}m\frac{b_t^2}{1+\delta_2}\end{aligned}",
        paper="Urfin et al. 2026, Prop C.2",
        code=POINT,
    )
    d.equation(
        5,
        r"\delta_1=\frac{\psi_p}{\psi_n}\Big[\Big(v_t^2+\frac{s_t^2}m\Big)q+\alpha^2r+\frac{b_t^2}m\,s\Big]",
        code=POINT,
    )
    d.equation(6, r"\delta_2=\frac{\psi_p}{m\psi_n}\big[s_t^2\,q+b_t^2\,s\big]", code=POINT)
    draw = _drawn()
    with mp.workdps(30):
        state = frozen.solve(MODEL(), mp.mpf(-1) / 10)
        values = frozen.values(MODEL(), mp.mpf(-1) / 10, state)
        errors = [abs(draw[name] / float(values[name]) - 1) for name in ("q", "s")]
        d.check(
            f"One draw, {_D} dimensions: q and s within 4/d, relative errors " + ", ".join(f"{e:.1e}" for e in errors),
            max(errors) < 4 / _D,
            "numpy",
        )


_D = 160


def MODEL(**changes: object) -> Model:
    """Two atoms, psi_n = 1, psi_p = 3, m = 2; call inside workdps."""
    one = mp.mpf(1)
    values = {
        "psi_n": one, "psi_p": 3 * one, "alpha2": one * 3 / 10, "b2": one / 10, "v2": one / 25, "s2": one / 30,
        "noise": one / 5, "decay": one * 4 / 5, "nodes": (one / 2, one * 3 / 2), "weights": (one / 2, one / 2),
        "draws": 2 * one, "ridge": 0 * one,
    }  # fmt: skip
    return Model(**{**values, **changes})  # type: ignore[arg-type]


def _drawn() -> dict[str, float]:
    """Traces of one Gaussian draw of the model at z = -1/10."""
    rng, n, p, draws = np.random.default_rng(5), _D, 3 * _D, 2
    root = np.sqrt(np.repeat([0.5, 1.5], _D // 2))
    w = rng.standard_normal((p, _D)) / np.sqrt(_D)
    common = np.sqrt(0.3) * (w * root) @ rng.standard_normal((_D, n)) + np.sqrt(1 / 25) * rng.standard_normal((p, n))
    xi = rng.standard_normal((_D, n * draws))
    own = np.sqrt(0.1) * w @ xi + np.sqrt(1 / 30) * rng.standard_normal((p, n * draws))
    phi = np.repeat(common, draws, axis=1) + own
    inverse = np.linalg.inv(phi @ phi.T / (n * draws) + 0.1 * np.eye(p))
    v, fresh = phi @ xi.T / (n * draws), np.sqrt(0.1) * w
    population = 0.3 * (w * root**2) @ w.T + 0.1 * w @ w.T + (1 / 25 + 1 / 30) * np.eye(p)
    averaged = common @ common.T / n + 0.1 * w @ w.T + np.eye(p) / 30
    solution = inverse @ v
    return {
        "q": np.trace(inverse) / p,
        "s": np.trace(w.T @ inverse @ w) / p,
        "H": np.trace(v.T @ solution) / _D,
        "X": np.trace(fresh.T @ solution) / _D,
        "test": np.sum(solution * (population @ solution)) / _D,
        "empirical": np.sum(solution * (averaged @ solution)) / _D,
    }


def _targets(d: Derivation) -> None:
    d.text(r"""The features of a column are correlated with its noise: with $\xi$ appended to $\phi$, part $j$ has the
    covariance $\begin{pmatrix}C_j&t_jb_tW/\sqrt d\\\cdot&t_j\end{pmatrix}$, $t_1=1/m$, $t_2=1$. The rule
    (D4.2) for the
    appended columns replaces $U_m$, $V_m$ and $\frac1{nm}\Xi\Xi^T$ by their $\frac1{1+\delta_j}$-weighted means.""")
    d.equation(7, r"\beta=\frac1m\frac1{1+\delta_1}+\frac{m-1}m\frac1{1+\delta_2}", code=TARGETS)
    d.equation(
        8,
        r"H(z)=\frac1d\mathrm{Tr}\,V_m^T(U_m-z)^{-1}V_m=1-\beta+\beta^2b_t^2S",
        paper=r"Urfin et al. 2026, $T_1$",
        code=TARGETS,
    )
    d.equation(
        9,
        r"X(z)=\frac1d\mathrm{Tr}\,\tilde V^T(U_m-z)^{-1}V_m=\beta b_t^2S",
        paper=r"Urfin et al. 2026, $T_2$",
        code=TARGETS,
    )
    d.equation(
        10,
        r"\begin{aligned}&K=v_t^2+s_t^2-\Big(v_t^2+\frac{s_t^2}m\Big)g_1E_1-\frac{m-1}ms_t^2g_2E_2,"
        r"\qquad g_i=\frac1{(1+"
        r"\delta_i(z_1))(1+\delta_i(z_2))},\\&\mathcal M=b_t^2+\alpha^2\lambda-\Big(\alpha^2\lambda+"
        r"\frac{b_t^2}m\Big)g_1"
        r"E_1-\frac{m-1}mb_t^2g_2E_2,\\&Q=-q_1q_2(K+\langle\mathcal M\rangle-\psi_pQ\langle M_1M_2\rangle),\quad "
        r"s_{12}=Q\langle1\rangle-\psi_pq_1q_2\langle\mathcal M\rangle,\quad r_{12}=Q\langle\lambda\rangle-"
        r"\psi_pq_1q_2"
        r"\langle\lambda\mathcal M\rangle,\\&E_1=\frac{\psi_p}{\psi_n}\Big[\Big(v_t^2+\frac{s_t^2}m\Big)Q+"
        r"\alpha^2r_{12}"
        r"+\frac{b_t^2}ms_{12}\Big],\qquad E_2=\frac{\psi_p}{m\psi_n}[s_t^2Q+b_t^2s_{12}]\end{aligned}",
        code=TARGETS,
    )
    d.equation(11, r"\beta_{12}=-\frac1mg_1E_1-\frac{m-1}mg_2E_2", code=TARGETS)
    d.equation(
        12,
        r"\frac1d\mathrm{Tr}\,V_m^TR(z_1)\tilde UR(z_2)V_m=\beta_{12}-b_t^2\big(\beta_{12}S_2\beta_2+"
        r"\beta_1S_{12}\beta_2+"
        r"\beta_1S_1\beta_{12}\big)",
        code=TARGETS,
    )
    with mp.workdps(30):
        model = MODEL()
        one, two = (frozen.solve(model, mp.mpf(x)) for x in ("-0.1", "-0.7"))
        corner = corners(model, one, two, *everything(model))
        coupling = (model.v2 + model.s2, model.b2, model.alpha2)
        lifted = frozen.kernels(model, one, two, coupling)
        d.close("(D10.10)-(D10.12) against lifted matrices", corner.kernel, lifted[1], 25)
        d.close("and their trace $S_{12}$", -corner.trace, lifted[0], 25)
        base, draw = frozen.pull(model, one), _drawn()
        same = corners(model, one, one, *everything(model)).kernel
        errors = [abs(draw[k] / float(x) - 1) for k, x in (("H", base[0]), ("X", base[1]), ("test", same))]
        d.check("The same draw: H, X and (D10.12), relative errors " + ", ".join(f"{e:.1e}" for e in errors),
                max(errors) < 6 / _D, "numpy")  # fmt: skip
        many = MODEL(draws=mp.mpf(10) ** 12)
        h, x = frozen.pull(many, frozen.solve(many, mp.mpf("-0.1")))
        d.close("$m\\to\\infty$: $H=X=b^2S$", h, x, 10)


@dataclass(frozen=True)
class Corner:
    """S_12 and the kernel of V."""

    trace: mp.mpf
    kernel: mp.mpf


def everything(model: Model) -> tuple[list[tuple], tuple, tuple]:
    """Cross covariances, coupling and mixing of one and the same model: (D10.10)."""
    draws = model.draws
    parts = [(model.v2 + model.s2 / draws, model.b2 / draws, model.alpha2), (model.s2, model.b2, mp.mpf(0))]
    return parts, (model.v2 + model.s2, model.b2, model.alpha2), (1 / draws, mp.mpf(1))


def corners(
    model: Model, one: tuple, two: tuple, parts: list[tuple], coupling: tuple, mixing: tuple, *,
    source: object = 0, same_features: bool = True,
) -> Corner:  # fmt: skip
    """(D10.10)-(D10.12) for cross covariances `parts`, written out and solved."""
    p, draws, share = model.psi_p, model.draws, (mp.mpf(1), 1 - 1 / model.draws)
    ratio = (p / model.psi_n, p / model.psi_n / draws)
    gain = [1 / ((1 + one[j]) * (1 + two[j])) for j in (1, 2)]

    def big(x: mp.mpf, state: tuple) -> mp.mpf:
        return (model.alpha2 * x + model.b2 / draws) / (1 + state[1]) + share[1] * model.b2 / (1 + state[2])

    def mean(f: object) -> mp.mpf:
        return mp.fsum(
            w * f(x) / ((1 + p * one[0] * big(x, one)) * (1 + p * two[0] * big(x, two)))
            for x, w in zip(model.nodes, model.weights, strict=True)
        )

    pair, two_m = one[0] * two[0], mean(lambda x: big(x, one) * big(x, two))

    def equations(q: mp.mpf, e1: mp.mpf, e2: mp.mpf) -> tuple[list[mp.mpf], mp.mpf]:
        weight = [share[j] * gain[j] * (e1, e2)[j] for j in (0, 1)]
        level = coupling[0] - mp.fsum(weight[j] * parts[j][0] for j in (0, 1))
        free = lambda x: (coupling[1] + coupling[2] * x  # noqa: E731
                          - mp.fsum(weight[j] * (parts[j][1] + parts[j][2] * x) for j in (0, 1)))  # fmt: skip
        s12, r12 = (q * mean(f) - p * pair * mean(lambda x, f=f: f(x) * free(x)) for f in (lambda x: 1, lambda x: x))
        first = q + pair * (level + mean(free) - p * q * two_m) if same_features else q
        rest = [ratio[j] * (c[0] * q + c[1] * s12 + c[2] * r12) - (e1, e2)[j] for j, c in enumerate(parts)]
        return [first, *rest], s12

    zero = equations(mp.mpf(0), mp.mpf(0), mp.mpf(0))[0]
    columns = [equations(*(mp.mpf(i == j) for i in range(3)))[0] for j in range(3)]
    matrix = mp.matrix([[columns[j][i] - zero[i] for j in range(3)] for i in range(3)])
    found = mp.lu_solve(matrix, mp.matrix([-x for x in zero]))
    s12 = p * equations(*found)[1]
    beta12 = source - mp.fsum(mixing[j] * share[j] * gain[j] * found[j + 1] for j in (0, 1))
    (b_1, s_1), (b_2, s_2) = ((x.beta, p * x.s) for x in (frozen.equations(model, mp.mpf(0), y) for y in (one, two)))
    inner = beta12 * s_2 * b_2 + b_1 * s12 * b_2 + b_1 * s_1 * beta12
    return Corner(s12, beta12 - model.b2 * inner)


def _ridge(d: Derivation) -> None:
    d.equation(
        13,
        r"\mathcal L_{\rm train}=1-\Big[\frac{1-e^{-2c\lambda}}\lambda+\ell\,k_c(\lambda)^2\Big]H,\qquad k_c("
        r"\lambda)^2="
        r"\frac1{2\pi i}\int_{\rm Br}\frac{e^{2cs}-2e^{cs}}{s^2(s+\lambda)}\,ds,\qquad\lambda\in"
        r"\mathrm{spec}(U_m+\ell)",
        code=CALCULUS,
    )
    c, lam, ridge = sympy.symbols("c lambda ell", positive=True)
    k = (1 - sympy.exp(-c * lam)) / lam
    quadratic = (lam - ridge) * k**2 - 2 * k
    d.zero("Loss of one mode without its penalty", quadratic + (1 - sympy.exp(-2 * c * lam)) / lam + ridge * k**2)
    s = sympy.Symbol("s")
    integrand = (sympy.exp(2 * c * s) - 2 * sympy.exp(c * s)) / (s**2 * (s + lam))
    residues = sympy.residue(integrand, s, 0) + sympy.residue(integrand, s, -lam)
    d.zero("Sum of the residues at $0$ and $-\\lambda$", residues - k**2)


def _curve(d: Derivation) -> None:
    d.text(r"""For real $z$: with $w=\psi_pq$, $g_i=1/(1+\delta_i)$, $A=v_t^2+s_t^2/m$ and
    $\kappa=(1+wb_t^2\beta)/(\alpha^2
    wg_1)$ one has $1+wM(\lambda)=\alpha^2wg_1(\kappa+\lambda)$. Put $Y_0=\int\rho_\Sigma/(\kappa+\lambda)$ and
    $Y_1=\int\rho_\Sigma\lambda/(\kappa+\lambda)$.""")
    d.equation(14, r"\frac1{g_1}=\frac{\psi_n+Aw}{G},\qquad G=\psi_n-Y_1-\frac{b_t^2}{m\alpha^2}Y_0", code=CURVE)
    d.equation(
        15,
        r"\frac{G}{g_2}=G+\frac{b_t^2Y_0}{\alpha^2m}+\Big(\frac{s_t^2}{m\psi_n}G+\frac{b_t^2A}{\alpha^2m"
        r"\psi_n}Y_0\Big)w",
        code=CURVE,
    )
    d.equation(
        16,
        r"\frac1w+\Big(\frac{b_t^2}m-\alpha^2\kappa\Big)g_1+\frac{m-1}mb_t^2g_2=0,\quad\text{a quadratic for }w",
        code=CURVE,
    )
    w, g1, g2, y0, y1, kappa = sympy.symbols("w g1 g2 Y0 Y1 kappa")
    a = v2 + s2 / m
    d1 = (a * w + y1 / g1 + b2 / (m * alpha2) * y0 / g1) / psi_n
    big_g = psi_n - y1 - b2 / (m * alpha2) * y0
    solved = sympy.solve(sympy.Eq(1 / g1, 1 + d1), g1)
    d.check("(D10.14) is (D10.5)", len(solved) == 1 and sympy.simplify(solved[0] - big_g / (psi_n + a * w)) == 0)
    d2 = (s2 * w + b2 * y0 / (alpha2 * g1)) / (m * psi_n)
    right = big_g + b2 * y0 / (alpha2 * m) + (s2 / (m * psi_n) * big_g + b2 * a / (alpha2 * m * psi_n) * y0) * w
    d.zero("(D10.15) is (D10.6)", big_g * (1 + d2.subs(g1, big_g / (psi_n + a * w))) - right)
    closing = 1 / w + (b2 / m - alpha2 * kappa) * g1 + (m - 1) / m * b2 * g2
    definition = kappa - (1 + w * b2 * (g1 / m + (m - 1) / m * g2)) / (alpha2 * w * g1)
    d.zero("(D10.16) is the definition of $\\kappa$", closing + alpha2 * g1 * definition)


def _replicas(d: Derivation) -> None:
    d.text(r"""Two models trained on columns $h,h'$ of covariances $C_j,C_j'$ and cross covariance
    $C_j^\times=\mathrm E
    \,h'h^T$: in (D6.1) $\delta_j$ becomes a $2\times2$ matrix whose corner is the trace with $C_j^\times$, and
    the corner
    of the mean field multiplies $C_j^\times$ again. So (D10.10)-(D10.12) hold with cross covariances in them.""")
    d.equation(
        17,
        r"\begin{aligned}&C_1^\times:\ \alpha^2[X]\frac{W\Sigma W'^T}d+\frac{b_t^2}m[\xi]\frac{WW'^T}d+v_t^2[XW]+"
        r"\frac{s_t^2}m[XW\xi],\\"
        r"&C_2^\times:\ b_t^2[\xi]\frac{WW'^T}d+s_t^2[XW\xi],\qquad t_j^\times=t_j[\xi]\end{aligned}",
        code=REPLICAS,
    )
    d.text(r"""Here $[R]$ is one if all of $R$ out of data $X$, weights $W$ and noises $\xi$ are common, and else
    zero.""")
    d.equation(18, r"W'\ne W:\qquad Q=0,\ K=0\quad(W\text{ and }W'\text{ have no common trace})", code=REPLICAS)
    d.equation(
        19,
        r"Q(R)=\frac1d\mathrm E_x\,\mathrm E\,s\cdot s'=\frac1{\Delta_t}\,k_c\times k_c\ "
        r"\text{on the kernel of}\ R,\qquad "
        r"Q(\emptyset):\ b_t^2\beta_1\beta_2\psi_p^2q_1q_2\langle b_t^2+\alpha^2\lambda\rangle",
        code=REPLICAS,
    )
    d.equation(
        20,
        r"\mathrm{bias}^2=\int\rho_\Sigma\,\lambda_t\Big(\frac1{\lambda_t}-\gamma(\lambda)\Big)^2,\quad "
        r"\lambda_t=e^{-2t}"
        r"\lambda+\Delta_t,\quad\gamma(\lambda)=\frac{b_t^2}{\Delta_t}\,k_c\ \text{on}\ \frac{\beta\,"
        r"\psi_pq}{1+\psi_pqM(\lambda)}",
        paper=r"Urfin et al. 2026: $(1-\mu_1T_2/\sqrt{\Delta_t})^2$ at $\Sigma=I$",
        code=PARTS,
    )
    d.equation(
        21,
        r"\mathcal E_{\rm score}=\mathrm{bias}^2+Q(XW\xi)-Q(\emptyset)",
        paper="Urfin et al. 2026",
        code=PARTS,
    )
    with mp.workdps(30):
        model = MODEL()
        one, two = (frozen.solve(model, mp.mpf(x)) for x in ("-0.1", "-0.7"))
        none = [(mp.mpf(0),) * 3] * 2
        coupling, nothing = (mp.mpf(0), model.b2, model.alpha2), (mp.mpf(0), mp.mpf(0))
        found = corners(model, one, two, none, coupling, nothing, same_features=False).kernel
        sides = [frozen.equations(model, mp.mpf(0), x) for x in (one, two)]
        traces = [[_direction(model, state, x) for x in model.nodes] for state in (one, two)]
        mean = mp.fsum(
            w * a * b * (model.b2 + model.alpha2 * x)
            for w, a, b, x in zip(model.weights, *traces, model.nodes, strict=True)
        )
        d.close("(D10.19), nothing in common", found, model.b2 * sides[0].beta * sides[1].beta * mean, 25)
        total = mp.fsum(w * a for w, a in zip(model.weights, traces[0], strict=True))
        d.close(r"The directions of (D10.20) add up to $S$", total, model.psi_p * sides[0].s, 25)


def _direction(model: Model, state: tuple, lam: mp.mpf) -> mp.mpf:
    """psi_p q/(1 + psi_p q M(lam))."""
    q, d1, d2 = state
    big = (model.alpha2 * lam + model.b2 / model.draws) / (1 + d1) + (1 - 1 / model.draws) * model.b2 / (1 + d2)
    return model.psi_p * q / (1 + model.psi_p * q * big)


def _empirical(d: Derivation) -> None:
    d.text(r"""The population matrix of fresh noises on the training points, $U_e=\frac1n\sum_\nu c_\nu
    c_\nu^T+B$, is made
    of the columns that $U_m$ contains. With the columns $a_\nu=c_\nu+\bar e_\nu$ and $c_\nu$ side by side,
    sample $\nu$ adds
    $Y_\nu\mathcal KY_\nu^T$, $\mathcal K=\mathrm{diag}(1,\varepsilon e_{12})$, and its mean field is $\mathcal
    K(1+\Delta
    \mathcal K)^{-1}$ between covariances, $\Delta$ the traces of the pair.""")
    d.equation(
        22,
        r"\mathcal K(1+\Delta\mathcal K)^{-1}=\begin{pmatrix}g&\\&0\end{pmatrix}+\varepsilon\begin{pmatrix}"
        r"\eta_1\eta_2&"
        r"-\eta_1\\-\eta_2&1\end{pmatrix}e_{12},\qquad\eta_i=g_1(z_i)\,\frac1n\mathrm{Tr}\,CR(z_i)",
        code=PARTS,
    )
    eps, aa1, aa2, ac1, ac2, cc1, cc2 = sympy.symbols("epsilon aa1 aa2 ac1 ac2 cc1 cc2")
    diagonal = lambda x, y: sympy.diag(x, y)  # noqa: E731
    delta = sympy.Matrix(sympy.BlockMatrix([[diagonal(aa1, aa2), diagonal(ac1, ac2)],
                                            [diagonal(ac1, ac2), diagonal(cc1, cc2)]]))  # fmt: skip
    k = sympy.diag(1, 1, 0, 0)
    k[2, 3] = eps
    field = (k * (sympy.eye(4) + delta * k).inv()).diff(eps).subs(eps, 0)
    eta1, eta2 = ac1 / (1 + aa1), ac2 / (1 + aa2)
    want = {(0, 1): eta1 * eta2, (0, 3): -eta1, (2, 1): -eta2, (2, 3): 1}
    d.check(
        "First order in $\\varepsilon$, corner entries $(a,a)$, $(a,c)$, $(c,a)$, $(c,c)$",
        all(sympy.simplify(field[i] - value) == 0 for i, value in want.items()),
    )
    d.equation(
        23,
        r"\text{coupling}\ B+(1-\eta_1)(1-\eta_2)\,C+\frac{\eta_1\eta_2}m\,B,\qquad\beta_{12}=\frac{\eta_1"
        r"\eta_2}m-\frac1mg_1E_1"
        r"-\frac{m-1}mg_2E_2",
        code=PARTS,
    )
    d.equation(
        24,
        r"\mathcal L_{\rm emp}=1+k_c\times k_c\ \text{on}\ \frac1d\mathrm{Tr}\,V_m^TR_1U_eR_2V_m-2\,k_c\ "
        r"\text{on}\ X",
        paper=r"Urfin et al. 2026, $\mathcal L^{emp}_{test}$ ($\tau=\infty$)",
        code=PARTS,
    )
    with mp.workdps(30):
        model = MODEL()
        state = frozen.solve(model, mp.mpf("-0.1"))
        found = _memory(model, state, state)
        drawn = _drawn()["empirical"]
        d.check(f"The draw of above: relative error {abs(drawn / float(found) - 1):.1e}",
                abs(drawn / float(found) - 1) < 6 / _D, "numpy")  # fmt: skip
        many = MODEL(draws=mp.mpf(10) ** 20)
        z1, z2 = mp.mpf("-0.1"), mp.mpf("-0.7")
        one, two = frozen.solve(many, z1), frozen.solve(many, z2)
        h1, h2 = frozen.pull(many, one)[0], frozen.pull(many, two)[0]
        d.close("$m\\to\\infty$: $U_e=U$, the resolvent identity (D6.8)", _memory(many, one, two),
                (z1 * h1 - z2 * h2) / (z1 - z2), 14)  # fmt: skip


def _memory(model: Model, one: tuple, two: tuple) -> mp.mpf:
    """Kernel of U_e by (D10.23)."""
    ratio, eta = model.psi_p / model.psi_n, []
    for state in (one, two):
        found = frozen.equations(model, mp.mpf(0), state)
        eta.append(ratio * (model.v2 * state[0] + model.alpha2 * found.r) / (1 + state[1]))
    kept, both = (1 - eta[0]) * (1 - eta[1]), eta[0] * eta[1] / model.draws
    coupling = (model.s2 * (1 + both) + kept * model.v2, model.b2 * (1 + both), kept * model.alpha2)
    parts, _, mixing = everything(model)
    return corners(model, one, two, parts, coupling, mixing, source=both).kernel


def _steps(d: Derivation) -> None:
    d.text(r"""Discrete steps: the residual $e_k(\lambda)$ of (D9.4) takes the place of $e^{-c\lambda}$.""")
    d.equation(
        25,
        r"x\lambda=\frac{(1-r)(r-\beta)}r:\qquad e_k=\frac{r^k(r-\beta)-(\beta/r)^k(\beta/r-\beta)}{r-\beta/r}",
        code=DESCENT,
    )
    d.equation(
        26,
        r"\frac{1-e_k}\lambda\ \text{on}\ F=\frac1{2\pi i}\oint\frac{e_k(z)}zF(z)\,dz,\quad z=z(r),\ r=\pm e^{s/2k},\ s"
        r"\ \text{on the parabola (D7.2)}",
        code=DESCENT,
    )
    r, x, beta = sympy.symbols("r x beta", positive=True)
    lam = (1 - r) * (r - beta) / (x * r)
    d.zero("$r$ is a root of $r^2-(1+\\beta-x\\lambda)r+\\beta$", r**2 - (1 + beta - x * lam) * r + beta)
    e = lambda k: (r**k * (r - beta) - (beta / r) ** k * (beta / r - beta)) / (r - beta / r)  # noqa: E731
    d.zero("$e_0=1$", e(0) - 1)
    d.zero("$e_1=1-x\\lambda$", e(1) - (1 - x * lam))
    d.zero("Recursion", e(3) - (1 + beta - x * lam) * e(2) + beta * e(1))
