"""The companion module: the paper's denoisers, trained and measured so that they can be held against the theory."""

from rfscore._extras import need as _need

_need("rfscore.networks", "optax", "safetensors", "xarray")


from rfscore.networks.config import RunConfig as RunConfig
from rfscore.networks.mlp import ResidualMLP as ResidualMLP
from rfscore.networks.network import parameter_count as parameter_count
from rfscore.networks.unet import UNet as UNet
