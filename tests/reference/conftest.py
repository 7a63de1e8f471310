"""Twins that need what only some machines have are not collected: importing them would fail elsewhere."""

collect_ignore = ["torch_unet.py"]
