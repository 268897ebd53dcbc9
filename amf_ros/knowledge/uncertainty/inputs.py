"""inputs: no features at all, rows [z(s), c] for a strategy with a kernel of its own, as ``amf_gp``.

    rows = Inputs(policy, fitted).embed(states)                # (n, d + k)

AMF-GP of arXiv 2410.05026 compares inputs. A Gaussian-process policy gives them in units of its lengthscales;
for any other policy observations are z-scores over the pre-training steps. Moments of inputs do not say
where inputs lay, so in place of coverage the checkpoint keeps some of them: unlike with other models, states
of the pre-training leave the lab.
"""

from __future__ import annotations

import numpy as np

from amf_ros.core.errors import CheckpointError
from amf_ros.knowledge.uncertainty.base import States
from amf_ros.learning.coverage import Fitted
from amf_ros.policies.base import F32, InputEmbedding, Policy, Steps
from amf_ros.policies.flat import FlatView

MAX_ROWS = 500  # kept of pre-training, evenly thinned
WHO = "uncertainty model 'inputs'"
OBSERVATION_FLOOR = 0.02  # m, rad or sine: smaller variations are not blown up to a whole z


class Inputs:
    """Observations beside task embeddings.

    Attributes:
        task_columns: k, the last columns of the rows.
    """

    @classmethod
    def fit(cls, policy: Policy, steps: Steps, seed: int) -> Fitted:
        """Keep statistics of the observations, and the rows of some steps."""
        rows = FlatView(policy.spec.layout, WHO).rows(steps.observations)
        mean, std = rows.mean(axis=0), np.maximum(rows.std(axis=0), OBSERVATION_FLOOR)
        kept = slice(None, None, -(-len(steps) // MAX_ROWS))
        states = States(steps.observations[kept], steps.tasks[kept])
        statistics = {"mean": mean, "std": std, "rows": np.zeros((0, 0), np.float32)}
        return statistics | {"rows": cls(policy, statistics).embed(states)}

    def __init__(self, policy: Policy, fitted: Fitted) -> None:
        self._policy, self._fitted, self._flat = policy, fitted, FlatView(policy.spec.layout, WHO)
        self.task_columns = len(policy.spec.task_names)
        if not fitted and not isinstance(policy, InputEmbedding):
            raise CheckpointError(
                "the checkpoint keeps no inputs of its pre-training: name 'inputs' under uncertainty in the "
                "pre-training file and pre-train again, or use policy 'gp'"
            )

    def embed(self, states: States) -> F32:
        """Return rows (n, d + k)."""
        if isinstance(self._policy, InputEmbedding):
            return self._policy.embed(states.observations, states.tasks)
        z = (self._flat.rows(states.observations) - self._fitted["mean"]) / self._fitted["std"]
        return np.concatenate([z, states.tasks], axis=1).astype(np.float32)

    def pretraining_inputs(self) -> F32:
        """Return rows of pre-training states, (m, d + k): what stands for its coverage."""
        if isinstance(self._policy, InputEmbedding):
            rows = self._policy.pretraining_inputs()
            return rows[:: max(1, -(-len(rows) // MAX_ROWS))]
        return np.asarray(self._fitted["rows"], dtype=np.float32)
