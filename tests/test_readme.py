"""What the documentation says can be typed, imported and opened, can be."""

import ast
import importlib
import inspect
import os
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from tenku.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in languages]


USUAL = ("cd", "curl", "docker", "export", "npm", "pip", "torchrun")  # what people have, if they need it
COMMANDS = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in PAGES
    for block in blocks(page, "bash")
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]
PYTHON = [pytest.param(block, id=page.name) for page in PAGES for block in blocks(page, "python")]
LINKS = [
    pytest.param(page.parent / link, id=f"{page.name}: {link}")
    for page in PAGES
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text())
    if "://" not in link
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_one(line: str) -> None:
    program, *arguments = shlex.split(line, comments=True)
    if program == "tenku":
        verb, *options = arguments
        command = get_command(app).commands[verb]
        command.make_context(verb, options)
    else:
        own = os.access(ROOT / program, os.X_OK) or program.startswith(".venv/bin/")
        assert own or program in USUAL or "=" in program


@pytest.mark.parametrize("code", PYTHON)
def test_what_is_imported_is_there(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            for name in node.names:
                assert hasattr(module, name.name), f"{node.module} has no {name.name}"
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "GenerationRequest":
            from tenku.timeline.request import GenerationRequest

            inspect.signature(GenerationRequest).bind(**{str(word.arg): None for word in node.keywords})


@pytest.mark.parametrize("path", LINKS)
def test_a_link_leads_somewhere(path: Path) -> None:
    assert path.exists()


def test_the_tree_is_the_one_there_is() -> None:
    tree = next(block for block in blocks(PAGES[0], "") if block.startswith("tenku/"))
    rooms = re.findall(r"^  ([\w.]+)/? ", tree, re.MULTILINE)
    there = {path.name for path in (ROOT / "tenku").iterdir() if (path / "__init__.py").exists()}
    assert there <= set(rooms)
    assert {name for name in rooms if not (ROOT / "tenku" / name).exists()} == set()
