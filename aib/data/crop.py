"""Where the centre of an image is."""


def centre(side: int, size: int) -> slice:
    """The central `size` of `side` pixels, as torchvision's CenterCrop counts them."""
    start = round((side - size) / 2)
    return slice(start, start + size)
