"""A run's numbers for TensorBoard, where that is installed."""
from pathlib import Path


class Board:
    """A training's `watch` that writes each step's loss, its parts, rate and score for TensorBoard.

    Errors: ValueError where TensorBoard is not installed.
    """

    def __init__(self, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError(f"--tensorboard: TensorBoard is not installed ({error}); "
                             "`pip install tensorboard`") from None
        self.writer = SummaryWriter(str(folder))

    def __call__(self, system, record: dict) -> None:
        for name, value in record.items():
            if name not in ("step", "seconds") and not isinstance(value, str):  # R-CNN's stages have names
                self.writer.add_scalar(name, value, record["step"] + 1)

    def close(self) -> None:
        """Write what is still held back."""
        self.writer.close()
