r"""From a curve to numbers: minimum, crossing, onset, tau_opt and tau_half, power-law exponent.

The same code serves theory curves and runs. Training time is read on a logarithmic axis: between two training times a
curve is taken as linear in log(tau). Points at tau = 0 and tau = inf are allowed; they serve as first and final value,
and a crossing next to one of them is censored, because log(tau) cannot be interpolated there. Every result says
whether it is a measurement ("ok"), a bound ("censored"), or nothing ("undefined"), and what to do about it.
"""

from rfscore.observables.exponents import Exponent as Exponent
from rfscore.observables.exponents import LocalSlopes as LocalSlopes
from rfscore.observables.exponents import fit_exponent as fit_exponent
from rfscore.observables.exponents import local_slopes as local_slopes
from rfscore.observables.solved import CurveTimes as CurveTimes
from rfscore.observables.solved import solve_times as solve_times
from rfscore.observables.times import Observable as Observable
from rfscore.observables.times import Status as Status
from rfscore.observables.times import crossing as crossing
from rfscore.observables.times import minimum as minimum
from rfscore.observables.times import onset as onset
from rfscore.observables.times import tau_half as tau_half
from rfscore.observables.times import tau_opt as tau_opt
from rfscore.observables.times import tau_rise as tau_rise
