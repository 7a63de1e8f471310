"""The main job: theory and exact finite size, Gaussian data and real images, as one folder with a readable page."""

from rfscore._extras import need as _need

_need("rfscore.reproduce", "matplotlib", "xarray", "sklearn")


from rfscore.reproduce.config import PRESETS as PRESETS
from rfscore.reproduce.config import Plan as Plan
from rfscore.reproduce.job import reproduce as reproduce
