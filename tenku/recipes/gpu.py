"""The same recipes for a GPU: what a step costs there is mostly its launch, so steps are larger."""

from dataclasses import replace
from typing import Final

from tenku.recipes.embedded import EmbeddedRecipe

_NEVER: Final = 2.0  # share of the steps from which a bucket is compiled


def for_gpu(recipe: EmbeddedRecipe) -> EmbeddedRecipe:
    """A recipe with as many steps of 2 to 16 times as many clips.

    Fewest where captions are read: to write and to cut them up is the processor's work.
    """
    vae, text, planner = recipe.vae_task, recipe.text_task, recipe.planner_task
    reader, draft = recipe.reader_task, recipe.draft_task
    denoiser, sharpening = recipe.denoiser_task, recipe.sharpening_task
    return replace(
        recipe,
        vae_task=replace(vae, batch_size=16 * vae.batch_size),
        text_task=replace(text, batch_size=2 * text.batch_size),
        planner_task=replace(planner, batch_size=4 * planner.batch_size, compile_from=_NEVER),
        reader_task=replace(reader, positions_per_step=8 * reader.positions_per_step),
        draft_task=replace(draft, positions_per_step=8 * draft.positions_per_step, compile_from=_NEVER),
        denoiser_task=replace(denoiser, tokens_per_step=12 * denoiser.tokens_per_step, compile_from=_NEVER),
        sharpening_task=replace(sharpening, batch_size=8 * sharpening.batch_size),
    )
