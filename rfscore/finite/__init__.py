"""The exact model at finite size: one drawn instance, trained exactly. Pure NumPy, float64."""

from rfscore.finite.draws import FEATURES as FEATURES
from rfscore.finite.draws import Features as Features
from rfscore.finite.draws import draw as draw
from rfscore.finite.draws import from_arrays as from_arrays
from rfscore.finite.equivalent import EquivalentInstance as EquivalentInstance
from rfscore.finite.flow import GradientFlow as GradientFlow
from rfscore.finite.flow import ModeContributions as ModeContributions
from rfscore.finite.frozen import FrozenInstance as FrozenInstance
from rfscore.finite.generators import Generator as Generator
from rfscore.finite.generators import generator as generator
from rfscore.finite.instance import ExactInstance as ExactInstance
from rfscore.finite.instance import Instance as Instance
from rfscore.finite.times import curve_times as curve_times
