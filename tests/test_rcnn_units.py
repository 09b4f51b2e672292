"""Units of pool5: their top regions, purity and receptive field."""
import torch
from test_rcnn import network

from paperlib.data.given_proposals import with_proposals
from paperlib.data.named_sets import load
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.studies.pool5_units import Regions, fire, purities, purity, receptive_field, shown, top_regions


def test_the_receptive_field_is_where_a_gradient_reaches():
    net = trunk(TrunkConfig("small", "mininet", frozen_norm=True)).eval()
    field, step = receptive_field(net)
    assert (field, step) == (75, 8)
    reached = torch.zeros(128, 128)
    for seed in range(4):
        image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(seed), requires_grad=True)
        net(image)[3][0, :, 8, 8].sum().backward()
        reached += image.grad.abs().sum((0, 1))
    rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
    extent = max(int(rows[-1] - rows[0]), int(columns[-1] - columns[0])) + 1
    assert field - 8 <= extent <= field


def test_top_regions_fire_most_and_overlap_little():
    corner = 200 * torch.arange(5.0)[:, None].repeat(1, 2)
    places = torch.cat([corner, corner + 50], 1)
    twice = torch.cat([places, places + 1])
    values = torch.arange(10.0)[:, None]
    regions = Regions(torch.zeros(10, dtype=torch.int64), twice, torch.tensor([1, 1, 2, 2, 0] * 2), values)
    assert top_regions(regions, 0, 3).tolist() == [9, 8, 7]
    assert top_regions(regions, 0, 9).tolist() == [9, 8, 7, 6, 5]  # the others are the same places once more
    apart = Regions(torch.arange(10), twice, regions.labels, values)
    assert top_regions(apart, 0, 9).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1]  # not in other images
    assert purity(regions, 0, 5) == 0.4 and purities(regions, 4).tolist() == [0.5]
    nothing = Regions(regions.image, twice, regions.labels * 0, values)
    assert purity(nothing, 0, 5) == 0


def test_regions_have_the_label_of_what_they_overlap():
    target = {"boxes": torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]]), "labels": torch.tensor([4, 7])}
    regions = torch.tensor([[0.0, 0, 10, 9], [50, 50, 59, 60], [20, 20, 30, 30]])
    assert shown(regions, target, 0.3).tolist() == [4, 7, 0]
    assert shown(torch.tensor([[0.0, 0, 10, 5]]), target, 0.5).tolist() == [4]  # just reached
    assert shown(regions, {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}, 0.3).tolist() == [0, 0, 0]


def test_activations_are_those_of_the_middle_cell():
    dataset = with_proposals(load("minivoc", "test", limit=2), ProposalSource(keep=5))
    net = network()
    regions = fire(net, dataset, torch.device("cpu"))
    assert regions.values.shape == (10, net.trunk.channels[5]) and regions.image.tolist() == [0] * 5 + [1] * 5
    pool5 = net.features(dataset.image(1), dataset.proposals[1])["pool5"].float().unflatten(1, (-1, 2, 2))
    torch.testing.assert_close(regions.values[5:], pool5[:, :, 1, 1])
