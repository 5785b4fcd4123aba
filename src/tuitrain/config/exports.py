"""The formats that a run can be exported in."""

from typing import Literal

MetricsFormat = Literal["csv", "tensorboard"]
NetworkFormat = Literal["safetensors", "onnx", "torch-export"]
Format = MetricsFormat | NetworkFormat
# What the input of an exported network contains: normalized images, pixels from 0 to 1, or bytes.
Values = Literal["normalized", "unit", "uint8"]
