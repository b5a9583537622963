"""What is built belongs to its sources, is light, and its logic holds."""

import gzip
import subprocess
from pathlib import Path

import pytest

import tenku.serving

_ROOT = Path(__file__).parents[2]
_BUILT = Path(tenku.serving.__file__).parent / "studio"
_MOST = 120 * 1024


def test_the_built_page_is_of_these_sources() -> None:
    found = subprocess.run([_ROOT / "scripts/studio", "--check"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_the_page_weighs_little() -> None:
    weights = {
        path.name: len(gzip.compress(path.read_bytes())) for path in _BUILT.rglob("*") if path.is_file()
    }
    assert "index.html" in weights
    assert sum(weights.values()) <= _MOST, weights


def test_nothing_in_the_page_is_inline_or_elsewhere() -> None:
    page = (_BUILT / "index.html").read_text()
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count('<script type="module" crossorigin src="/assets/')
    assert "//" not in page.replace("<!doctype html>", "")


@pytest.mark.slow
def test_logic_without_a_browser() -> None:
    if not (_ROOT / "studio/node_modules/.installed-lock").exists():
        pytest.skip("what the studio is built with is not installed; scripts/studio installs it")
    tested = subprocess.run(
        [_ROOT / "scripts/studio", "--test"], capture_output=True, text=True, check=False, timeout=240
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
