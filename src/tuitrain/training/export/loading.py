"""Explain in a model card how to load an export."""

from collections.abc import Iterator

from tuitrain.training.export.description import Description

_CODE = {
    "onnx": """\
import onnxruntime

session = onnxruntime.InferenceSession({file})
(logits,) = session.run(["{output}"], {{"{input}": images}})
""",
    "torch-export": """\
import torch

network = torch.export.load({file}).module()
logits = network(images)
""",
    "safetensors": """\
from safetensors.torch import load_file

network.load_state_dict(load_file({file}))
""",
}
_TIMM = """\
import timm

network = timm.create_model("local-dir:FOLDER", pretrained=True).eval()  # on the hub: "hf_hub:USER/NAME"
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
"""
_VALUES = {
    "normalized": "float32, normalized as the JSON file describes",
    "unit": "float32 from 0 to 1; the network normalizes them",
    "uint8": "uint8 pixels; the network normalizes them",
}


def loading(description: Description, format: str, file: str, *, timm: bool) -> Iterator[str]:
    given, images = description.input, description.preprocessing
    code = _TIMM if timm else _CODE[format].format(file=repr(file), input=given.name, output=description.output.name)
    yield f"```python\n{code}```\n"
    if not timm and format == "safetensors":
        yield "`network` is the PyTorch module of the same architecture; the file has its names of tensors.\n"
    shape = ", ".join(map(str, given.shape))
    yield f"`images` has the shape ({shape}): {_VALUES[given.values]}. The logits have the order of the classes.\n"
    if images.resize:
        crop = f", keeping {images.crop_fraction:g} of the shorter side" if images.crop_fraction < 1 else ""
        yield (
            f"Image files are resized by {images.resize} with {images.interpolation} interpolation{crop}. The JSON"
            " file beside the network contains every number of the preprocessing and all class names.\n"
        )
