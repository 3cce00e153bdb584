"""The still ball that moving stages begin with."""

from __future__ import annotations

import pytest

from a124core.field.field4d import Field4D
from tests.core.stages.ball import FIELD, STATIC, VIEWS
from tests.stage_runs import run_stage


@pytest.fixture(scope="session")
def still() -> Field4D:
    return run_stage("static", STATIC, VIEWS, FIELD)
