import torch
import torchvision

from capsight.nn.densenet import DenseLayer, DenseNet121
from capsight.nn.summary import summary


def test_the_papers_parameters():
    with torch.device("meta"):
        told = summary(DenseNet121(), (3, 224, 224))
    assert told.parameters == 7_978_856
    shapes = {layer.name: layer.output_shape for layer in told.layers}
    assert shapes["transition1.3"] == (128, 28, 28)
    assert shapes["transition3.3"] == (512, 7, 7)
    assert shapes["average.1"] == (1024,)


@torch.no_grad()
def test_answers_are_torchvisions():
    torch.manual_seed(0)
    theirs, mine = torchvision.models.densenet121(num_classes=5), DenseNet121(classes=5)
    images = torch.randn(2, 3, 64, 64)
    theirs(images)  # moves the running means off 0
    for own, other in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert own.shape == other.shape
        own.copy_(other)
    torch.testing.assert_close(mine.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


def test_a_layer_keeps_what_it_gets():
    maps = torch.randn(2, 6, 5, 5)
    after = DenseLayer(6, 4)(maps)
    assert after.shape == (2, 10, 5, 5)
    assert torch.equal(after[:, :6], maps)
