"""`tenku simulate`: clips with captions and truth, as training data."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from tenku.cli.arguments import parse_size
from tenku.cli.display import show_stages
from tenku.cli.places import check_output_directory
from tenku.errors import UserError

_MAX_CLIPS = 100_000_000


def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the shards.")],
    num_clips: Annotated[int, typer.Option("--num-clips", "-n", help="How many clips.")] = 100,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "128x128",
    frames: Annotated[int, typer.Option(help="Frames of each clip; 1 makes pictures.")] = 33,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 16.0,
    seed: Annotated[int, typer.Option(help="Another seed gives other clips.")] = 0,
    languages: Annotated[str, typer.Option(help="Languages of the captions.")] = "en,zh",
    clips_per_shard: Annotated[int, typer.Option(help="Clips in one tar file.")] = 50,
    workers: Annotated[int | None, typer.Option(help="Processes.", show_default="one per core")] = None,
) -> None:
    """Simulate clips with captions and truth; run it again after a kill and it goes on."""
    if not 1 <= num_clips <= _MAX_CLIPS:
        raise UserError(f"-n {num_clips} cannot be made; choose between 1 and {_MAX_CLIPS:,} clips.")
    if workers is not None and not 1 <= workers <= 1_000:
        raise UserError(f"--workers {workers} cannot work; choose at least 1.")
    width, height = parse_size(size)
    check_output_directory(output)
    from tenku.data.shards import DatasetConfig, write_shards

    config = DatasetConfig(
        seed=seed,
        num_frames=frames,
        fps=fps,
        height=height,
        width=width,
        languages=tuple(languages.split(",")),  # type: ignore[arg-type]  # checked by DatasetConfig
        clips_per_shard=clips_per_shard,
    )
    start = time.perf_counter()
    with show_stages() as on_progress:
        shards = write_shards(
            output,
            config,
            num_clips,
            num_workers=workers or os.cpu_count() or 1,
            on_clip=lambda done, total: on_progress("clips", done, total),
        )
    megabytes = sum(path.stat().st_size for path in shards) / 1e6
    print(
        f"{output}: {num_clips} clips in {len(shards)} shards, {megabytes:.1f} MB, "
        f"made in {time.perf_counter() - start:.1f} s"
    )
