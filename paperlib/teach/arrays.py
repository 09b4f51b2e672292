"""Tensors and lists as NumPy arrays, for drawing and comparing."""
import numpy as np
import torch


def as_array(values) -> np.ndarray:
    """A tensor (of any device, with a gradient or without), list or array as an array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dtype == torch.bfloat16:  # NumPy has no such numbers
            values = values.float()
    return np.asarray(values)
