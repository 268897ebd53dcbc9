"""Refuses a checkpoint that was made for other observations, actions, tasks or rates, and says what differs.

check_fits(checkpoint, contract, suite)
"""

from __future__ import annotations

from amf_ros.contract import Interface
from amf_ros.contract.layout import names_difference
from amf_ros.core.errors import CheckpointError
from amf_ros.learning.checkpoints import Checkpoint
from amf_ros.tasks.base import Suite


def check_fits(checkpoint: Checkpoint, contract: Interface, suite: Suite) -> None:
    """Check that the policy can act on these observations, at this rate, on this suite's tasks.

    Args:
        checkpoint: whose policy shall act.
        contract: a robot's, or the interface of a suite that brings its own simulator.
        suite: whose tasks it shall do.

    Raises:
        CheckpointError: naming the first difference.
    """
    spec, who = checkpoint.policy.spec, f"checkpoint {checkpoint.info.id!r}"
    hint = "choose another checkpoint or contract, or pre-train again with 'amf pretrain'"
    differences = {
        "observations": spec.layout.difference(contract.layout),
        "actions": names_difference(spec.action_names, contract.action_names),
        "task embeddings": names_difference(spec.task_names, suite.embedding_names),
    }
    for kind, difference in differences.items():
        if difference:
            raise CheckpointError(f"{who} was made for other {kind}: {difference}; {hint}")
    if spec.fps != contract.fps:
        raise CheckpointError(
            f"{who} acts at {spec.fps:g} Hz, contract {contract.name!r} at {contract.fps:g}; {hint}"
        )
    if spec.contract_hash != contract.hash:
        raise CheckpointError(
            f"{who} was made with contract {spec.contract_hash}, contract {contract.name!r} is "
            f"{contract.hash}: the names agree, but how a feature or action is computed "
            f"(its range, say) does not; {hint}"
        )
