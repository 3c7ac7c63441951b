# SPDX-License-Identifier: Apache-2.0
"""What `make bench`, `make limits` and `make soak-memory` run still runs, in a short form.

Nobody runs them for weeks, and what they share changes meanwhile. No figure is judged here.
"""

import argparse

import pytest

import bench
import latency
import reopening
import soak_memory


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def receiver(folder):
    """The compiled receiver; all of them look for it in the folder above their own."""
    return bench.build_receiver(folder)


def make(folder, name):
    path = folder / name
    path.mkdir()
    return path


def test_the_benchmark_counts_every_line(folder, receiver):
    chosen = argparse.Namespace(lines=500, latency=0, sink="elasticsearch", settings={})
    log = bench.make_log(folder, chosen.lines, 1)
    assert bench.measure(receiver, log, make(folder, "events"), chosen)


def test_latency_is_known_of_every_line(folder):
    found, page = latency.measure(200, 3, make(folder, "latency"))
    assert len(found) == 600 - latency.WARM_UP_LINES and found[0] > 0
    assert page.sum("ledger_commit_seconds_count") > 0


def test_memory_is_read_under_a_steady_load(folder, receiver):
    samples, lines, cpu, peak = soak_memory.run(200, 3, make(folder, "memory"))
    assert lines >= 580 and cpu > 0 and len(samples) >= 3
    assert all(0 < megabytes <= peak for _, megabytes in samples)


def test_a_line_through_memory_has_its_slope():
    samples = [(second, 40 + second / 100) for second in range(300)]
    slope, error, start = soak_memory.fit(samples)
    assert slope == pytest.approx(0.01) and start == pytest.approx(40) and error < 1e-6


def test_a_ledger_is_filled_and_opened_again(folder, receiver, monkeypatch):
    monkeypatch.setattr(reopening, "FILE_BYTES", 2 << 20)
    monkeypatch.setattr(reopening, "LIMIT_SECONDS", 60)
    reopening.measure_reopening(make(folder, "reopening"), receiver, 0.03)


def test_quiet_files_are_read_and_waited_for(folder, monkeypatch):
    for name in ("SETTLING_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(reopening, name, 0.5)
    monkeypatch.setattr(reopening, "IDLE_LIMIT", 1)
    reopening.measure_idle(make(folder, "quiet"), 20)
