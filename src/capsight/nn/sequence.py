"""Networks over the frames of a video: every frame is judged together with its neighbours in time."""

from torch import Tensor, nn


class VideoConv(nn.Sequential):
    """1-D convolutions over time: frame embeddings (B, T, width) → logits (B, T, classes).

    `reach`: frames to either side that a judgement takes in, dealt to two layers. Beyond the video's ends are zeros.
    """

    def __init__(self, width: int = 64, classes: int = 4, *, hidden: int = 32, reach: int = 8, dropout: float = 0.3):
        near, far = reach // 2, reach - reach // 2
        super().__init__(
            _Transpose(),
            nn.Dropout1d(dropout),
            nn.Conv1d(width, hidden, 2 * near + 1, padding=near),
            nn.ReLU(),
            nn.Dropout1d(dropout),
            nn.Conv1d(hidden, classes, 2 * far + 1, padding=far),
            _Transpose(),
        )


class VideoLSTM(nn.Module):
    """An LSTM that reads the video forwards and one that reads it backwards: (B, T, width) → logits (B, T, classes).

    Schuster and Paliwal 1997, Bidirectional recurrent neural networks. With `backwards=False` a frame is judged by
    itself and those before it, as while the capsule is on its way.
    """

    def __init__(
        self, width: int = 64, classes: int = 4, *, hidden: int = 32, backwards: bool = True, dropout: float = 0.3
    ):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=backwards)
        self.classifier = nn.Linear(hidden * (1 + backwards), classes)

    def forward(self, embeddings: Tensor) -> Tensor:
        states, _ = self.lstm(self.dropout(embeddings))
        return self.classifier(self.dropout(states))


class _Transpose(nn.Module):
    """(B, T, D) ↔ (B, D, T)."""

    def forward(self, sequences: Tensor) -> Tensor:
        return sequences.transpose(1, 2)
