"""Real images as data for the random-features model: load, standardise, split, and their covariance spectrum."""

from rfscore.data.images import ImageData as ImageData
from rfscore.data.images import load_images as load_images
from rfscore.data.prepare import CovarianceSpectrum as CovarianceSpectrum
from rfscore.data.prepare import Split as Split
from rfscore.data.prepare import Standardised as Standardised
from rfscore.data.prepare import covariance_eigenvalues as covariance_eigenvalues
from rfscore.data.prepare import split as split
from rfscore.data.prepare import standardise as standardise
