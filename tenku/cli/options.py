"""The options that verbs share, each described once. A verb takes them in groups, and typer sees them one by
one."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from tenku.cli.arguments import EMBEDDED

if TYPE_CHECKING:
    from tenku.timeline.tasks import Sampling

ClipArgument: TypeAlias = Annotated[Path, typer.Argument(help="A video, a picture, or a .tenku file.")]
PromptArgument: TypeAlias = Annotated[
    str, typer.Argument(help="What should be seen, in English or Chinese.", show_default="what is seen")
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Another seed gives another video.")]
ModelOption: TypeAlias = Annotated[
    str, typer.Option(help="'embedded', the folder of a trained model, or open weights.")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON for each output.")
]
UnmarkedOption: TypeAlias = Annotated[
    bool, typer.Option("--unmarked", help="Leave out the watermark and the signed credentials.")
]


class Quantization(StrEnum):
    """Types of eight bits in which weights may be kept."""

    int8 = "int8"
    fp8 = "fp8"


class Sharing(StrEnum):
    """How processes share out the tokens of a video."""

    ulysses = "ulysses"
    ring = "ring"


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingOptions:
    """How a video is sampled."""

    seed: SeedOption = 0
    steps: Annotated[int | None, typer.Option(help="Denoising steps.", show_default="the model's")] = None
    guidance_scale: Annotated[
        float | None, typer.Option(help="How literally the prompt is taken.", show_default="the model's")
    ] = None
    guidance_scale_2: Annotated[
        float | None,
        typer.Option(help="The same of the second of two experts.", show_default="as the first, or its own"),
    ] = None
    negative_prompt: Annotated[str, typer.Option(help="What should not be seen.")] = ""

    @property
    def sampling(self) -> "Sampling":
        """In the words of a request."""
        return {
            "seed": self.seed,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "guidance_scale_2": self.guidance_scale_2,
            "negative_prompt": self.negative_prompt,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """Which model makes a video, what is mixed into it, and how it is held and shared out."""

    model: ModelOption = EMBEDDED
    lora: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:WEIGHT]",
            help="Mix a LoRA into open weights; again for more, high=FILE or low=FILE for one expert.",
        ),
    ] = None
    quantize: Annotated[
        Quantization | None, typer.Option(help="Keep open weights in eight bits: half the memory.")
    ] = None
    parallel: Annotated[
        Sharing | None, typer.Option(help="Share the video out among the processes that torchrun started.")
    ] = None
    shard: Annotated[
        bool, typer.Option("--shard", help="With --parallel: each process keeps a share of the weights.")
    ] = False

    @property
    def quantization(self) -> Literal["int8", "fp8"] | None:
        """In the words of what loads a model."""
        return None if self.quantize is None else ("int8" if self.quantize is Quantization.int8 else "fp8")

    @property
    def method(self) -> Literal["ulysses", "ring"] | None:
        """In the words of what shares tokens out."""
        return None if self.parallel is None else ("ring" if self.parallel is Sharing.ring else "ulysses")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultOptions:
    """What is kept of a video beside it, and how it is told of."""

    keep: Annotated[
        Path | None, typer.Option(help="Keep latents and request in this .tenku file, to go on from.")
    ] = None
    unmarked: UnmarkedOption = False
    as_json: JsonOption = False


USUAL_SAMPLING, USUAL_MODEL, USUAL_RESULT = SamplingOptions(), ModelOptions(), ResultOptions()


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that takes, in the place of each group of options, every option of it by its name."""
    own = inspect.signature(verb)
    groups: dict[str, Any] = {
        name: p.annotation for name, p in own.parameters.items() if is_dataclass(p.annotation)
    }
    parameters = [each for name, p in own.parameters.items() for each in _each(p, groups.get(name))]
    signature = inspect.Signature(parameters)

    def flat(*arguments: Any, **named: Any) -> None:
        bound = signature.bind(*arguments, **named)
        bound.apply_defaults()
        given = bound.arguments
        gathered = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            for name, kind in groups.items()
        }
        verb(**given, **gathered)

    # What typer reads of a function.
    flat.__name__, flat.__doc__, flat.__module__ = verb.__name__, verb.__doc__, verb.__module__
    flat.__signature__ = signature  # type: ignore[attr-defined]
    flat.__annotations__ = {each.name: each.annotation for each in parameters}
    return flat


def _each(parameter: inspect.Parameter, group: Any) -> Iterator[inspect.Parameter]:
    """A parameter as it is, or one for each option of a group."""
    if group is None:
        yield parameter
        return
    for option in fields(group):
        yield inspect.Parameter(option.name, parameter.kind, default=option.default, annotation=option.type)
