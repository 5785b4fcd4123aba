"""Describe torchvision's data sets of photos of different sizes, without reading them.

The numbers of images and the download sizes are those of torchvision's documentation, of the TensorFlow Datasets
catalog, and of the files that torchvision downloads.
"""

from msgspec import Struct


class PhotoDataset(Struct, frozen=True, kw_only=True):
    """A data set of image files: `folder` is where torchvision unpacks it, `kind` the name of torchvision's class, and
    `licence` what `page` allows, empty if it names no licence. `images` counts the training, validation and test
    images; a split of 0 images is held out of the training images."""

    title: str
    kind: str
    folder: str
    classes: int
    page: str
    images: tuple[int, int, int]
    download: str
    licence: str = ""
    augment: tuple[str, ...] = ("flip", "crop")


_IMAGENETTE = "https://github.com/fastai/imagenette"
_VGG = "https://www.robots.ox.ac.uk/~vgg/data"

PHOTO_DATASETS = {
    "imagenette": PhotoDataset(
        title="photos of ten easy classes of ImageNet", kind="Imagenette", folder="imagenette2",
        classes=10, images=(9469, 0, 3925), download="1.6 GB", page=_IMAGENETTE,
        licence="terms of ImageNet",
    ),
    "imagenette-320": PhotoDataset(
        title="imagenette with a shorter side of 320 pixels", kind="Imagenette", folder="imagenette2-320",
        classes=10, images=(9469, 0, 3925), download="342 MB", page=_IMAGENETTE,
        licence="terms of ImageNet",
    ),
    "imagenette-160": PhotoDataset(
        title="imagenette with a shorter side of 160 pixels", kind="Imagenette", folder="imagenette2-160",
        classes=10, images=(9469, 0, 3925), download="99 MB", page=_IMAGENETTE,
        licence="terms of ImageNet",
    ),
    "oxford-pets": PhotoDataset(
        title="photos of 37 breeds of cats and dogs", kind="OxfordIIITPet", folder="oxford-iiit-pet", classes=37,
        images=(3680, 0, 3669), download="811 MB", page=f"{_VGG}/pets/", licence="CC BY-SA 4.0",
    ),
    "flowers102": PhotoDataset(
        title="photos of flowers common in the United Kingdom", kind="Flowers102", folder="flowers-102", classes=102,
        images=(1020, 1020, 6149), download="353 MB", page=f"{_VGG}/flowers/102/",
    ),
    "food101": PhotoDataset(
        title="photos of dishes, the training images with some wrong labels", kind="Food101", folder="food-101",
        classes=101, images=(75_750, 0, 25_250), download="5.0 GB",
        page="https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/", licence="scientific fair use",
    ),
    "eurosat": PhotoDataset(
        title="64x64 satellite images of land use", kind="EuroSAT", folder="eurosat", classes=10, images=(27_000, 0, 0),
        download="94 MB", page="https://github.com/phelber/eurosat", licence="MIT",
    ),
    "gtsrb": PhotoDataset(
        title="German traffic signs", kind="GTSRB", folder="gtsrb", classes=43,
        images=(26_640, 0, 12_630), download="277 MB", page="https://benchmark.ini.rub.de/", augment=("crop",),
    ),
    "dtd": PhotoDataset(
        title="textures in the wild", kind="DTD", folder="dtd", classes=47, images=(1880, 1880, 1880),
        download="638 MB", page=f"{_VGG}/dtd/", licence="research",
    ),
    "fgvc-aircraft": PhotoDataset(
        title="aircraft of 100 variants", kind="FGVCAircraft", folder="fgvc-aircraft-2013b", classes=100,
        images=(3334, 3333, 3333), download="2.8 GB", page=f"{_VGG}/fgvc-aircraft/", licence="non-commercial research",
    ),
    "caltech101": PhotoDataset(
        title="photos of objects", kind="Caltech101", folder="caltech101", classes=101,
        images=(8677, 0, 0), download="137 MB", page="https://data.caltech.edu/records/20086", licence="CC BY 4.0",
    ),
    "caltech256": PhotoDataset(
        title="photos of objects and clutter", kind="Caltech256", folder="caltech256", classes=257,
        images=(30_607, 0, 0), download="1.2 GB", page="https://data.caltech.edu/records/nyy15-4j048",
        licence="CC BY 4.0",
    ),
    "country211": PhotoDataset(
        title="photos by the country in which they were taken", kind="Country211", folder="country211", classes=211,
        images=(31_650, 10_550, 21_100), download="11 GB",
        page="https://github.com/openai/CLIP/blob/main/data/country211.md", licence="Creative Commons, by photo",
    ),
    "rendered-sst2": PhotoDataset(
        title="rendered sentences with a positive or negative sense", kind="RenderedSST2", folder="rendered-sst2",
        classes=2, images=(6920, 872, 1821), download="131 MB",
        page="https://github.com/openai/CLIP/blob/main/data/rendered-sst2.md", augment=(),
    ),
}  # fmt: skip


def reads_files(dataset: str) -> bool:
    """Return whether `data.dataset` names image files: an image folder or a data set of photos."""
    return dataset == "image-folder" or dataset in PHOTO_DATASETS
