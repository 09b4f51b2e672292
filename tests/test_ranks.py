"""Training by several processes: two of them, each with half of a batch, do what one does with all of it."""
import os
import socket
from dataclasses import replace

import pytest
import torch
import torch.multiprocessing as mp

from paperlib import device as machine
from paperlib.experiments.configs import budget
from paperlib.experiments.fit import prepare, train

FIXED = {"trunk.frozen_norm": True}  # batch norm over half a batch is another function


def recipe_of(system, data, split=None, **more):
    return replace(budget("smoke").recipe(system), data=str(data), train=split, batch=4, warmup=0, lr=0.002,
                   train_images=None, **{"steps": 2, **more})


def work(rank, port, cases, folder):
    """One process of two, as `torchrun` starts it; the first leaves the weights and losses of every case."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port)}
    for n, (system, recipe, changes) in enumerate(cases):
        made, history = train(system, recipe, 3, changes, torch.device("cpu"), folder / f"{n}.checkpoint")
        if rank == 0:
            torch.save({"model": made.state_dict(), "loss": [h["loss"] for h in history]}, folder / f"{n}.pt")
    torch.distributed.destroy_process_group()


def check(cases, folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (pair := folder / "pair").mkdir()
    mp.spawn(work, (port, cases, pair), 2)
    for n, (system, recipe, changes) in enumerate(cases):
        two = torch.load(pair / f"{n}.pt")
        alone, history = train(system, recipe, 3, changes, torch.device("cpu"))
        want = torch.tensor([h["loss"] for h in history])
        torch.testing.assert_close(torch.tensor(two["loss"]), want, rtol=1e-5, atol=1e-5)
        untrained, moved = prepare(system, recipe, 3, changes)[0].state_dict(), 0.0
        for name, value in alone.state_dict().items():
            if name == "positives":  # RetinaNet's running count is that of one process's share
                continue
            torch.testing.assert_close(two["model"][name], value, rtol=0, atol=1e-5, msg=lambda m, k=name: f"{k}: {m}")
            moved = max(moved, float((value - untrained[name]).abs().max()))
        assert moved > 5e-4  # fifty times what the two may differ by


def test_two_processes_equal_one(scenes, tmp_path):
    """The two stages for one step: the order of a fresh network's proposals hangs on the last bit of its weights."""
    check([("rpn", recipe_of("rpn", scenes), FIXED), ("retinanet", recipe_of("retinanet", scenes), FIXED),
           ("faster_rcnn", recipe_of("faster_rcnn", scenes, steps=1), FIXED)], tmp_path)


def test_two_processes_equal_one_on_photographs(shared, tmp_path):
    """COCO's photographs are of many sizes: each process pads to the canvas of the whole batch."""
    bccd = recipe_of("fast_rcnn", shared / "data" / "bccd", "train", size=(96, 128), preset="tiny")
    check([("rpn", recipe_of("rpn", shared / "data" / "coco128", size=(128, 160)), FIXED),
           ("fast_rcnn", bccd, {**FIXED, "proposals.kind": "dense"})], tmp_path)


def test_alone_there_is_one_rank_and_nothing_to_average():
    x = torch.tensor([1.0, 3.0])
    machine.mean_over_ranks(x)
    assert machine.ranks() == (0, 1) and x.tolist() == [1, 3]


def test_a_batch_that_cannot_be_shared_out(scenes):
    from paperlib.data.loader import Batches
    from paperlib.data.sets import load
    with pytest.raises(ValueError, match="batch_size 3 for 2 processes"):
        Batches(load(str(scenes), None), 3, share=(0, 2))
