"""What requests may say, checked field by field before anything is done."""

import math
import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tenku.serving.sizes import LARGEST_SIDE, NATIVE_FPS, SMALLEST_SIDE, is_servable
from tenku.timeline.request import MAX_FPS, MAX_GUIDANCE_SCALE, MAX_SEED, MAX_STEPS

MAX_PROMPT: Final = 32_000
MAX_SECONDS: Final = 20.0
MAX_TOTAL_SECONDS: Final = 120.0
MAX_EXTENSIONS: Final = 6
_MAX_IMAGE_URL: Final = 20_971_520
_SIZE: Final = re.compile(r"([0-9]{1,5})[xX×]([0-9]{1,5})")


def _check_text(text: str) -> str:
    for position, character in enumerate(text, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            raise ValueError(f"has a control character at position {position}; remove it.")
    return text


def _check_words(text: str) -> str:
    if not any(character.isalpha() for character in text):
        raise ValueError("has no words; say what should be seen, for example 'a red ball falls'.")
    return text


def _check_size(text: str) -> str:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("is no WIDTHxHEIGHT; write for example 1280x720 or 128x128.")
    width, height = int(match[1]), int(match[2])
    if not is_servable(width, height):
        raise ValueError(
            f"{width}x{height} cannot be made: sides must be even, from {SMALLEST_SIDE} to {LARGEST_SIDE} "
            "pixels, and none longer than four times the other."
        )
    return f"{width}x{height}"


def _number(value: Any) -> Any:
    """A number, also as a text, as forms and the SDKs send it."""
    if isinstance(value, bool):
        raise ValueError("is no number.")
    if isinstance(value, str):
        try:
            value = float(value) if len(value) <= 32 and value.isascii() else None
        except ValueError:
            value = None
        if value is None:
            raise ValueError("is no number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is no number that can be used.")
    return value


def _whole_number(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value.strip()):
        return int(value)
    if isinstance(value, bool):
        raise ValueError("is no whole number.")
    return value


Text = Annotated[str, AfterValidator(_check_text)]
Prompt = Annotated[Text, AfterValidator(_check_words), Field(min_length=1, max_length=MAX_PROMPT)]
Size = Annotated[str, AfterValidator(_check_size)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=MAX_SECONDS)]
Moment = Annotated[float, BeforeValidator(_number), Field(ge=0, le=MAX_TOTAL_SECONDS)]
Strength = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1)]
Fps = Annotated[float, BeforeValidator(_number), Field(ge=1, le=MAX_FPS)]
Side = Annotated[int, BeforeValidator(_whole_number), Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
Title = Annotated[Text, Field(max_length=200)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Reference(_Order):
    """A video or character by its id."""

    id: Annotated[str, Field(min_length=1, max_length=200)]


class ImageReference(_Order):
    """A first picture: exactly one of both. A `file_id` is the id of an uploaded video or picture."""

    image_url: Annotated[str, Field(max_length=_MAX_IMAGE_URL)] | None = None
    file_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "ImageReference":
        if (self.image_url is None) == (self.file_id is None):
            raise ValueError("give exactly one of image_url and file_id.")
        return self


class SamplingOrder(_Order):
    """How it is sampled; what is left out is the model's choice."""

    model: Annotated[Text, Field(min_length=1, max_length=100)] = "sora-2"
    seed: Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=MAX_SEED)] | None = None
    num_inference_steps: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=MAX_STEPS)] | None = (
        None
    )
    guidance_scale: Annotated[float, BeforeValidator(_number), Field(ge=0, le=MAX_GUIDANCE_SCALE)] | None = (
        None
    )
    negative_prompt: Annotated[Text, Field(max_length=MAX_PROMPT)] = ""


class CreateOrder(SamplingOrder):
    """POST /v1/videos."""

    prompt: Prompt
    seconds: Seconds = 4.0
    size: Size = "720x1280"
    width: Side | None = None
    height: Side | None = None
    num_frames: Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=1_200)] | None = None
    fps: Fps = NATIVE_FPS
    input_reference: ImageReference | None = None
    characters: Annotated[list[Reference], Field(max_length=2)] = []

    @model_validator(mode="after")
    def _fits(self) -> "CreateOrder":
        if (self.width is None) != (self.height is None):
            raise ValueError("give both width and height, or neither.")
        if self.width is not None and self.height is not None:
            _check_size(f"{self.width}x{self.height}")
        length = self.seconds if self.num_frames is None else self.num_frames / self.fps
        if length > MAX_SECONDS:
            raise ValueError(f"{length:g} seconds are too long; choose at most {MAX_SECONDS:g}.")
        if length * self.fps < 0.5:
            raise ValueError(
                f"{length:g} seconds are shorter than one frame; choose at least {1 / self.fps:g}."
            )
        return self

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        width, height = self.size.split("x")
        return int(width), int(height)

    @property
    def frames(self) -> int:
        """How many frames are shown."""
        return self.num_frames or max(1, round(self.seconds * self.fps))


