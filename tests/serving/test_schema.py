"""Requests made up from our own OpenAPI text: no 5xx, no hang.

TENKU_TEST_EXAMPLES sets how many of each operation, 3 by default; 250 are some 10,000 requests.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLES = os.environ.get("TENKU_TEST_EXAMPLES", "3")
# Event streams end with what they tell of; they have tests of their own.
CHECKS = ["--checks", "not_a_server_error,content_type_conformance", "--exclude-path-regex", "/events$"]


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_no_request_is_too_much(tmp_path: Path, running: Any) -> None:
    limits = ("--workers", "0", "--live-sessions", "0", "--max-queued", "50")
    with running(tmp_path / "home", *limits) as server:
        program = Path(sys.executable).with_name("schemathesis")
        command = [str(program), "run", f"{server.url}/openapi.json", "--max-examples", EXAMPLES, *CHECKS]
        ended = subprocess.run(
            [*command, "--request-timeout", "20", "--phases", "examples,coverage,fuzzing", "--no-color"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        answers = _answers(httpx.get(f"{server.url}/metrics").text)
        assert httpx.get(f"{server.url}/readyz").status_code == 200
    print(f"{sum(answers.values())} answers: {answers}")
    assert ended.returncode == 0, ended.stdout[-4_000:]
    assert not [status for status in answers if status >= 500 and status != 503]
    assert sum(answers.values()) > 100


def _answers(metrics: str) -> dict[int, int]:
    """How many answers of each status there were."""
    counts: dict[int, int] = {}
    found = re.findall(r'^tenku_request_seconds_count\{.*?status="(\d+)"\} ([\d.]+)', metrics, re.MULTILINE)
    for status, number in found:
        counts[int(status)] = counts.get(int(status), 0) + int(float(number))
    return counts
