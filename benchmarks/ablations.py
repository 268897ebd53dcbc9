"""What each part of the method is worth: one factor at a time, all else as the defaults are.

    python benchmarks/ablations.py [--factors uncertainty occupancy ...] [--seeds 10] [--quick] [--json]
    python benchmarks/ablations.py --pretrain pretrain --seeds 3        # the PyBullet suite, slow

On the kinematic suite, mismatched (--split of benchmarks/kinematic.py), the strategy `amf` (--strategy),
sessions of 20 demonstrations. The value that the defaults have is marked with *; `uniform` stands beside
them, with the default batch and prior. All runs of a seed share pre-training and starts. Unfinished sweeps
continue: run the same command again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kinematic import TRAINING, known_tasks

from amf_ros.core.config import PretrainConfig, SelectionConfig, load_yaml
from amf_ros.core.errors import UnknownName
from amf_ros.core.paths import find_config
from amf_ros.sweep.script import finish, guarded, how, options, parse
from amf_ros.sweep.sessions import Setting, of_setting, run_sessions
from amf_ros.sweep.statistics import Curves, collect

# Factor -> label -> what differs from the base: of the selection, of fine-tuning, or of the setting.
Change = Mapping[str, Any]
SELECTION: dict[str, tuple[Any, ...]] = {
    "uncertainty": (
        "features",
        "ensemble",
        "loss_gradient",
        "loss_gradient_predictive",
        "full_gradient",
        "dropout",
    ),
    "occupancy": ("demonstrations", "rollouts", "importance", "mixture"),
    "noise_variance": (0.01, 0.1, 0.3, 1.0, 3.0),
    "task_weight": (0.0, 0.1, 0.3, 0.5, 0.7),
    "information": ("exact", "linear", "variance"),
    "states_per_trajectory": (2, 5, 10, 20),
}
BATCHES = (1, 2, 4, 10)


def base(args: argparse.Namespace) -> Setting:
    """The defaults."""
    if args.pretrain:
        pretraining = load_yaml(find_config("experiments", args.pretrain), PretrainConfig)
    else:
        pretraining = PretrainConfig(
            suite="kinematic", demonstrations=known_tasks()[args.split], training=TRAINING
        )
    training = pretraining.training
    if args.quick:
        training = training.model_copy(update={"hidden": (16,), "pretrain_steps": 20, "num_steps": 20})
        pretraining = pretraining.model_copy(
            update={"demonstrations": dict.fromkeys(pretraining.demonstrations, 1)}
        )
    # Coverage of every model, so that all settings start from the very same checkpoint.
    models = tuple(dict.fromkeys((*pretraining.uncertainty, *SELECTION["uncertainty"])))
    pretraining = pretraining.model_copy(update={"uncertainty": models, "training": training})
    return Setting(
        name="base",
        pretraining=pretraining,
        demonstrations=args.demonstrations,
        batch=args.batch,
        episodes=args.episodes,
    )


def factors(start: Setting) -> dict[str, dict[str, Setting]]:
    """Factor -> label -> setting; what is as in the base is the base, and made once."""
    made: dict[str, dict[str, Setting]] = {}
    for factor, values in SELECTION.items():
        default = getattr(start.selection, factor)
        made[factor] = {
            f"{value}{' *' * (value == default)}": _selected(start, **{factor: value})
            for value in dict.fromkeys((default, *values))
        }
    made["pre-training"] = {}
    for coverage, anchors in ((True, False), (True, True), (False, True), (False, False)):
        label = " + ".join(
            [name for name, on in (("coverage", coverage), ("anchors", anchors)) if on] or ["nothing"]
        )
        same = (coverage, anchors) == (start.selection.coverage, start.selection.anchors)
        made["pre-training"][label + " *" * same] = _selected(start, coverage=coverage, anchors=anchors)
    made["batch"] = {
        f"{batch}{' *' * (batch == start.batch)}": _changed(start, {"batch": batch})
        for batch in sorted({start.batch, *BATCHES})
        if start.demonstrations % batch == 0
    }
    plain = (start.training or start.pretraining.training).model_copy(update={"prior": False})
    made["prior"] = {"prior *": start, "no prior": _changed(start, {"training": plain})}
    return made


def _selected(start: Setting, **change: Any) -> Setting:
    selection = SelectionConfig.model_validate({**start.selection.model_dump(), **change})
    return start if selection == start.selection else _changed(start, {"selection": selection})


def _changed(start: Setting, change: Change) -> Setting:
    """The base under a name that says what is different."""
    made = start.model_copy(update=dict(change))
    if made == start:
        return start
    parts = []
    for key, value in change.items():
        before = getattr(start, key) if key != "training" else start.training or start.pretraining.training
        if isinstance(value, int):
            parts.append(f"{key}={value}")
        else:
            now, then = value.model_dump(), before.model_dump()
            parts += [f"{name}={now[name]}" for name in now if now[name] != then[name]]
    return made.model_copy(update={"name": " ".join(parts)})


def panels(
    rows: Sequence[dict[str, Any]], made: Mapping[str, Mapping[str, Setting]], strategy: str, reference: str
) -> dict[str, dict[str, Curves]]:
    """Factor -> label -> curves, with the reference strategy of the base in each."""
    found: dict[str, dict[str, Curves]] = {}
    for factor, settings in made.items():
        found[factor] = {reference: collect(of_setting(rows, "base"))[reference]}
        for label, setting in settings.items():
            found[factor][label] = collect(of_setting(rows, setting.name))[strategy]
    return found


def main() -> int:
    parser = options(__doc__, (), seeds=10)
    parser.add_argument("--strategy", default="amf", help="that is ablated (default: %(default)s)")
    parser.add_argument("--factors", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument(
        "--split", default="objects", choices=tuple(known_tasks()), help="default: %(default)s"
    )
    parser.add_argument(
        "--pretrain", default="", help="another suite: a name in config/experiments, or a file"
    )
    parser.add_argument("--demonstrations", type=int, default=20, help="of a session (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=4, help="demonstrations a round (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=4, help="a task after each round")
    parser.set_defaults(strategies=["uniform"])
    args = parse(parser)
    if args.quick:
        args.seeds, args.demonstrations, args.batch, args.episodes = 2, 4, 2, 1
    start = base(args)
    made = factors(start)
    for factor in args.factors or ():
        if factor not in made:
            raise UnknownName("factor", factor, made)
    made = {factor: settings for factor, settings in made.items() if factor in (args.factors or made)}
    others = {setting.name: setting for settings in made.values() for setting in settings.values()}
    others.pop("base", None)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    sweep = "ablations_" + (args.split if not args.pretrain else start.pretraining.suite.replace(":", "_"))
    rows, jobs = run_sessions(sweep, [start], [args.reference, args.strategy], seeds, args.out, how(args))
    if others:
        more, asked = run_sessions(sweep, list(others.values()), [args.strategy], seeds, args.out, how(args))
        rows, jobs = rows + more, jobs + asked
    return finish(args, sweep, rows, jobs, panels(rows, made, args.strategy, args.reference))


if __name__ == "__main__":
    sys.exit(guarded(main))
