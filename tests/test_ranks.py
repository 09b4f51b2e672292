"""Training by several processes: two of them, each with half of a batch, do what one does with all of it."""
import io
import os
import socket
from contextlib import redirect_stdout
from dataclasses import replace

import pytest
import torch
import torch.multiprocessing as mp

from paperlib import distributed
from paperlib.__main__ import main
from paperlib.parts.crops.windows import sample_windows
from paperlib.tables import records, runner
from paperlib.training.recipes import Budget, budget
from paperlib.training.trainer import prepare, train
from paperlib.training.weights import load_weights

FIXED = {"trunk.frozen_norm": True}  # batch norm over half a batch is another function


def recipe_of(system, data, split=None, **more):
    return replace(budget("smoke").recipe(system), data=str(data), train=split, batch=4, warmup=0, lr=0.002,
                   train_images=None, **{"steps": 2, **more})


def joined(rank, port, work, *arguments):
    """One process of two, as `torchrun` starts it."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                   "MASTER_PORT": str(port)}
    work(rank, *arguments)
    torch.distributed.destroy_process_group()


def pair(work, *arguments):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    mp.spawn(joined, (port, work, *arguments), 2)


def work(rank, cases, folder):
    """The first leaves the weights and losses of every case."""
    for n, (system, recipe, changes) in enumerate(cases):
        made, history = train(system, recipe, 3, changes, torch.device("cpu"), folder / f"{n}.checkpoint")
        if rank == 0:
            torch.save({"model": made.state_dict(), "loss": [h["loss"] for h in history]}, folder / f"{n}.pt")


def check(cases, folder):
    (both := folder / "both").mkdir()
    pair(work, cases, both)
    for n, (system, recipe, changes) in enumerate(cases):
        two = torch.load(both / f"{n}.pt")
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
    """Two for one step: the order of a fresh network's proposals, and relus, hang on the weights' last bits."""
    check([("rpn", recipe_of("rpn", scenes), FIXED), ("retinanet", recipe_of("retinanet", scenes), FIXED),
           ("faster_rcnn", recipe_of("faster_rcnn", scenes, steps=1), FIXED),
           ("fpn_masks", recipe_of("fpn_masks", scenes, steps=1), FIXED)], tmp_path)


def test_two_processes_equal_one_on_photographs(shared, tmp_path):
    """COCO's photographs are of many sizes: each process pads to the canvas of the whole batch."""
    bccd = recipe_of("fast_rcnn", shared / "data" / "bccd", "train", size=(96, 128), preset="tiny")
    check([("rpn", recipe_of("rpn", shared / "data" / "coco128", size=(128, 160)), FIXED),
           ("fast_rcnn", bccd, {**FIXED, "proposals.kind": "dense"})], tmp_path)


def commands(rank, data):
    """The command line's training, in stages and with what comes after, and a row of a table."""
    for system, *more in (("faster_rcnn", "--set", "training=alternating"),
                          ("fast_rcnn", "--preset", "small", "--set", "after.stage_wise=true", "--set",
                           "after.svm=true", "--set", "after.svd=[24,12]")):
        with redirect_stdout(io.StringIO()) as said:
            code = main(["train", system, "--budget", "smoke", "--data", data, "--steps", "2", "--batch", "4",
                         "--device", "cpu", "--out", "both", "--start", "random", *more])
        # only the first scores and writes; what lies in the folder would tell whether it is done yet, too
        assert code == 0 and (f"{system}.safetensors" in said.getvalue()) == (rank == 0), said.getvalue()
    made = runner.run("fast_rcnn/8", plan_of(data), ["FRCN SVM"], device="cpu")
    assert [r["status"] for r in made] == ["ok"] * (rank == 0)
    with pytest.raises(ValueError, match="jobs 2 under torchrun"):
        runner.run("fast_rcnn/8", plan_of(data), jobs=2, device="cpu")


def plan_of(data):
    recipe = recipe_of("fast_rcnn", data, test=None, preset="small")
    return Budget("smoke", 1, {"fast_rcnn": recipe, "rcnn": recipe})  # the second: a row of the same table


def test_what_comes_after_the_last_step_is_done_once(scenes, tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pair(commands, str(scenes))
    recipe = replace(recipe_of("fast_rcnn", scenes, preset="small"), lr=0.001, warmup=2)
    changes = {"after.stage_wise": True, "after.svm": True, "after.svd": [24, 12]}
    alone, _ = train("fast_rcnn", recipe, 0, changes, torch.device("cpu"))
    both = load_weights("both/fast_rcnn.safetensors", "fast_rcnn").state_dict()
    assert both.keys() == alone.state_dict().keys() and both["svm.weight"].abs().sum() > 0
    weight = [state["head.fc6.1.weight"] @ state["head.fc6.0.weight"] for state in (both, alone.state_dict())]
    torch.testing.assert_close(*weight, rtol=0, atol=1e-4)              # signs of singular vectors may differ
    assert not both["head.box.weight"].equal(prepare("fast_rcnn", recipe, 0)[0].head.box.weight)
    assert set(os.listdir("both")) == {
        f"{system}.{ending}" for system in ("fast_rcnn", "faster_rcnn") for ending in ("png", "safetensors")}
    (record,) = records.read("fast_rcnn/8", "smoke")
    again = runner.run("fast_rcnn/8", plan_of(str(scenes)), ["FRCN SVM"], device="cpu")
    assert record["row"] == "FRCN SVM" and again == []                   # recorded once, and for one process too


def shares(rank, folder):
    """Each process draws its windows and leaves the buffers of a layer that saw other numbers than the other's."""
    device = torch.device("cpu")
    distributed.join_ranks(device)
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(400, 1) + torch.arange(400)[:, None]
    target = {"boxes": boxes[:1], "labels": torch.tensor([1]), "proposals": boxes, "size": torch.tensor([500, 500])}
    _, labels = sample_windows([target])
    norm = torch.nn.BatchNorm1d(2)
    norm(torch.randn(8, 2) + rank)
    distributed.share_buffers(norm)
    torch.save([len(labels), norm.running_mean], folder / f"{rank}.pt")


def test_processes_share_out_windows_and_agree_on_buffers(tmp_path):
    pair(shares, tmp_path)
    (first, mean), (second, same) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first == second == 64 and mean.any() and mean.equal(same)


def test_alone_there_is_one_rank_and_nothing_to_average():
    x = torch.tensor([1.0, 3.0])
    distributed.mean_over_ranks(x)
    assert distributed.ranks() == (0, 1) and x.tolist() == [1, 3]


def test_a_batch_that_cannot_be_shared_out(scenes):
    from paperlib.data.batches import Batches
    from paperlib.data.named_sets import load
    with pytest.raises(ValueError, match="batch_size 3 for 2 processes"):
        Batches(load(str(scenes), None), 3, share=(0, 2))
