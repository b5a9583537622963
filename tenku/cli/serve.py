"""`tenku serve`: Sora's videos API and a studio, on this machine."""

from typing import Annotated

import typer

from tenku.cli.arguments import EMBEDDED, check_model
from tenku.cli.options import ModelOption

_DAY = 86_400.0


def serve(
    host: Annotated[str, typer.Option(help="Where to listen; other machines need an API key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8000,
    workers: Annotated[
        int, typer.Option(help="Processes that make videos; 0 leaves that to `tenku worker`.")
    ] = 1,
    batch: Annotated[
        int, typer.Option(help="Waiting videos of one shape that are made at once; 1 makes them one by one.")
    ] = 8,
    ray: Annotated[
        bool, typer.Option("--ray", help="Let Ray place the workers, on the cluster of RAY_ADDRESS if set.")
    ] = False,
    model: ModelOption = EMBEDDED,
    retention: Annotated[
        float | None, typer.Option(help="Days after which files expire.", show_default="never")
    ] = None,
    max_queued: Annotated[int, typer.Option(help="Videos that may wait; more are refused.")] = 1_000,
    max_per_key: Annotated[int, typer.Option(help="Videos of one key that may wait.")] = 200,
    quota: Annotated[float, typer.Option(help="GiB of files that one key may have.")] = 50.0,
    max_upload: Annotated[int, typer.Option(help="MiB that a request may have.")] = 256,
    live_sessions: Annotated[int, typer.Option(help="Live sessions at a time.")] = 1,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Let webhooks and image URLs reach private addresses.")
    ] = False,
    trust_host: Annotated[
        list[str] | None, typer.Option(help="Another name that a browser may know this machine by.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A category of the safety rules that is let through.", show_default="TENKU_ALLOW"),
    ] = None,
    frame_check: Annotated[
        str | None,
        typer.Option(
            help="Who looks at frames: the check that is installed, if any; required; off.",
            show_default="TENKU_FRAME_CHECK, else installed",
        ),
    ] = None,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log one JSON object a line.")] = False,
) -> None:
    """Serve videos over HTTP, and a studio in the browser.

    State lives under TENKU_HOME; TENKU_DATABASE_URL names a PostgreSQL database, TENKU_STORAGE_URL another
    place for files.
    """
    check_model(model)
    from tenku.serving.settings import Settings

    settings = Settings.from_environment(
        host=host,
        port=port,
        workers=workers,
        batch=batch,
        ray=ray,
        model=model,
        retention=None if retention is None else retention * _DAY,
        max_queued=max_queued,
        max_queued_per_key=max_per_key,
        max_bytes_per_key=int(quota * 2**30),
        max_upload=max_upload * 2**20,
        live_sessions=live_sessions,
        allow_private=allow_private,
        trusted_hosts=tuple(trust_host or ()),
        allowed_categories=tuple(allow) if allow else None,
        frame_check=frame_check,
        json_logs=json_logs,
    )
    from tenku.serving.run import serve as run

    run(settings)
