"""The curves of a run as a picture beside its weights."""
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from paperlib.report.palette import PALETTE


def plot(history: list[dict], file: Path) -> Path:
    """Draw the loss of every step with its running mean, and the scores on the way, into `file` (PNG)."""
    losses = np.array([record["loss"] for record in history])
    width = max(1, len(losses) // 20)
    means = np.convolve(losses, np.ones(width) / width, "valid")
    scored = [(k + 1, 100 * record["AP"]) for k, record in enumerate(history) if "AP" in record]
    fig = Figure(figsize=(8, 3.4), layout="constrained")
    axes = np.atleast_1d(fig.subplots(1, 1 + bool(scored)))
    axes[0].plot(np.arange(1, len(losses) + 1), losses, color="0.8", label="each step")
    axes[0].plot(np.arange(width, len(losses) + 1), means, color=PALETTE["blue"], label=f"mean of {width}")
    axes[0].set(xlabel="step", ylabel="loss", ylim=(0, None))
    axes[0].legend()
    if scored:
        axes[1].plot(*zip(*scored), "o-", color=PALETTE["vermillion"])
        axes[1].set(xlabel="step", ylabel="AP, %", ylim=(0, None))
    fig.savefig(file, dpi=110)
    return file
