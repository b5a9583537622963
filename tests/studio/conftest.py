"""A browser, a page that is not allowed to complain, and servers with a model and without."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_CHROMIUM = Path("/usr/bin/chromium")
_TENKU = Path(sys.executable).with_name("tenku")
_START_SECONDS = 120.0
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium."""
    if not _CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium to look at the studio with")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(_CHROMIUM), args=list(_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Make pages; at the end, none of them may have met an error or broken the policy for its content."""
    complaints: list[str] = []
    contexts = []

    def make(**options: Any) -> "Page":
        context = browser.new_context(**{"locale": "en-GB", "color_scheme": "dark", **options})
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Policy" in said.text else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(new_page: "Callable[..., Page]") -> "Page":
    """A page of usual size."""
    return new_page(viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="session")
def idle_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `idle_server` keeps its state."""
    return tmp_path_factory.mktemp("idle")


@pytest.fixture(scope="session")
def idle_server(idle_home: Path, browser: "Browser") -> Iterator[str]:
    """A server that takes jobs and makes none of them: what is asked of it stays in the queue."""
    with _serving(idle_home, workers=0) as address:
        yield address


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, browser: "Browser") -> Iterator[str]:
    """A server with the embedded model."""
    with _serving(tmp_path_factory.mktemp("serving"), workers=1) as address:
        yield address


@pytest.fixture
def serving() -> "Callable[..., AbstractContextManager[str]]":
    """Start a server with its state in a folder of one's own; the context is its address."""
    return _serving


@pytest.fixture
def new_key() -> Callable[[Path], str]:
    """Make a key for the server whose state is in a folder."""

    def add(home: Path) -> str:
        environment = os.environ | {"TENKU_HOME": str(home)}
        command = [str(_TENKU), "keys", "add", "studio"]
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return made.stdout.split()[-1]

    return add


@contextmanager
def _serving(home: Path, *, workers: int, port: int = 0) -> Iterator[str]:
    """The address of a server with its state under `home`, for as long as the context lasts."""
    command = [str(_TENKU), "serve", "--port", str(port), "--workers", str(workers)]
    environment = os.environ | {"TENKU_HOME": str(home), "OMP_NUM_THREADS": "1"}
    log = home / "serve.log"
    home.mkdir(exist_ok=True)
    with log.open("ab") as output:
        offset = output.tell()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield _address(process, log, offset)
        finally:
            process.terminate()
            process.wait(30)


def _address(process: "subprocess.Popen[bytes]", log: Path, offset: int) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        said = log.read_bytes()[offset:].decode()
        match = re.search(r"tenku is at (http://[\w.:]+)", said)
        if match is not None and "startup complete" in said:
            return match[1]
        time.sleep(0.1)
    raise AssertionError(f"tenku serve did not start: {log.read_text()}")
