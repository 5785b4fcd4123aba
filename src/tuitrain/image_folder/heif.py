"""Let Pillow read HEIC and HEIF images, as phones take them."""

from functools import cache


@cache
def register_heif() -> None:
    """Register the reader; importing it takes a moment."""
    from pi_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
