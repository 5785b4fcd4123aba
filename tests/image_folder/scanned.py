"""List the images of a folder with default settings."""

from pathlib import Path

from tuitrain.config.data.schema import Data
from tuitrain.image_folder import scan as scanning
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.layout import LayoutName


def scan(folder: Path, layout: LayoutName = "auto") -> ImageFolder:
    return scanning.scan(Data(dataset="image-folder", dir=str(folder), layout=layout))
