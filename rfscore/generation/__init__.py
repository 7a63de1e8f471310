"""What a trained score generates: infinitely wide networks exactly, finite ones by sampling, and the bound between."""

from rfscore.generation.bound import KLBound as KLBound
from rfscore.generation.bound import kl_bound as kl_bound
from rfscore.generation.levels import DotProduct as DotProduct
from rfscore.generation.quality import Measured as Measured
from rfscore.generation.quality import measure as measure
from rfscore.generation.schedules import exponential as exponential
from rfscore.generation.schedules import optimal as optimal
from rfscore.generation.wide import Generated as Generated
from rfscore.generation.wide import generated as generated
