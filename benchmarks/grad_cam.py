"""Compare Grad-CAM with captum's LayerGradCam, which is not a dependency of tuitrain's tests.

    uv run --isolated --with captum python benchmarks/grad_cam.py

Prints the largest difference of the heat maps of a ResNet-18 and a ResNet-50 with random weights.
"""

from typing import Any

import torch
import torchvision
from torch import nn

from tuitrain.cli.output import print_message
from tuitrain.training.explain.grad_cam import grad_cam


def captum_heat(model: nn.Module, layer: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    from captum.attr import LayerGradCam

    explainer: Any = LayerGradCam(model, layer)
    heat: torch.Tensor = explainer.attribute(images, target=classes, relu_attributions=True)
    return heat[:, 0].detach()


def main() -> None:
    torch.manual_seed(0)
    images, classes = torch.randn(4, 3, 224, 160), torch.tensor([0, 3, 500, 999])
    for name in ("resnet18", "resnet50"):
        model: Any = torchvision.models.get_model(name).eval()
        expected = captum_heat(model, model.layer4, images, classes)
        found = grad_cam(model, images, classes)
        largest, difference = expected.max().item(), (found - expected).abs().max().item()
        print_message(f"{name}: {tuple(found.shape)}, largest heat {largest:.4g}, largest difference {difference:.2g}")


if __name__ == "__main__":
    main()
