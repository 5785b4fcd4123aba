"""Your own data set: tuitrain train --set data.dataset=examples/my_dataset.py:digits --set model.name=cnn"""

import torch
from sklearn.datasets import load_digits


def digits():
    """Ask for the arguments `dir` (data.dir) and `seed` (training.seed) if you need them."""
    data = load_digits()
    # uint8 or floats, (N, H, W) or (N, C, H, W); torch Datasets of (image, label) also work.
    images, labels = torch.tensor(data.images * 15).to(torch.uint8), torch.tensor(data.target)
    train, test = (images[:1400], labels[:1400]), (images[1400:], labels[1400:])
    return {"train": train, "test": test, "classes": list("0123456789")}
