"""The shipped scripts, made ready once."""

import pytest

from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.screen.screen import Screen


@pytest.fixture(scope="session")
def screen(mind: Mind) -> Screen:
    return Screen(mind.library.scams)
