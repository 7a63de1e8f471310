r"""An arbitrary-precision twin of the theory, written from the equations alone and sharing no code with it.

Every number comes with an error estimate, and every branch with a proof (see `rfscore.oracle.onepoint`).
Use it to test a formula of your own: `rfscore.oracle.check(my_density, problem)`. Needs the extra `oracle` (mpmath).
"""

from __future__ import annotations

from rfscore._extras import need as _need

_need("rfscore.oracle", "mpmath")

from rfscore.oracle._types import Edges as Edges
from rfscore.oracle._types import Losses as Losses
from rfscore.oracle._types import Number as Number
from rfscore.oracle._types import OnePoint as OnePoint
from rfscore.oracle.checking import Report as Report
from rfscore.oracle.checking import check as check
from rfscore.oracle.curves import losses as losses
from rfscore.oracle.equivalence import Coefficients as Coefficients
from rfscore.oracle.equivalence import coefficients as coefficients
from rfscore.oracle.onepoint import density as density
from rfscore.oracle.onepoint import resolvent as resolvent
from rfscore.oracle.spectrum import bulk_mass as bulk_mass
from rfscore.oracle.spectrum import edges as edges
from rfscore.oracle.two_point import kernel as kernel
