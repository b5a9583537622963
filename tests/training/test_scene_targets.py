from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.scene_targets import ABSENT, MAX_OBJECTS, MAX_SHOTS, NUM_REGISTERS, scene_targets
from tenku.training.text import SceneReader, write_caption
from tenku.worlds.captions import plain_prompt, sample_description
from tenku.worlds.description import Event, ObjectDescription, Relation, SceneDescription
from tenku.worlds.vocabulary import COLOURS, DIRECTIONS, EVENT_KINDS, RELATION_KINDS, SHAPES

CONE = ObjectDescription(
    colour="red", shape="cone", material="wood", size="small", events=(Event(kind="rests"),)
)
BALL = ObjectDescription(
    colour="blue",
    shape="sphere",
    material="metal",
    size="large",
    events=(Event(kind="rolls_in", direction="left"), Event(kind="hits", target=0)),
)
SCENE = SceneDescription(
    objects=(CONE, BALL), floor="plain", relations=(Relation(kind="behind", first=1, second=0),)
)


def distinct(objects: tuple[ObjectDescription, ...]) -> bool:
    return len({(o.colour, o.shape, o.size, o.material) for o in objects}) == len(objects)


def shuffled(scene: SceneDescription, rng: np.random.Generator) -> SceneDescription:
    """The same scene with its objects told in another order."""
    order = rng.permutation(len(scene.objects)).tolist()
    place = {old: new for new, old in enumerate(order)}

    def moved(event: Event) -> Event:
        return event if event.target is None else replace(event, target=place[event.target])

    objects = tuple(
        replace(scene.objects[old], events=tuple(moved(event) for event in scene.objects[old].events))
        for old in order
    )
    relations = tuple(
        replace(relation, first=place[relation.first], second=place[relation.second])
        for relation in scene.relations
    )
    return replace(scene, objects=objects, relations=relations)


def test_a_scene_in_numbers() -> None:
    targets = scene_targets([SCENE])
    red, blue = COLOURS.index("red"), COLOURS.index("blue")
    places = [0, 1] if red < blue else [1, 0]
    cone, ball = places
    assert targets.present[0].tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert targets.colour[0, 0, [cone, ball]].tolist() == [red, blue]
    assert targets.shape[0, 0, [cone, ball]].tolist() == [SHAPES.index("cone"), SHAPES.index("sphere")]
    assert targets.direction[0, 0, [cone, ball]].tolist() == [len(DIRECTIONS), DIRECTIONS.index("left")]
    assert targets.target[0, 0, [cone, ball]].tolist() == [MAX_OBJECTS, cone]
    assert targets.events[0, 0, ball].nonzero().flatten().tolist() == sorted(
        EVENT_KINDS.index(kind) for kind in ("rolls_in", "hits")
    )
    assert targets.relations[0, 0].nonzero().tolist() == [[ball, cone, RELATION_KINDS.index("behind")]]
    assert (targets.colour[0, 0, 2:] == ABSENT).all()
    assert (targets.floor[0, 1], targets.camera[0, 1]) == (ABSENT, ABSENT)


def test_the_order_in_which_objects_are_told_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    scenes = [sample_description(rng, pairs="any") for _ in range(150)]
    scenes = [scene for scene in scenes if len(scene.objects) > 1 and distinct(scene.objects)]
    assert len(scenes) > 40
    first, second = scene_targets(scenes), scene_targets([shuffled(scene, rng) for scene in scenes])
    for item in fields(first):
        assert torch.equal(getattr(first, item.name), getattr(second, item.name)), item.name


def test_a_mirrored_scene_differs_in_sides_alone() -> None:
    rng = np.random.default_rng(1)
    scenes = [sample_description(rng) for _ in range(100)]
    plain, mirrored = scene_targets(scenes), scene_targets([scene.mirrored() for scene in scenes])
    for name in ("present", "colour", "shape", "material", "size", "events", "target", "floor"):
        assert torch.equal(getattr(plain, name), getattr(mirrored, name)), name
    left, right = DIRECTIONS.index("left"), DIRECTIONS.index("right")
    assert ((plain.direction == left) == (mirrored.direction == right)).all()
    assert (plain.direction == left).any()
    left, right = RELATION_KINDS.index("left_of"), RELATION_KINDS.index("right_of")
    assert torch.equal(plain.relations[..., left], mirrored.relations[..., right])
    assert plain.relations[..., left].any()


def test_the_second_shot_has_its_own_registers() -> None:
    two = replace(SCENE, next_shot=SceneDescription(objects=(BALL_ALONE,), floor="wooden"))
    targets = scene_targets([two])
    assert targets.present[0].sum(-1).tolist() == [2, 1]
    assert (targets.floor[0] != ABSENT).all()


BALL_ALONE = replace(BALL, events=())


def test_the_reader_answers_every_question() -> None:
    torch.manual_seed(0)
    prompts = [plain_prompt(SCENE, "en"), plain_prompt(SCENE, "zh"), ""]
    config = TextEncoderConfig(vocabulary=("red", "cone"), hidden_size=8, depth=1, num_heads=1)
    reader = SceneReader(TextEncoder(config))
    logits = reader(*reader.encoder.batch(reader.encoder.tokenize(prompts)))
    targets = scene_targets([SCENE] * 3)
    for name in ("present", "events", "relations"):
        assert logits[name].shape == getattr(targets, name).shape, name
    for name in ("colour", "shape", "material", "size", "direction", "target", "floor", "camera"):
        truth = getattr(targets, name)
        assert logits[name].shape[:-1] == truth.shape, name
        assert truth.max() < logits[name].shape[-1], name
    assert logits["direction"].shape == (3, MAX_SHOTS, MAX_OBJECTS, len(DIRECTIONS) + 1)


def test_a_reader_needs_its_registers() -> None:
    config = TextEncoderConfig(
        vocabulary=("red",), hidden_size=8, depth=1, num_heads=1, num_registers=NUM_REGISTERS - 1
    )
    with pytest.raises(ValueError, match="10 registers, the encoder has 9"):
        SceneReader(TextEncoder(config))


def test_captions_come_in_both_languages_and_some_are_plain() -> None:
    rng = np.random.default_rng(0)
    texts = [write_caption(SCENE, rng, 0.5) for _ in range(60)]
    assert 10 < sum(text.isascii() for text in texts) < 50
    plain = {plain_prompt(SCENE, language) for language in ("en", "zh")}
    assert 15 < sum(text in plain for text in texts) < 45
    assert all(write_caption(SCENE, rng, 1.0) in plain for _ in range(10))
