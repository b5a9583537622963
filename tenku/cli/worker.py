"""`tenku worker`: one more process, perhaps on another machine, that makes what a server is asked for."""

import signal
from typing import Annotated

import typer

from tenku.cli.arguments import EMBEDDED, check_model
from tenku.cli.options import ModelOption


def worker(
    url: Annotated[
        str | None, typer.Option(help="The server's database.", show_default="TENKU_DATABASE_URL")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="The server's files.", show_default="TENKU_STORAGE_URL")
    ] = None,
    model: ModelOption = EMBEDDED,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log one JSON object a line.")] = False,
) -> None:
    """Make videos for a server, with its database and its storage."""
    check_model(model)
    from tenku.serving.settings import Settings

    settings = Settings.from_environment(
        database_url=url, storage_url=storage, model=model, json_logs=json_logs
    )
    from tenku.serving.database import Database
    from tenku.serving.logs import set_up_logs
    from tenku.serving.storage import Storage

    database = Database(settings.database)
    files = Storage(settings.storage, settings.scratch)
    set_up_logs(settings)
    from tenku.serving.worker import Worker

    one = Worker(settings, database, files)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: one.stop())
    print(f"worker {one.name} is ready", flush=True)
    one.run()
