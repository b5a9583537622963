"""Forms become nested objects as the SDKs mean them."""

import pytest

from tenku.serving.bodies import Body, nested
from tenku.serving.faults import ApiError
from tenku.serving.orders import CreateOrder, EndpointOrder, StoryboardOrder


def test_brackets_nest() -> None:
    pairs = [("video[id]", "v"), ("input_reference[image_url]", "u"), ("a[b][c]", "1"), ("prompt", "p")]
    assert nested(pairs) == {
        "video": {"id": "v"},
        "input_reference": {"image_url": "u"},
        "a": {"b": {"c": "1"}},
        "prompt": "p",
    }


def test_lists_of_objects_and_of_values() -> None:
    pairs = [
        ("characters[][id]", "a"),
        ("characters[][id]", "b"),
        ("event_types[]", "x"),
        ("event_types[]", "y"),
    ]
    assert nested(pairs) == {"characters": [{"id": "a"}, {"id": "b"}], "event_types": ["x", "y"]}
    numbered = [("characters[0][id]", "a"), ("characters[0][name]", "n"), ("characters[1][id]", "b")]
    assert nested(numbered) == {"characters": [{"id": "a", "name": "n"}, {"id": "b"}]}


def test_an_object_wins_over_a_plain_value() -> None:
    assert nested([("video", "file"), ("video[id]", "v")]) == {"video": {"id": "v"}}


@pytest.mark.parametrize("name", ["a]b[", "[a]", "a[", "a[b]c", "a[[b]]", "", "a[²]", "a[99999999999]"])
def test_odd_names_are_plain_names_or_keys(name: str) -> None:
    assert len(nested([(name, "x")])) == 1


def test_nesting_has_an_end() -> None:
    with pytest.raises(ApiError, match="nested too deeply"):
        nested([("a" + "[b]" * 20, "x")])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a"]}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": "a ball", "seconds": "NaN"}, "seconds"),
        ({"prompt": "a ball", "seconds": "1e999"}, "seconds"),
        ({"prompt": "a ball", "seconds": True}, "seconds"),
        ({"prompt": "a ball", "seconds": "-4"}, "seconds"),
        ({"prompt": "a ball", "seconds": 21}, "seconds"),
        ({"prompt": "a ball", "size": "1x1"}, "size"),
        ({"prompt": "a ball", "size": "99999x99999"}, "size"),
        ({"prompt": "a ball", "size": "64x4096"}, "size"),
        ({"prompt": "a ball", "seed": "9" * 30}, "seed"),
        ({"prompt": "a ball", "seed": 2**63}, "seed"),
        ({"prompt": "a ball", "fps": 0.1}, "fps"),
        ({"prompt": "a ball", "width": 64}, None),
        ({"prompt": "a ball", "num_frames": 600}, None),
        ({"prompt": "a ball", "input_reference": {}}, "input_reference"),
        ({"prompt": "a ball", "characters": [{"id": "a"}] * 3}, "characters"),
        ({"prompt": "a ball", "guidance_scale": float("inf")}, "guidance_scale"),
    ],
)
def test_every_wrong_field_is_named(fields: dict[str, object], param: str | None) -> None:
    with pytest.raises(ApiError) as caught:
        Body(fields, b"").as_model(CreateOrder)
    assert (caught.value.status, caught.value.param) == (400, param)


def test_numbers_may_be_texts() -> None:
    order = Body({"prompt": "a ball", "seconds": "8", "seed": "5", "fps": "24"}, b"").as_model(CreateOrder)
    assert (order.frames, order.seed, order.pixels) == (192, 5, (720, 1280))


def test_scenes_follow_each_other() -> None:
    scenes = [{"seconds": 1, "prompt": "a ball", "start": 0}, {"seconds": 1, "prompt": "a cube", "start": 2}]
    with pytest.raises(ApiError, match="scene 2 starts at 2 s"):
        Body({"scenes": scenes}, b"").as_model(StoryboardOrder)


def test_endpoints_need_events() -> None:
    with pytest.raises(ApiError, match="event_types"):
        Body({"name": "n", "url": "https://example.com", "event_types": []}, b"").as_model(EndpointOrder)
