"""The adaptive prior: how far each task has moved away from the pre-trained policy.

Bagatella et al. 2025 (arXiv 2410.05026), section 5: the policy's output is

    alpha(c) pi_ft(s, c) + (1 - alpha(c)) pi_0(s, c),      alpha(c) = sigmoid(logit_c)

with pi_0 a frozen copy of the pre-trained policy, and alpha learned by the cloning loss plus a pull
towards the prior. A task that nobody demonstrated since has alpha 0: pi_0 itself, to the last bit.

    prior = AdaptivePrior(embeddings)
    mixed = prior.mix(fine_tuned, frozen, prior.rows(embeddings))
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FIRST_LOGIT = -3.0  # alpha = 0.047


class AdaptivePrior(nn.Module):
    """A logit per task that was demonstrated; tasks are recognised by their embedding.

    Attributes:
        tasks: (m, k) embeddings of the tasks that have a logit.
        logits: (m,).
    """

    tasks: Tensor

    def __init__(self, tasks: Tensor) -> None:
        """``tasks`` (n, k) may repeat; each different one gets a logit."""
        super().__init__()
        self.register_buffer("tasks", torch.unique(tasks, dim=0))
        self.logits = nn.Parameter(torch.full((len(self.tasks),), FIRST_LOGIT))

    def rows(self, tasks: Tensor) -> Tensor:
        """Return which logit each embedding (B, k) uses, (B,); m where it has none."""
        if not len(self.tasks):
            return torch.zeros(len(tasks), dtype=torch.long, device=tasks.device)
        same = (tasks[:, None, :] == self.tasks[None, :, :]).all(dim=2)  # (B, m)
        return torch.where(same.any(dim=1), same.int().argmax(dim=1), len(self.tasks))

    def alphas(self, rows: Tensor) -> Tensor:
        """Return the alpha(c) of these rows, (B,); 0 for a task without a logit."""
        with_others = torch.cat([torch.sigmoid(self.logits), self.logits.new_zeros(1)])
        return with_others[rows]

    def mix(self, fine_tuned: Tensor, frozen: Tensor, rows: Tensor) -> Tensor:
        """Return the mix alpha pi_ft + (1 - alpha) pi_0 for chunks (B, H, a)."""
        alpha = self.alphas(rows)[:, None, None]
        return alpha * fine_tuned + (1.0 - alpha) * frozen
