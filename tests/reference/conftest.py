"""Twins that need what only some machines have are not collected: importing them would fail elsewhere."""

collect_ignore = ["torch_mlp.py", "torch_unet.py"]  # their tests import them where PyTorch is installed
