"""A network that writes what an image shows."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from .recurrent import LSTM

START, END, PADDING = 0, 1, 2  # the first three words of every vocabulary


class Captioner(nn.Module):
    """A convolutional encoder whose code is the first thing that an LSTM reads; then it writes word by word.

    Vinyals et al. 2015, Show and tell, equations 10 to 12. words: size of the vocabulary, START, END and PADDING
    included. encoder: any module from images to (B, features); without one a small network for frames (B, 3, H, W) in
    [0, 1].
    """

    def __init__(
        self,
        words: int = 32,
        encoder: nn.Module | None = None,
        *,
        features: int = 128,
        width: int = 64,
        hidden: int = 128,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.encoder = encoder or FrameEncoder(features)
        self.image = nn.Linear(features, width)
        self.embedding = nn.Embedding(words, width)
        self.lstm = LSTM(width, hidden)
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden, words)

    def forward(self, images: Tensor, captions: Tensor) -> Tensor:
        """Images and true captions (B, T), START first → logits (B, T, words) of the word that follows each."""
        read = torch.cat([self.image(self.encoder(images))[:, None], self.embedding(captions)], 1)
        states, _ = self.lstm(read)
        return self.readout(self.dropout(states[:, 1:]))  # what is thought of the image alone is not asked for

    @torch.no_grad()
    def describe(self, images: Tensor, *, longest: int = 20) -> Tensor:
        """Write captions (B, up to `longest`), always the likeliest next word; PADDING after END, which is left out.

        Dropout is left as the caller set it. Raises ValueError where `longest` is below 1.
        """
        if longest < 1:
            raise ValueError(f"longest must be 1 or more, not {longest}")
        _, state = self.lstm(self.image(self.encoder(images))[:, None])
        word = torch.full((len(images),), START, device=images.device)
        written = []
        for _ in range(longest):
            states, state = self.lstm(self.embedding(word)[:, None], state)
            ended = (word == END) | (word == PADDING)
            word = self.readout(self.dropout(states[:, 0])).argmax(1).masked_fill(ended, PADDING)
            written.append(word)
            if ((word == END) | (word == PADDING)).all():
                break
        captions = torch.stack(written, 1)
        return captions.masked_fill(captions == END, PADDING)


class FrameEncoder(nn.Sequential):
    """Five convolutions, four of which halve the frame; their means and maxima: (B, 3, H, W) → (B, features)."""

    def __init__(self, features: int = 128):
        channels = (3, features // 8, features // 4, features // 2, features // 2, features // 2)
        layers = []
        for index, (inputs, outputs) in enumerate(pairwise(channels)):
            stride = 2 if index < 4 else 1
            layers += [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers, _Pool())


class _Pool(nn.Module):
    """(B, D, h, w) → (B, 2 D)."""

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1)
