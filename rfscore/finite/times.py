"""tau_opt and tau_half of one drawn instance, solved on its exact curves."""

from __future__ import annotations

from rfscore.finite.flow import GradientFlow
from rfscore.observables.solved import CurveTimes, solve_times

#: c = 2 gain^2 tau/psi_p times the largest eigenvalue at the first, times the smallest at the last time looked at.
FIRST, LAST = 1e-2, 40.0


def curve_times(flow: GradientFlow) -> CurveTimes:
    """Best stopping and half-gap time of one instance, by the definitions of `rf.curve_times`.

    Args:
        flow: its gradient flow.

    Returns:
        CurveTimes.

    Example:
        >>> import rfscore as rf
        >>> flow = rf.finite.draw(rf.ScoreProblem(4.0, 16.0, 0.1), d=20, seed=0).gradient_flow()
        >>> found = rf.finite.curve_times(flow)
        >>> found.tau_opt.value < found.tau_half.value
        True
    """
    instance, positive = flow.instance, flow.eigenvalues[flow.eigenvalues > 0]
    rate = instance.rate  # p/d is the psi_p that was drawn
    return solve_times(flow.loss_curves, FIRST / (rate * positive[-1]), LAST / (rate * positive[0]))
