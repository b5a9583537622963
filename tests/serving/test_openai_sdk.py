"""The official Python SDK, unmodified: every method of `videos`, sync and async."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tenku.media import read_picture, read_video

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Sora:DeprecationWarning", "ignore:.*video.*:DeprecationWarning"
)

SMALL: dict[str, Any] = {"size": "64x64"}
MORE: dict[str, Any] = {"seconds": "0.5", "seed": 3}


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[OpenAI]:
    with OpenAI(api_key="anything", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def made(client: OpenAI) -> Any:
    return client.videos.create_and_poll(prompt="a red ball falls", extra_body=MORE, **SMALL)


def test_create_and_poll_makes_a_video(client: OpenAI, made: Any) -> None:
    assert made.status == "completed"
    assert made.progress == 100
    assert made.object == "video"
    assert (made.size, made.seconds, made.error) == ("64x64", "0.5", None)
    assert made.completed_at >= made.created_at


def test_retrieve_gives_what_create_gave(client: OpenAI, made: Any) -> None:
    assert client.videos.retrieve(made.id) == made


def test_pages_follow_each_other(client: OpenAI, made: Any) -> None:
    more = [
        client.videos.create_and_poll(prompt="a blue cube", extra_body=MORE, **SMALL).id for _ in range(2)
    ]
    ids = [video.id for video in client.videos.list(limit=1)]
    assert ids[:2] == more[::-1]
    assert ids.index(made.id) > 1
    oldest = [video.id for video in client.videos.list(limit=2, order="asc")]
    assert oldest == ids[::-1]
    assert client.videos.list(limit=0).data == []


@pytest.mark.parametrize(
    ("variant", "suffix"), [("video", ".mp4"), ("thumbnail", ".webp"), ("spritesheet", ".jpg")]
)
def test_content_of_each_variant_can_be_read(
    client: OpenAI, made: Any, variant: Any, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"content{suffix}"
    client.videos.download_content(made.id, variant=variant).write_to_file(path)
    assert read_picture(path).shape[1] in (64, 256)
    if variant == "video":
        assert read_video(path).num_frames == 8


def test_remix_names_its_parent(client: OpenAI, made: Any) -> None:
    remixed = client.videos.poll(client.videos.remix(made.id, prompt="a green ball falls").id)
    assert remixed.status == "completed", remixed.error
    assert remixed.remixed_from_video_id == made.id
    assert remixed.size == made.size


def test_edit_and_extend_take_an_id(client: OpenAI, made: Any) -> None:
    source = {"video": {"id": made.id}}
    edited = client.videos.edit(prompt="a blue ball falls", video=openai.omit, extra_body=source)  # type: ignore[arg-type]
    longer = client.videos.extend(
        prompt="the ball rolls away",
        seconds="0.5",
        video=openai.omit,
        extra_body=source,  # type: ignore[arg-type]
    )
    assert client.videos.poll(edited.id).status == "completed"
    extended = client.videos.poll(longer.id)
    assert extended.status == "completed", extended.error
    assert float(extended.seconds) == 1.0


def test_edit_and_extend_take_a_file(client: OpenAI, made: Any) -> None:
    mp4 = client.videos.download_content(made.id).read()
    for asked in (
        client.videos.edit(prompt="a blue ball falls", video=("clip.mp4", mp4)),
        client.videos.extend(prompt="a ball rolls", seconds="0.5", video=("clip.mp4", mp4)),
    ):
        done = client.videos.poll(asked.id)
        assert done.status == "completed", done.error


def test_first_picture_must_have_the_size(client: OpenAI, made: Any, tmp_path: Path) -> None:
    path = tmp_path / "thumbnail.webp"
    client.videos.download_content(made.id, variant="thumbnail").write_to_file(path)
    begun = client.videos.create_and_poll(
        prompt="a red ball falls", input_reference=path, extra_body=MORE, **SMALL
    )
    assert begun.status == "completed", begun.error
    with pytest.raises(openai.BadRequestError, match="must match the requested width and height"):
        client.videos.create(prompt="a ball", input_reference=path, extra_body={"size": "80x64"})


def test_characters_come_again(client: OpenAI, made: Any) -> None:
    mp4 = client.videos.download_content(made.id).read()
    character = client.videos.create_character(name="Bobby", video=("bobby.mp4", mp4))
    assert character.name == "Bobby"
    assert character.id
    assert client.videos.get_character(character.id) == client.videos.get_character(character.id)
    seen = client.videos.create_and_poll(
        prompt="Bobby bounces", extra_body={**MORE, "characters": [{"id": character.id}]}, **SMALL
    )
    assert seen.status == "completed", seen.error


def test_delete_takes_the_video_away(client: OpenAI) -> None:
    video = client.videos.create_and_poll(prompt="a cone spins", extra_body=MORE, **SMALL)
    gone = client.videos.delete(video.id)
    assert (gone.id, gone.deleted, gone.object) == (video.id, True, "video.deleted")
    for ask in (client.videos.retrieve, client.videos.download_content, client.videos.delete):
        with pytest.raises(openai.NotFoundError):
            ask(video.id)


def test_errors_are_of_the_sdk_s_kinds(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(prompt="", **SMALL)
    assert caught.value.param == "prompt"
    assert caught.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("../../etc/passwd")


def test_models_are_listed(client: OpenAI) -> None:
    assert {"embedded", "sora-2"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("sora-2").owned_by == "tenku"


def test_everything_is_there_for_async_as_well(server: Any, made: Any) -> None:
    async def use() -> None:
        async with AsyncOpenAI(api_key="anything", base_url=f"{server.url}/v1", max_retries=0) as client:
            videos = client.videos
            video = await videos.create_and_poll(prompt="a grey cube rests", extra_body=MORE, **SMALL)
            assert video.status == "completed"
            assert await videos.retrieve(video.id) == video
            assert video.id in [each.id async for each in videos.list(limit=1)]
            mp4 = await (await videos.download_content(video.id)).aread()
            assert read_video(io.BytesIO(mp4)).num_frames == 8
            source = {"video": {"id": video.id}}
            asked = [
                await videos.remix(video.id, prompt="a red cube rests"),
                await videos.edit(prompt="a red cube rests", video=openai.omit, extra_body=source),  # type: ignore[arg-type]
                await videos.extend(
                    prompt="it spins",
                    seconds="0.5",
                    video=openai.omit,
                    extra_body=source,  # type: ignore[arg-type]
                ),
            ]
            for each in asked:
                assert (await videos.poll(each.id)).status == "completed"
            character = await videos.create_character(name="Cubie", video=("cubie.mp4", mp4))
            assert (await videos.get_character(str(character.id))).name == "Cubie"
            assert (await videos.delete(video.id)).deleted

    asyncio.run(use())
