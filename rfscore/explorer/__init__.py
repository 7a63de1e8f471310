"""One page in the browser: turn psi_n, psi_p, t, m and the ridge, and see what changes. Needs the extra `explore`."""

from rfscore._extras import need as _need

_need("rfscore.explorer", "bokeh", "matplotlib")

from rfscore.explorer.server import explore as explore
from rfscore.explorer.server import serve as serve
