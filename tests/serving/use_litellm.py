"""LiteLLM, unmodified: use_litellm.py BASE_URL; every function of its videos."""

import os
import sys
import time
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it would ask the network

import litellm

PLACE: dict[str, Any] = {"api_base": sys.argv[1], "api_key": "anything", "custom_llm_provider": "openai"}


def finished(video: Any) -> Any:
    """A video that is completed."""
    while video.status in ("queued", "in_progress"):
        time.sleep(0.3)
        video = litellm.video_status(video_id=video.id, **PLACE)
    assert video.status == "completed", video.error
    return video


def main() -> None:
    """Use everything once."""
    made = finished(
        litellm.video_generation(
            prompt="a red ball falls", model="sora-2", seconds="0.5", size="64x64", **PLACE
        )
    )
    mp4 = litellm.video_content(video_id=made.id, **PLACE)
    assert mp4[4:8] == b"ftyp"
    found = litellm.video_list(limit=1, **PLACE)
    assert len(found["data"]) == 1, found
    finished(litellm.video_remix(video_id=made.id, prompt="a green ball falls", **PLACE))
    finished(litellm.video_edit(video_id=made.id, prompt="a blue ball falls", **PLACE))
    finished(litellm.video_extension(video_id=made.id, prompt="it rolls", seconds="0.5", **PLACE))
    print("all functions work")


if __name__ == "__main__":
    main()
