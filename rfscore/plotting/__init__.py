"""Pictures: one function per picture, takes `ax` and arrays, computes nothing. Needs the extra `rfscore[plot]`."""

from rfscore._extras import need as _need

_need("rfscore.plotting", "matplotlib")

from rfscore.plotting.curves import collapse as collapse
from rfscore.plotting.curves import contributions as contributions
from rfscore.plotting.curves import losses as losses
from rfscore.plotting.curves import score_error as score_error
from rfscore.plotting.curves import versus as versus
from rfscore.plotting.spectra import bulk as bulk
from rfscore.plotting.spectra import density as density
from rfscore.plotting.spectra import places as places
from rfscore.plotting.spectra import ranks as ranks
from rfscore.plotting.spectra import top as top
from rfscore.plotting.style import Points as Points
from rfscore.plotting.style import cut as cut
from rfscore.plotting.style import panels as panels
from rfscore.plotting.style import paper as paper
from rfscore.plotting.timescales import exponents as exponents
from rfscore.plotting.timescales import times as times
