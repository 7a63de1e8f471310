"""Grids of problems by theory, finite networks or trained networks: resumable, on one machine or a cluster."""

from rfscore._extras import need as _need

_need("rfscore.sweeps", "xarray")


from rfscore.sweeps.engine import Progress as Progress
from rfscore.sweeps.engine import run as run
from rfscore.sweeps.spec import Sweep as Sweep
from rfscore.sweeps.spec import read as read
from rfscore.sweeps.store import Store as Store
