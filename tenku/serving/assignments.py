"""What a job asks of the pipeline: its footage read, its task laid out on a timeline."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from sqlalchemy import select

from tenku.errors import UserError
from tenku.media import read_mask
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.serving.cast import described_character, with_characters
from tenku.serving.database import Database
from tenku.serving.records import LATENTS, VIDEO, Record
from tenku.serving.sizes import NATIVE_FPS, native_frames
from tenku.serving.storage import Storage
from tenku.serving.tables import characters, videos
from tenku.timeline import (
    Footage,
    Scene,
    Task,
    animate,
    blend,
    edit,
    extend,
    fill,
    load_kept,
    loop,
    remix,
    storyboard,
    storyboard_request,
)
from tenku.timeline.request import MAX_PROMPT_LENGTH
from tenku.timeline.tasks import Sampling

Asked: TypeAlias = GenerationRequest | Task


class Assignments:
    """Turns jobs into requests and tasks, with the files and footage that they name."""

    def __init__(self, pipeline: VideoPipeline, database: Database, storage: Storage) -> None:
        self._pipeline = pipeline
        self._database = database
        self._storage = storage

    def asked(self, record: Record) -> Asked:
        """What a job asks for, as long as the video that was promised."""
        job = _Job(record, record.task)
        laid_out = _BUILDERS[job.verb](self, job)
        if isinstance(laid_out, GenerationRequest):
            return laid_out
        shown = min(laid_out.request.num_frames, native_frames(record.num_frames, record.fps))
        if job.verb in _LENGTH_IS_TOLD_AFTERWARDS:
            shown = laid_out.request.num_frames
        return Task(replace(laid_out.request, num_frames=shown), laid_out.timeline)

    def generate(self, job: "_Job") -> Asked:
        """A prompt, perhaps with a first picture."""
        width, height = job.native
        prompt = self._prompt(job)
        if "picture" not in job.task:
            return GenerationRequest(
                prompt=prompt,
                num_frames=native_frames(job.record.num_frames, job.record.fps),
                height=height,
                width=width,
                fps=NATIVE_FPS,
                **job.sampling,
            )
        path = self._storage.path(job.task["picture"])
        first = self._pipeline.footage_of(path, (height, width), NATIVE_FPS)
        seconds = native_frames(job.record.num_frames, job.record.fps) / NATIVE_FPS
        return animate(first, prompt, seconds=seconds, **job.sampling)

    def extend(self, job: "_Job") -> Asked:
        """A clip goes on, or sets off earlier."""
        clip, seconds = self._clip(job), float(job.task["seconds"])
        ways = {"before": seconds} if job.task.get("before") else {"after": seconds}
        return extend(clip, self._prompt(job), **ways, **job.sampling)

    def remix(self, job: "_Job") -> Asked:
        """A clip made again to another prompt."""
        return remix(self._clip(job), self._prompt(job), strength=job.task["strength"], **job.sampling)

    def edit(self, job: "_Job") -> Asked:
        """A clip of which a part may change, or all of it where there is no mask."""
        if "mask" not in job.task:
            return self.remix(job)
        mask = read_mask(self._storage.path(job.task["mask"]))
        strength = job.task["strength"]
        return edit(self._clip(job), self._prompt(job), mask=mask, strength=strength, **job.sampling)

    def loop(self, job: "_Job") -> Asked:
        """A clip that comes back to its first frame."""
        return loop(self._clip(job), self._prompt(job), seconds=job.task["seconds"], **job.sampling)

    def fill(self, job: "_Job") -> Asked:
        """A clip of which a part is made anew."""
        clip = self._clip(job)
        start, stop = float(job.task["start"]), min(float(job.task["end"]), clip.seconds)
        return fill(clip, self._prompt(job), start=start, stop=stop, **job.sampling)

    def blend(self, job: "_Job") -> Asked:
        """A clip that turns into another."""
        first, second = job.record.parents
        clips = [self._footage(video, job.native) for video in (first, second)]
        return blend(clips[0], clips[1], seconds=job.task["seconds"], **job.sampling)

    def storyboard(self, job: "_Job") -> Asked:
        """Scenes one after the other."""
        width, height = job.native
        scenes = [self._scene(scene, job.native) for scene in job.task["scenes"]]
        request = storyboard_request(scenes, height=height, width=width, fps=NATIVE_FPS, **job.sampling)
        return storyboard(scenes, request, self._pipeline.lay_out(request))

    def _scene(self, scene: Mapping[str, Any], native: tuple[int, int]) -> Scene:
        opening = self._footage(scene["video"], native) if scene.get("video") else None
        if opening is not None and (offset := scene.get("offset")):
            skipped = 1 + round((offset * opening.fps - 1) / opening.frames_per_latent)
            opening = opening.after(min(max(0, skipped), opening.num_latent_frames - 1))
        dissolve = min(1.0, scene["seconds"] / 2) if scene["transition"] == "dissolve" else 0.0
        continues = scene["transition"] == "continue"
        return Scene(scene["prompt"][:MAX_PROMPT_LENGTH], scene["seconds"], opening, dissolve, continues)

    def _prompt(self, job: "_Job") -> str:
        """What the model is told: it reads the beginning of what somebody may have written."""
        told = [self._character(identifier) for identifier in job.task.get("characters", ())]
        return with_characters((job.record.prompt or "").strip(), told)[:MAX_PROMPT_LENGTH]

    def _character(self, identifier: str) -> tuple[str, str]:
        """A character's name, and in words what is seen in its clip."""
        with self._database.reading() as connection:
            row = connection.execute(select(characters).where(characters.c.id == identifier)).one_or_none()
        if row is None:
            raise UserError("a character of this video was deleted; take another one.")
        return row.name, described_character(self._pipeline, self._storage.path(row.file))

    def _clip(self, job: "_Job") -> Footage:
        return self._footage(job.record.parents[0], job.native)

    def _footage(self, video: str, native: tuple[int, int]) -> Footage:
        """A video as latents at a size (width, height): as it was kept, if it was, or read again."""
        with self._database.reading() as connection:
            row = connection.execute(select(videos.c.files).where(videos.c.id == video)).one_or_none()
        files = row.files if row is not None else {}
        width, height = native
        if LATENTS in files:
            kept = self._pipeline.reopen(load_kept(self._storage.path(files[LATENTS])))
            if kept.size == (height, width):
                return kept
        if VIDEO not in files:
            raise UserError("the video that this one is made of was deleted; take another one.")
        return self._pipeline.footage_of(self._storage.path(files[VIDEO]), (height, width), NATIVE_FPS)


class _Job:
    """A record, and what its task says."""

    def __init__(self, record: Record, task: Mapping[str, Any]) -> None:
        self.record = record
        self.task = task

    @property
    def verb(self) -> str:
        return str(self.task["verb"])

    @property
    def native(self) -> tuple[int, int]:
        """Width and height at which it is made."""
        width, height = self.task["native"]
        return width, height

    @property
    def sampling(self) -> Sampling:
        return {
            "seed": self.record.seed,
            "negative_prompt": (self.task.get("negative_prompt") or "")[:MAX_PROMPT_LENGTH],
            "num_inference_steps": self.task.get("num_inference_steps"),
            "guidance_scale": self.task.get("guidance_scale"),
        }


_BUILDERS: Final[Mapping[str, Callable[[Assignments, _Job], Asked]]] = {
    "generate": Assignments.generate,
    "extend": Assignments.extend,
    "remix": Assignments.remix,
    "edit": Assignments.edit,
    "loop": Assignments.loop,
    "fill": Assignments.fill,
    "blend": Assignments.blend,
    "storyboard": Assignments.storyboard,
}
_LENGTH_IS_TOLD_AFTERWARDS: Final = ("loop", "blend")
