# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every end-to-end test may use."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "Bench"))

import agent as agents  # noqa: E402


def pytest_report_header():
    return f"agent under test: {agents.binary()}"


@pytest.fixture(scope="session", autouse=True)
def built_agent():
    """Every test here needs the built agent; without it nothing is skipped in silence."""
    path = agents.binary()
    if path is None or not path.is_file():
        pytest.exit(f"there is no agent to test at {path}; run `make build` first", returncode=2)
    return path


@pytest.fixture
def make_agent(tmp_path):
    """Makes agents that are gone when the test ends, however it ends."""
    made = []

    def make(inputs, sinks, folder=None, **more):
        agent = agents.Agent(folder or tmp_path / "agent", inputs, sinks, **more)
        made.append(agent)
        return agent
    yield make
    for agent in made:
        if agent.is_running():
            agent.kill()
