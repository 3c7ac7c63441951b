# SPDX-License-Identifier: Apache-2.0
"""The status page in a real browser. `make page-test` installs one; PICTURES=DIR keeps pictures."""

import os
from pathlib import Path

import pytest

import browser as browsers
from agent import NAME, elasticsearch_sink, file_input, file_sink
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver

pytestmark = pytest.mark.skipif(
    browsers.binary() is None, reason="there is no Chromium; make page-test installs it")

READY = "document.querySelector('main')?.hidden === false"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = browsers.Browser(tmp_path_factory.mktemp("chromium"))
    yield made
    made.close()


def keep(tab, name):
    if os.environ.get("PICTURES"):
        folder = Path(os.environ["PICTURES"])
        folder.mkdir(parents=True, exist_ok=True)
        tab.picture(folder / f"{name}.png")


def expect_quiet(tab, agent):
    """Nothing was asked of anybody else, and the browser had nothing to complain of."""
    tab.ask("1")
    base = f"http://127.0.0.1:{agent.port}/"
    elsewhere = [url for url in tab.requests if not url.startswith((base, "data:image/svg+xml,"))]
    assert not elsewhere, elsewhere
    assert any(url == base + "status.json" for url in tab.requests)
    assert not tab.complaints, tab.complaints


def fits(tab):
    return tab.ask("document.documentElement.scrollWidth <= innerWidth")


def write_lines(path, count):
    with path.open("ab") as file:
        file.write(KeycloakLog(seed=5).chunk(count))


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 1280), ("light", 390),
                                           ("dark", 800)])
def test_a_healthy_agent(make_agent, browser, tmp_path, scheme, width):
    log = tmp_path / "idp.log"
    write_lines(log, 60)
    agent = make_agent([file_input(log)], [file_sink(tmp_path / "out.ndjson")]).start()
    agent.wait_read(60)
    agent.wait_delivered("out")
    tab = browser.open(width=width, scheme=scheme)
    tab.go(f"http://127.0.0.1:{agent.port}/")
    tab.wait_for(READY)
    text = tab.text()
    assert "All is well" in text and NAME in text and "no warning" in text.lower()
    assert tab.ask("document.title").startswith("✓ ")
    assert fits(tab), "the page is wider than the window"
    # It is live: what is written now shows without another look.
    write_lines(log, 60)
    agent.wait_read(120)
    tab.wait_for("document.querySelector('#gauges').innerText.includes('120 since the start')")
    # The plots are told in words, too; the next sample has what was just read.
    label = "document.querySelector('svg.plot').getAttribute('aria-label')"
    tab.wait_for(f"/^Records read over .* now .+, highest [1-9]/.test({label})")
    tab.wait_for("document.querySelector('.trace').getAttribute('d').includes('L')")
    keep(tab, f"healthy-{scheme}-{width}")
    expect_quiet(tab, agent)
    agent.stop()


def test_what_is_wrong_is_said_in_words_and_then_that_nobody_answers(make_agent, browser, tmp_path):
    evil = "</script><img src=x onerror=document.title=1>"
    log = tmp_path / "idp.log"
    write_lines(log, 30)
    with Receiver(lambda number, documents: Fault(status=403, body=evil.encode())) as receiver:
        agent = make_agent([file_input(log)], [
            elasticsearch_sink(receiver), file_sink(tmp_path / "out.ndjson")]).start()
        tab = browser.open(scheme="dark")
        tab.go(f"http://127.0.0.1:{agent.port}/")
        tab.wait_for(READY + " && document.body.className.includes('attention')")
        text = tab.text()
        assert "Working, with 1 thing to look at." in text and "2, 1 down" in text
        assert f"HTTP 403: {evil}" in text, "it is shown as text"
        assert tab.ask("document.images.length") == 0
        assert tab.ask("document.querySelector('#sinks .mark').getAttribute('aria-label')") == "down"
        keep(tab, "down-dark")
        expect_quiet(tab, agent)
        agent.stop()
        tab.wait_for("!document.querySelector('#stale').hidden")
        assert "The agent does not answer. Everything below is as it was at" in tab.text()
        assert tab.ask("document.title").startswith("? ")
        keep(tab, "gone-dark")
        # It comes back by itself, and begins its plots anew.
        agent.start()
        tab.wait_for("document.querySelector('#stale').hidden")
        agent.stop()


def test_thirty_inputs_and_ten_sinks(make_agent, browser, tmp_path):
    inputs = []
    for number in range(30):
        path = tmp_path / f"idp{number}.log"
        write_lines(path, 3)
        inputs.append(file_input(path, id=f"realm_{number:02d}"))
    sinks = [file_sink(tmp_path / f"out{number}.ndjson", id=f"archive_{number}")
             for number in range(10)]
    agent = make_agent(inputs, sinks).start()
    agent.wait_read(90)
    for width in (1440, 390):
        tab = browser.open(width=width)
        tab.go(f"http://127.0.0.1:{agent.port}/")
        tab.wait_for(READY)
        assert tab.ask("document.querySelectorAll('tr.row').length") == 40
        assert fits(tab), f"the page is wider than {width}"
        keep(tab, f"many-{width}")
        expect_quiet(tab, agent)
    agent.stop()


def test_a_browser_passes_with_the_token(make_agent, browser, tmp_path):
    agent = make_agent([file_input(tmp_path / "idp.log")], [file_sink(tmp_path / "out.ndjson")],
                       agent={"status": {"token": "0123456789abcdef"}}).start()
    tab = browser.open()
    tab.go(f"http://operator:0123456789abcdef@127.0.0.1:{agent.port}/")
    tab.wait_for(READY)
    assert "no file is there to be read" in tab.text()
    keep(tab, "empty-light")
    agent.stop()
