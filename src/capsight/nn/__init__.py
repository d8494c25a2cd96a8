"""Shared components: tensors in, tensors out. Nothing here knows of files, Lightning or Hydra."""

from .alexnet import AlexNet
from .autoencoders import (
    Autoencoder,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedDenoisingAutoencoder,
)
from .backbones import Backbone, WeightsError, load_weights
from .captioner import Captioner
from .classifier import EmbeddingHead, FrameClassifier
from .densenet import DenseNet121
from .inception import GoogLeNet, Inception, NaiveInception
from .lenet import LeNet5
from .mlp import MLP
from .modes import evaluating
from .recurrent import LSTM, LanguageModel, VanillaRNN
from .resnet import PlainNet34, ResNet34
from .sequence import VideoConv, VideoLSTM
from .summary import summary
from .text import ConvText, EmbeddingMLP, LSTMText, RNNText
from .vgg import VGG16, VGG19
from .words import GloVe, SkipGram

__all__ = [
    "LSTM",
    "MLP",
    "VGG16",
    "VGG19",
    "AlexNet",
    "Autoencoder",
    "Backbone",
    "Captioner",
    "ConvAutoencoder",
    "ConvText",
    "DenoisingAutoencoder",
    "DenseNet121",
    "EmbeddingHead",
    "EmbeddingMLP",
    "FrameClassifier",
    "GloVe",
    "GoogLeNet",
    "Inception",
    "LSTMText",
    "LanguageModel",
    "LeNet5",
    "NaiveInception",
    "PlainNet34",
    "RNNText",
    "ResNet34",
    "SkipGram",
    "SparseAutoencoder",
    "StackedDenoisingAutoencoder",
    "VanillaRNN",
    "VideoConv",
    "VideoLSTM",
    "WeightsError",
    "evaluating",
    "load_weights",
    "summary",
]
