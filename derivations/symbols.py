"""Symbols shared by the spectral derivations; rho_Sigma with two atoms, general enough for every identity."""

from __future__ import annotations

import sympy

psi_n, psi_p, alpha2, b2, v2, s2 = sympy.symbols("psi_n psi_p alpha2 b2 v2 s2", positive=True)
lam = sympy.symbols("lambda_1 lambda_2", positive=True)
weight_1 = sympy.Symbol("omega", positive=True)
weights = (weight_1, 1 - weight_1)


def mean(function: object) -> sympy.Expr:
    """int rho_Sigma(dlam) function(lam)."""
    return sum(w * function(x) for w, x in zip(weights, lam, strict=True))


#: Rational values of all parameters, for identities too large to simplify symbolically.
POINT = {
    psi_n: sympy.Rational(7, 3),
    psi_p: sympy.Rational(11, 2),
    alpha2: sympy.Rational(2, 5),
    b2: sympy.Rational(3, 20),
    v2: sympy.Rational(1, 30),
    s2: sympy.Rational(1, 45),
    lam[0]: sympy.Rational(1, 2),
    lam[1]: sympy.Rational(7, 4),
    weight_1: sympy.Rational(2, 7),
}
