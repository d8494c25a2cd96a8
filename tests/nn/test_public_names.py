"""What `capsight.nn` offers can be made without arguments, used and counted."""

import pytest
import torch

import capsight.nn
from capsight.nn import MLP, summary

FRAME, WORDS = torch.zeros(1, 3, 64, 64), torch.zeros(1, 5, dtype=torch.long)
MAPS, PIXELS = torch.zeros(1, 192, 7, 7), torch.zeros(1, 784)
# What each takes, and the shape of what it gives.
NETWORKS = {
    "MLP": ([torch.zeros(1, 8)], (1, 4)),
    "LeNet5": ([torch.zeros(1, 1, 32, 32)], (1, 10)),
    "AlexNet": ([torch.zeros(1, 3, 227, 227)], (1, 1000)),
    "VGG16": ([torch.zeros(1, 3, 224, 224)], (1, 1000)),
    "VGG19": ([torch.zeros(1, 3, 224, 224)], (1, 1000)),
    "NaiveInception": ([MAPS], (1, 416, 7, 7)),
    "Inception": ([MAPS], (1, 256, 7, 7)),
    "GoogLeNet": ([FRAME], (1, 1000)),
    "PlainNet34": ([FRAME], (1, 1000)),
    "ResNet34": ([FRAME], (1, 1000)),
    "DenseNet121": ([FRAME], (1, 1000)),
    "Autoencoder": ([PIXELS], (1, 784)),
    "DenoisingAutoencoder": ([PIXELS], (1, 784)),
    "SparseAutoencoder": ([PIXELS], (1, 784)),
    "StackedDenoisingAutoencoder": ([PIXELS], (1, 784)),
    "ConvAutoencoder": ([FRAME], (1, 3, 64, 64)),
    "Captioner": ([FRAME, WORDS], (1, 5, 32)),
    "VanillaRNN": ([torch.zeros(1, 5, 4)], (1, 5, 4)),
    "LSTM": ([torch.zeros(1, 5, 4)], (1, 5, 3)),
    "LanguageModel": ([WORDS], (1, 5, 128)),
    "EmbeddingMLP": ([WORDS], (1, 2)),
    "ConvText": ([WORDS], (1, 2)),
    "RNNText": ([WORDS], (1, 2)),
    "LSTMText": ([WORDS], (1, 2)),
    "SkipGram": ([WORDS[0], WORDS[0], WORDS.T.expand(5, 3)], ()),
    "GloVe": ([WORDS[0], WORDS[0], torch.ones(5)], ()),
    "VideoConv": ([torch.zeros(1, 5, 64)], (1, 5, 4)),
    "VideoLSTM": ([torch.zeros(1, 5, 64)], (1, 5, 4)),
}
LARGE = {"AlexNet", "VGG16", "VGG19"}  # hundreds of millions of weights: made, and not filled


@pytest.mark.parametrize("name", NETWORKS)
def test_made_without_arguments(name):
    inputs, shape = NETWORKS[name]
    device = "meta" if name in LARGE else "cpu"
    with torch.device(device):
        network = getattr(capsight.nn, name)().eval()
    given = network(*(value.to(device) for value in inputs))
    assert (given[0] if isinstance(given, tuple) else given).shape == shape


def test_every_name_is_there():
    assert all(hasattr(capsight.nn, name) for name in capsight.nn.__all__)
    others = {"Backbone", "EmbeddingHead", "FrameClassifier", "WeightsError", "evaluating", "load_weights", "summary"}
    assert set(capsight.nn.__all__) == others | NETWORKS.keys()


def test_a_summary_has_a_row_per_layer_and_totals():
    told = summary(MLP((8, 3, 2), bias=False), (8,))
    rows = [(row.output_shape, row.parameters, row.multiply_adds) for row in told.layers if row.parameters]
    assert rows == [((3,), 24, 24), ((2,), 6, 6)]
    assert (told.parameters, told.multiply_adds) == (30, 30)
