"""Finds what a name stands for: a short name, or the path ``"package.module:Object"``.

Imports only errors; what a name stands for is imported on demand:

    make = load("suite", "tabletop")
    make = load("suite", "my_lab.kitchen:KitchenSuite")
    make = load("strategy", request.strategy, allow=settings.allowed_strategies)

A short name is one of ``BUILT_IN``, or one that an installed package gives in its metadata, as an entry point
of the group ``amf_ros.<kind>``. In the package's ``pyproject.toml``:

    [project.entry-points."amf_ros.suite"]
    kitchen = "my_lab.kitchen:KitchenSuite"

Nothing here needs editing for either. Where two claim one name, the built-in one is meant, and among packages
the one whose path comes first, on every machine.

Importing a module runs it, and a path may name any module of this computer. So a path is taken from whoever
starts the process (its arguments, parameters and configuration files), and from nobody else: a name that came
in a request, or stands in a file that may come from anywhere, is loaded with ``allow``. A short name is taken
from everybody: what it stands for was chosen when the package was installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from amf_ros.core.errors import ConfigError, NotAllowed, UnknownName, raised, shown

BUILT_IN: dict[str, dict[str, str]] = {
    "suite": {
        "integrator": "amf_ros.tasks.integrator:IntegratorSuite",
        "kinematic": "amf_ros.tasks.kinematic:KinematicSuite",
        "kinematic_attributes": "amf_ros.tasks.kinematic:KinematicAttributesSuite",
        "tabletop": "amf_ros.tasks.tabletop:TabletopSuite",
    },
    "staging": {"tabletop": "amf_ros.sim.tabletop:TabletopStaging"},
    "robot": {
        "mock": "amf_ros.ros.ros2_control.controlled_arm:make_mock_arm",
        "pybullet": "amf_ros.sim.pybullet_arm:make_pybullet_arm",
        "ros2_control": "amf_ros.ros.ros2_control.controlled_arm:make_ros2_control_arm",
    },
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


@cache
def registered(kind: str) -> Mapping[str, str]:
    """Return the path behind every short name of a kind, a key of ``BUILT_IN``.

    Packages that are installed while the process runs are not seen.
    """
    by_path = sorted(entry_points(group=f"amf_ros.{kind}"), key=lambda point: point.value, reverse=True)
    return {**{point.name: point.value for point in by_path}, **BUILT_IN[kind]}


def names(kind: str) -> tuple[str, ...]:
    """Return the short names of a kind, a key of ``BUILT_IN``, in order."""
    return tuple(sorted(registered(kind)))


def load(kind: str, name: str, allow: Iterable[str] | None = None) -> Any:
    """Return the object behind a short name or a ``package.module:Object`` path.

    Args:
        kind: a key of ``BUILT_IN``.
        name: to look up.
        allow: None where the name is that of whoever started this process. Otherwise the name came from
            elsewhere, and of all paths only these are imported.

    Raises:
        UnknownName: the short name is not registered.
        NotAllowed: a path that is not in ``allow``; nothing was imported.
        ConfigError: the path cannot be imported, whatever its module raises, or holds no such object.
    """
    if ":" not in name:
        if name not in registered(kind):
            raise UnknownName(kind, name, registered(kind))
        name = registered(kind)[name]
    elif allow is not None:
        permitted = tuple(allow)
        if name not in permitted:
            raise NotAllowed(kind, name, (*registered(kind), *permitted))
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the code of others does when it is imported
        if isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(error.name):
            raise ConfigError(
                f"{kind} {shown(name)}: no module {shown(error.name)}; "
                "write package.module:Object of something importable"
            ) from error
        raise ConfigError(f"{kind} {shown(name)}: importing {module_name} raised {raised(error)}") from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise ConfigError(f"{kind} {shown(name)}: {module_name} has no {shown(attribute)}") from error