class RemixOrder(SamplingOrder):
    """POST /v1/videos/{id}/remix."""

    prompt: Prompt
    strength: Strength = 0.6


class EditOrder(SamplingOrder):
    """POST /v1/videos/edits: a mask says what may change, or else a strength how much of all."""

    prompt: Prompt
    video: Reference | None = None
    strength: Strength | None = None


class ExtendOrder(SamplingOrder):
    """POST /v1/videos/extensions."""

    prompt: Prompt
    seconds: Seconds = 4.0
    video: Reference | None = None
    before: bool = False


class LoopOrder(SamplingOrder):
    """POST /v1/videos/{id}/loop: it comes back to its first frame in so many seconds."""

    prompt: Prompt | None = None
    seconds: Seconds = 1.0


class FillOrder(SamplingOrder):
    """POST /v1/videos/{id}/fill: from `start` to `end` it is made anew."""

    start: Moment
    end: Moment
    prompt: Prompt | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "FillOrder":
        if self.start >= self.end:
            raise ValueError("a gap must start before it ends.")
        return self


class BlendOrder(SamplingOrder):
    """POST /v1/videos/blends."""

    first: Reference
    second: Reference
    seconds: Seconds = 1.0
    prompt: Prompt | None = None


class SceneOrder(_Order):
    """One scene of a storyboard: generated from its prompt, or a video that lies there, from `offset` on."""

    seconds: Seconds
    prompt: Prompt | None = None
    start: Moment | None = None
    video: Reference | None = None
    offset: Moment = 0.0
    transition: Literal["continue", "cut", "dissolve"] = "cut"

    @model_validator(mode="after")
    def _says_something(self) -> "SceneOrder":
        if self.prompt is None and self.video is None:
            raise ValueError("a scene needs a prompt or a video.")
        return self


class StoryboardOrder(SamplingOrder):
    """POST /v1/videos/storyboards."""

    scenes: Annotated[list[SceneOrder], Field(min_length=1, max_length=100)]
    size: Size = "128x128"
    fps: Fps = NATIVE_FPS
    title: Title | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "StoryboardOrder":
        end = 0.0
        for number, scene in enumerate(self.scenes, start=1):
            if scene.start is not None and abs(scene.start - end) > 0.05:
                raise ValueError(
                    f"scene {number} starts at {scene.start:g} s, and the one before ends at {end:g}."
                )
            end += scene.seconds
        if end > MAX_TOTAL_SECONDS:
            raise ValueError(f"{end:g} seconds are too long; a storyboard has at most {MAX_TOTAL_SECONDS:g}.")
        return self


class UploadOrder(_Order):
    """POST /v1/videos/uploads."""

    title: Title | None = None


class TitleOrder(_Order):
    """PATCH /v1/videos/{id}."""

    title: Title | None


class CharacterOrder(_Order):
    """POST /v1/videos/characters."""

    name: Annotated[Text, AfterValidator(_check_words), Field(min_length=1, max_length=80)]
    video: Reference | None = None


class EndpointOrder(_Order):
    """POST /v1/webhook_endpoints."""

    name: Annotated[Text, Field(min_length=1, max_length=200)]
    url: Annotated[Text, Field(min_length=8, max_length=2_000)]
    event_types: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=50)]


class EndpointChange(_Order):
    """POST /v1/webhook_endpoints/{id}."""

    name: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    url: Annotated[Text, Field(min_length=8, max_length=2_000)] | None = None
    event_types: (
        Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=50)] | None
    ) = None


class RotateOrder(_Order):
    """POST /v1/webhook_endpoints/{id}/rotate_secret."""

    keep_old_secret_active_for_24_hours: bool = False


class SampleOrder(_Order):
    """POST /v1/webhook_endpoints/{id}/test."""

    event_type: Literal["video.completed", "video.failed"]


class LiveOrder(_Order):
    """POST /v1/live."""

    prompt: Prompt
    size: Size = "128x128"
    seed: Annotated[int, BeforeValidator(_whole_number), Field(ge=0, le=MAX_SEED)] | None = None


class VerifyOrder(_Order):
    """POST /v1/verify: nothing but a file."""
