"""Your own network: tuitrain train --set model.name=examples/my_network.py:Net --set model.args.width=64"""

from torch import nn


class Net(nn.Module):
    def __init__(self, classes, channels, image_size, width=32):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.head = nn.Linear(width * image_size * image_size, classes)

    def forward(self, images):
        return self.head(self.conv(images).relu().flatten(1))
