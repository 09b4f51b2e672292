import pytest
import torch

from paperlib.parts.trunks import TrunkConfig
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
