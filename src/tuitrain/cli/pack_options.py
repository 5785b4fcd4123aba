"""The options of `tuitrain pack`."""

from pathlib import Path

from tuitrain.cli.options import Parser, add_settings


def add_pack(pack: Parser) -> None:
    add_settings(pack)
    pack.add_argument(
        "-o", "--output", type=Path, default=Path("bundle.tar"), metavar="FILE", help="tar file (default: bundle.tar)"
    )
    pack.add_argument("--python", metavar="X.Y", help="Python of the server (default: that of this tuitrain)")
    pack.add_argument("--arch", choices=["x86_64", "aarch64"], help="processor of the server (default: as here)")
    pack.add_argument(
        "--without-torch", action="store_true", help="leave out torch and torchvision, which the server's Python has"
    )
    pack.add_argument("--force", action="store_true", help="overwrite an existing file")
