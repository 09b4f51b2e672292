"""How far away things are, and what the air and the lens do to them there."""


def _far(world, side: float) -> float:
    """How far away a thing of `side` px is: 1 at the horizon, 0 where the air takes nothing."""
    return max(0.0, 1 - side / (0.3 * world.size))


def air_and_lens(world, side: float) -> tuple[float, float]:
    """Of a thing of `side` px: the share of its contrast that the air takes, and its blur (px)."""
    far = _far(world, side)
    return world.haze * far, world.focus * far * (world.size / 128)
