"""Which scene and experts a suite has in a simulator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.odd_suites import OddTabletopSuite

from amf_ros.core.errors import AmfError, ConfigError, UnknownName
from amf_ros.rollout.robot_environment import make_environment
from amf_ros.sim.staging import load_staging
from amf_ros.sim.tabletop import TabletopStaging
from amf_ros.tasks.loading import checked
from amf_ros.tasks.tabletop import TabletopSuite

HERE = __name__


class Mine(TabletopStaging):
    """What an outsider names."""


Halfway = SimpleNamespace
NOTHING = 3


def suite_with(staging: Any) -> Any:
    suite = TabletopSuite()
    suite.staging = staging
    return suite


@pytest.mark.parametrize(("named", "kind"), [("tabletop", TabletopStaging), (f"{HERE}:Mine", Mine)])
def test_a_suite_names_its_staging_by_a_short_name_or_a_path(named: str, kind: type) -> None:
    suite = suite_with(named)
    staging = load_staging(suite)
    assert type(staging) is kind and staging.scene() is not staging.scene()
    assert staging.expert("press_button", 0) is not None
    with pytest.raises(UnknownName, match="unknown task 'fly'"):
        staging.expert("fly", 0)


def test_a_suite_with_scene_and_expert_is_its_own_staging() -> None:
    suite = OddTabletopSuite()
    assert load_staging(suite) is suite


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ("tabeltop", "did you mean 'tabletop'"),
        (f"{HERE}:Nobody", "has no 'Nobody'"),
        (f"{HERE}:NOTHING", "is 3, not a class or function"),
        (None, "staging is None.*no scene and no expert"),
        (7, "staging is 7"),
    ],
)
def test_a_staging_that_cannot_be_found_is_said_in_one_line(named: Any, text: str) -> None:
    with pytest.raises(AmfError, match=text) as error:
        load_staging(suite_with(named))
    assert "\n" not in str(error.value)


def test_a_staging_that_lacks_something_is_refused_with_what_it_lacks(monkeypatch: Any) -> None:
    monkeypatch.setattr(f"{HERE}.Halfway", lambda suite: SimpleNamespace(scene=lambda: None))
    with pytest.raises(ConfigError, match="lacks expert"):
        load_staging(suite_with(f"{HERE}:Halfway"))


def test_tasks_for_an_arm_need_no_staging_until_they_are_simulated() -> None:
    suite = suite_with(None)
    assert checked(suite) is suite
    with pytest.raises(ConfigError, match="name one, as 'my_lab.kitchen:KitchenStaging'"):
        make_environment(suite)
