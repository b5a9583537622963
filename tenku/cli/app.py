"""The verbs of `tenku`, gathered."""

from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from tenku.cli.blend import blend
from tenku.cli.certify import certify
from tenku.cli.edit import edit
from tenku.cli.evaluate import evaluate
from tenku.cli.export import export
from tenku.cli.extend import extend
from tenku.cli.fill import fill
from tenku.cli.generate import generate
from tenku.cli.keys import keys
from tenku.cli.live import live
from tenku.cli.loop import loop
from tenku.cli.plan import plan
from tenku.cli.remix import remix
from tenku.cli.serve import serve
from tenku.cli.simulate import simulate
from tenku.cli.storyboard import storyboard
from tenku.cli.train import train
from tenku.cli.verify import verify
from tenku.cli.worker import worker
from tenku.errors import UserError

app = typer.Typer(
    name="tenku",
    help="Text, pictures and clips in, video out; and the way to make the model that does it.",
    pretty_exceptions_enable=False,
)
_MAKING = (generate, extend, fill, loop, blend, remix, edit, storyboard, live)
for verb in (*_MAKING, simulate, train, evaluate, export, plan, certify, verify, serve, worker):
    app.command()(verb)
app.add_typer(keys, name="keys")


def run(arguments: list[str]) -> None:
    """Run one command; a mistake in its arguments becomes a `UserError`."""
    try:
        status = get_command(app).main(args=arguments or ["--help"], prog_name="tenku", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "tenku"
        raise UserError(
            f"{error.format_message().rstrip('. ')}; `{command} --help` lists the options."
        ) from error
    if status == 130:  # typer's word for Ctrl-C
        raise KeyboardInterrupt


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tenku {version('tenku')}")
        raise typer.Exit


@app.callback()
def tenku(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is."),
    ] = False,
) -> None:
    """Text, pictures and clips in, video out; and the way to make the model that does it."""
