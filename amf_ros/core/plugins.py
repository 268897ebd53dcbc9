"""Short names -> ``"module:Object"``. Imports only errors; what a name stands for is imported on demand.

Outsiders write the path in place of the short name, so nothing here needs editing for them:

    make = load("suite", "tabletop")
    make = load("suite", "my_lab.kitchen:KitchenSuite")
    make = load("strategy", request.strategy, allow=settings.allowed_strategies)

Importing a module runs it, and a path may name any module of this computer. So a path is taken from whoever
starts the process (its arguments, parameters and configuration files), and from nobody else: a name that came
in a request, or stands in a file that may come from anywhere, is loaded with ``allow``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from amf_ros.core.errors import ConfigError, NotAllowed, UnknownName, shown

BUILT_IN: dict[str, dict[str, str]] = {
    "suite": {
        "integrator": "amf_ros.tasks.integrator:IntegratorSuite",
        "kinematic": "amf_ros.tasks.kinematic:KinematicSuite",
        "kinematic_attributes": "amf_ros.tasks.kinematic:KinematicAttributesSuite",
        "tabletop": "amf_ros.tasks.tabletop:TabletopSuite",
    },
    "staging": {"tabletop": "amf_ros.sim.tabletop:TabletopStaging"},
    "robot": {"pybullet": "amf_ros.sim.pybullet_arm:make_pybullet_arm"},
    "policy": {"gp": "amf_ros.policies.gp:GpPolicy", "mlp": "amf_ros.policies.mlp:MlpPolicy"},
    "strategy": {
        "amf": "amf_ros.selection.strategies.amf:Amf",
        "amf_gp": "amf_ros.selection.strategies.amf_gp:AmfGp",
        "amf_cost": "amf_ros.selection.strategies.amf_cost:AmfCost",
        "amf_outcomes": "amf_ros.selection.strategies.amf_outcomes:AmfOutcomes",
        "amf_outcomes_cost": "amf_ros.selection.strategies.amf_outcomes_cost:AmfOutcomesCost",
        "uniform": "amf_ros.selection.strategies.uniform:Uniform",
        "round_robin": "amf_ros.selection.strategies.round_robin:RoundRobin",
        "rebalancing": "amf_ros.selection.strategies.rebalancing:Rebalancing",
        "least_demonstrated": "amf_ros.selection.strategies.least_demonstrated:LeastDemonstrated",
        "uncertainty": "amf_ros.selection.strategies.uncertainty:Uncertainty",
        "uncertainty_gp": "amf_ros.selection.strategies.uncertainty_gp:UncertaintyGp",
        "largest_loss": "amf_ros.selection.strategies.largest_loss:LargestLoss",
        "lowest_success": "amf_ros.selection.strategies.lowest_success:LowestSuccess",
        "audit_then_count": "amf_ros.selection.strategies.audit_then_count:AuditThenCount",
    },
    "uncertainty": {
        "features": "amf_ros.knowledge.uncertainty.features:Features",
        "loss_gradient": "amf_ros.knowledge.uncertainty.gradients:LossGradient",
        "loss_gradient_predictive": "amf_ros.knowledge.uncertainty.gradients:LossGradientPredictive",
        "full_gradient": "amf_ros.knowledge.uncertainty.gradients:FullGradient",
        "dropout": "amf_ros.knowledge.uncertainty.dropout:Dropout",
        "ensemble": "amf_ros.knowledge.uncertainty.ensemble:Ensemble",
        "inputs": "amf_ros.knowledge.uncertainty.inputs:Inputs",
    },
    "occupancy": {
        "demonstrations": "amf_ros.knowledge.occupancy:OwnDemonstrations",
        "rollouts": "amf_ros.knowledge.occupancy:Visited",
        "importance": "amf_ros.knowledge.occupancy:Importance",
        "mixture": "amf_ros.knowledge.occupancy:Mixture",
    },
}


def names(kind: str) -> tuple[str, ...]:
    """The short names of a kind, a key of ``BUILT_IN``."""
    return tuple(sorted(BUILT_IN[kind]))


def load(kind: str, name: str, allow: Iterable[str] | None = None) -> Any:
    """The object behind a short name or a ``package.module:Object`` path.

    Args:
        kind: a key of ``BUILT_IN``.
        name: to look up.
        allow: None where the name is that of whoever started this process. Otherwise the name came from
            elsewhere, and of all paths only these are imported.

    Raises:
        UnknownName: the short name is not registered.
        NotAllowed: a path that is not in ``allow``; nothing was imported.
        ConfigError: the path cannot be imported or holds no such object.
    """
    if ":" not in name:
        if name not in BUILT_IN[kind]:
            raise UnknownName(kind, name, BUILT_IN[kind])
        name = BUILT_IN[kind][name]
    elif allow is not None:
        permitted = tuple(allow)
        if name not in permitted:
            raise NotAllowed(kind, name, (*BUILT_IN[kind], *permitted))
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module exists and misses a dependency of its own: that traceback is the useful one
        raise ConfigError(
            f"{kind} {shown(name)}: no module {shown(error.name)}; "
            "write package.module:Object of something importable"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise ConfigError(f"{kind} {shown(name)}: {module_name} has no {shown(attribute)}") from error
