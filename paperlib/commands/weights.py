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


def export(args) -> None:
    """Write a detector as a graph for other programs: OUT.onnx or OUT.pt2, without suppression of doubles."""
    from pathlib import Path

    from paperlib.systems.exported import check_ending
    from paperlib.systems.exported import export as write
    from paperlib.training.weights import load_weights

    path = Path(args.out)
    check_ending(path)
    system = load_weights(args.weights)
    run_files.writable(path.parent, path.name)
    sides = tuple(args.size or system.trained.size or ())
    if not sides:
        raise ValueError(f"{args.weights}: does not say at what size it was trained; name one with --size")
    height, width = sides[0], sides[-1]
    for file in write(system, path, (height, width)):
        print(f"{file}: images (1, 3, {height}, {width}), RGB in [0, 1]; classes: "
              + ", ".join(system.trained.classes))
