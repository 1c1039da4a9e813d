"""A file that is fetched from the net: a dataset's archive, or weights."""

from pydantic import Field

from aib.spec.base import Positive, Strict


class Download(Strict):
    """Where a file lies and what it must be."""

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    addresses: tuple[str, ...] = Field(description="tried in this order, after AIB_MIRROR")
    checksum: str = Field(
        pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{8,64})$",
        description="a sha256 may be its first 8 digits or more, as torchvision's file names say",
    )
    bytes: Positive | None = None
