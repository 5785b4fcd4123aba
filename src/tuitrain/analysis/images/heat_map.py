"""Draw a heat map over a picture."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
# The colors of weak and strong heat, and the share of them in the hottest pixel.
_WEAK, _STRONG, _SHARE = (190, 0, 60), (255, 225, 60), 0.75


def overlay(picture: Bytes, heat: NDArray[np.float32]) -> Bytes:
    """Return a picture (H, W, C) uint8 in grey with the heat (H, W) in [0, 1] over it in red and yellow, (H, W, 3)."""
    grey = picture.mean(2, keepdims=True)
    share = np.clip(heat, 0, 1)[..., None]
    color = np.array(_WEAK) + share * (np.array(_STRONG) - np.array(_WEAK))
    opacity = _SHARE * share
    return np.asarray(np.round(grey * (1 - opacity) + color * opacity), np.uint8)
