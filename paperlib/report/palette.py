"""The course's colours, which differ for any kind of colour vision (Okabe and Ito)."""

PALETTE = {  # the pale ones, faint on white, last
    "blue": "#0072B2", "vermillion": "#D55E00", "green": "#009E73", "purple": "#CC79A7",
    "orange": "#E69F00", "sky": "#56B4E9", "black": "#000000", "yellow": "#F0E442",
}


def class_colour(label: int) -> str:
    """The colour of class `label` in 1..K, starting over after the eighth."""
    return list(PALETTE.values())[(int(label) - 1) % len(PALETTE)]


def ink_on(colour: str) -> str:
    """Black or white, whichever is read more easily on a colour "#rrggbb" (W3C's relative luminance)."""
    luminance = 0.0
    for channel, weight in zip(bytes.fromhex(colour[1:]), (0.2126, 0.7152, 0.0722)):
        share = channel / 255
        linear = share / 12.92
        if share > 0.04045:
            linear = ((share + 0.055) / 1.055) ** 2.4
        luminance += weight * linear
    if luminance > 0.179:  # where black and white have the same contrast, 4.6 to 1
        return "#000000"
    return "#FFFFFF"
