"""What a network decides about a frame, in one form for both tasks: K decisions among C classes each.

exclusive: one decision (K = 1) among none of the findings and each. multilabel: one per finding, no or yes (C = 2).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def log_probabilities(logits: Tensor, task: str) -> Tensor:
    """Logits (B, C) → log-probabilities (B, K, C) of the decisions, in float32."""
    logits = logits.float().unsqueeze(2)
    if task == "exclusive":
        return logits.transpose(1, 2).log_softmax(dim=2)
    return torch.cat([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=2)


def entropy(log_p: Tensor) -> Tensor:
    """Mean entropy of the decisions (B, K, C), a scalar in nats."""
    return -(log_p.exp() * log_p).sum(dim=2).mean()
