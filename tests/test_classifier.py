import pytest
import torch

from paperlib.parts.trunks import FC_SIDE, TrunkConfig
from paperlib.systems.classifier import Classifier, ClassifierConfig


def crops(num=32):
    """Four classes: which quarter of the picture is bright."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 120, (num, 3, 32, 32), generator=g, dtype=torch.uint8)
    labels = torch.arange(num) % 4
    for image, k in zip(images, labels.tolist()):
        image[:, 16 * (k // 2): 16 * (k // 2) + 16, 16 * (k % 2): 16 * (k % 2) + 16] += 100
    return images, labels


def test_learns():
    torch.manual_seed(0)
    net, (images, labels) = Classifier(ClassifierConfig(4, TrunkConfig("tiny"))), crops()
    opt = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9)
    for _ in range(40):
        loss = net.losses(images, labels)["cls"]
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert net.eval().predict(images).argmax(1).equal(labels)


def test_targets_as_labels_or_as_dicts():
    net, (images, labels) = Classifier(ClassifierConfig(4, TrunkConfig("tiny"))).eval(), crops(8)
    as_dicts = [{"labels": label.view(1)} for label in labels]
    assert net.losses(images, labels)["cls"].equal(net.losses(images, as_dicts)["cls"])
    assert net.predict(images).shape == (8, 4)
    with pytest.raises(ValueError, match="image 1 has label 4: expected 0 to 3"):
        net.losses(images[:2], torch.tensor([1, 4]))


def test_the_linear_layer_reads_the_mean_of_the_coarsest_map():
    torch.manual_seed(0)
    net = Classifier(ClassifierConfig(4, TrunkConfig("tiny"))).eval()
    images = torch.rand(2, 3, 64, 64)
    features = net.trunk(images)
    assert net.trunk.fc is None
    torch.testing.assert_close(net.predict(images), net.linear(features[max(features)].mean((2, 3))))


def test_a_trunk_with_layers_of_its_own_is_pooled_for_them():
    torch.manual_seed(0)
    net = Classifier(ClassifierConfig(4, TrunkConfig("small"))).eval()
    images, fc = torch.rand(2, 3, 64, 64), net.trunk.fc
    features = net.trunk(images)
    pooled = torch.nn.functional.adaptive_max_pool2d(features[max(features)], FC_SIDE).flatten(1)
    want = net.linear(fc["fc7"](fc["fc6"](pooled).clamp(min=0)).clamp(min=0))
    torch.testing.assert_close(net.predict(images), want)


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_outside_the_classes_are_named(label):
    net = Classifier(ClassifierConfig(4, TrunkConfig("small")))
    with pytest.raises(ValueError, match=f"image 1 has label {label}: expected 0 to 3"):
        net.losses(torch.rand(2, 3, 64, 64), torch.tensor([0, label]))
