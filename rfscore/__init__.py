"""rfscore: why diffusion models generalise before they memorise, in a solvable model."""

import importlib
from typing import TYPE_CHECKING, Any

from rfscore.errors import InputError as InputError
from rfscore.errors import RfscoreError as RfscoreError
from rfscore.errors import SolveError as SolveError
from rfscore.model.activations import Activation as Activation
from rfscore.model.equivalence import GaussianCoefficients as GaussianCoefficients
from rfscore.model.equivalence import coefficients as coefficients
from rfscore.model.population import Atoms as Atoms
from rfscore.model.population import Covariance as Covariance
from rfscore.model.population import Empirical as Empirical
from rfscore.model.population import HeavyTailed as HeavyTailed
from rfscore.model.population import Isotropic as Isotropic
from rfscore.model.population import Mixture as Mixture
from rfscore.model.population import Population as Population
from rfscore.model.population import PowerLaw as PowerLaw
from rfscore.model.population import Uniform as Uniform
from rfscore.model.problem import ScoreProblem as ScoreProblem
from rfscore.model.process import OU as OU
from rfscore.model.process import Channel as Channel
from rfscore.model.process import Interpolant as Interpolant
from rfscore.model.process import Linear as Linear
from rfscore.model.process import Process as Process
from rfscore.model.target import Target as Target
from rfscore.model.training import Adam as Adam
from rfscore.model.training import Descent as Descent
from rfscore.model.training import Flow as Flow
from rfscore.model.training import Training as Training
from rfscore.results import ClassCurves as ClassCurves
from rfscore.results import DirectionCurves as DirectionCurves
from rfscore.results import LossCurves as LossCurves
from rfscore.theory.bulks import BulkCurves as BulkCurves
from rfscore.theory.bulks import bulk_curves as bulk_curves
from rfscore.theory.classes import class_curves as class_curves
from rfscore.theory.classes import direction_curves as direction_curves
from rfscore.theory.curve_times import curve_times as curve_times
from rfscore.theory.decomposition import Decomposition as Decomposition
from rfscore.theory.decomposition import decomposition as decomposition
from rfscore.theory.descent import largest_step as largest_step
from rfscore.theory.limits import LargePsiLaw as LargePsiLaw
from rfscore.theory.limits import large_psi_law as large_psi_law
from rfscore.theory.limits import large_psi_train_loss as large_psi_train_loss
from rfscore.theory.losses import loss_curves as loss_curves
from rfscore.theory.resolvent import Resolvent as Resolvent
from rfscore.theory.resolvent import resolvent as resolvent
from rfscore.theory.spectrum import Spectrum as Spectrum
from rfscore.theory.spectrum import spectrum as spectrum
from rfscore.theory.timescales import Timescales as Timescales
from rfscore.theory.timescales import timescales as timescales
from rfscore.theory.timescales import training_times as training_times
from rfscore.theory.two_point import TwoPoint as TwoPoint
from rfscore.theory.two_point import two_point as two_point
from rfscore.theory.wide import WideSpectrum as WideSpectrum
from rfscore.theory.wide import wide_spectrum as wide_spectrum

if TYPE_CHECKING:
    from rfscore import finite as finite
    from rfscore import generation as generation
    from rfscore import memorization as memorization
    from rfscore import networks as networks
    from rfscore import observables as observables
    from rfscore import oracle as oracle
    from rfscore import plot as plot
    from rfscore import runs as runs
    from rfscore import sampling as sampling
    from rfscore import sweeps as sweeps
    from rfscore import testing as testing

_LOADED_WHEN_TOUCHED = frozenset(
    (
        "finite",
        "generation",
        "memorization",
        "networks",
        "observables",
        "oracle",
        "plot",
        "sampling",
        "sweeps",
        "testing",
    )
)


def __getattr__(name: str) -> Any:
    if name in _LOADED_WHEN_TOUCHED:
        return importlib.import_module(f"rfscore.{name}")
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("rfscore")
    raise AttributeError(f"module 'rfscore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LOADED_WHEN_TOUCHED, "__version__"})
