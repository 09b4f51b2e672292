"""What the commands that make or hand on weights do; `arguments.py` holds their arguments.

Every import of a room is inside the command that needs it: `paperlib --help` must not wait for torch.
"""

from paperlib.commands import run_files


def pretrain(args) -> None:
    """Train a trunk to name MiniNet's crops and store its weights with their accuracy."""
    from paperlib.device import pick_device
    from paperlib.paths import weights_folder
    from paperlib.training.pretrain import pretrain as run

    run_files.writable(weights_folder(), f"{args.trunk}.safetensors")
    path, accuracy = run(args.trunk, args.budget, args.seed, pick_device(args.device), lr=args.lr)
    print(f"{args.trunk}: top-1 {100 * accuracy:.1f}%, weights: {path}")
