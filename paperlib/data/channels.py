"""Pictures of any kind of pixels as RGB of 8 bits a channel."""
import numpy as np
from PIL import Image


def wrong_range(image: Image.Image) -> str:
    """What is found in a picture of 32 bits a pixel whose values say no brightness; "" for all others."""
    limits = {"I": 65535, "F": 255}
    if image.mode not in limits:
        return ""
    deep = np.asarray(image)
    low, high = deep.min(), deep.max()
    if low >= 0 and high <= limits[image.mode]:            # not so of NaN
        return ""
    return f"pixels of mode {image.mode} from {low:g} to {high:g}"


def to_rgb(image: Image.Image, kind: str | None) -> Image.Image:
    """A picture of the file format `kind` as RGB of 8 bits."""
    if image.mode == "F" or image.mode.startswith("I"):                  # convert() would clip at 255
        deep = np.asarray(image)
        # in a PGM, mode I is a picture of 16 bits; a TIFF may hold the values of 8 bits in 32
        is_byte = image.mode == "I" and kind == "TIFF" and deep.max() <= 255
        if image.mode == "F":
            deep = np.rint(deep * 255 if deep.max() <= 1 else deep)
        elif not is_byte:
            deep = deep >> 8
        return Image.fromarray(deep.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")
