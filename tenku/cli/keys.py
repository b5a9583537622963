"""`tenku keys`: who may use the server."""

from datetime import UTC, datetime
from typing import Annotated

import typer

keys = typer.Typer(no_args_is_help=True, help="Who may use the server.")


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    priority: Annotated[int, typer.Option(help="Higher ones are served first.", min=-100, max=100)] = 0,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Give this key what was made while there were none.")
    ] = False,
) -> None:
    """Make a key, and print it: it is kept nowhere else."""
    from tenku.serving.database import Database
    from tenku.serving.keys import add_key
    from tenku.serving.settings import Settings

    print(add_key(Database(Settings.from_environment().database), name, priority=priority, adopt=adopt))


@keys.command("list")
def list_names() -> None:
    """Show whose keys there are."""
    from tenku.serving.database import Database
    from tenku.serving.keys import list_keys
    from tenku.serving.settings import Settings

    for key in list_keys(Database(Settings.from_environment().database)):
        made = datetime.fromtimestamp(key.created_at, UTC)
        print(f"{key.name}\tpriority {key.priority}\tmade {made:%Y-%m-%d}")


@keys.command()
def remove(name: Annotated[str, typer.Argument(help="Whose key it is.")]) -> None:
    """Lock out whoever has a key; their videos are kept."""
    from tenku.serving.database import Database
    from tenku.serving.keys import remove_key
    from tenku.serving.settings import Settings

    remove_key(Database(Settings.from_environment().database), name)
