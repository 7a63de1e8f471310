"""The companion module: the paper's denoisers, trained and measured so that they can be held against the theory."""

from rfscore.unet.config import RunConfig as RunConfig
from rfscore.unet.mlp import ResidualMLP as ResidualMLP
from rfscore.unet.network import parameter_count as parameter_count
from rfscore.unet.summary import RunSummary as RunSummary
from rfscore.unet.unet import UNet as UNet
