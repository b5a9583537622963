"""`python -m tenku.serving.live_process`: video that never ends, for one live session.

Standard input gives one JSON object a line: first the session, then prompts. Standard output gets the frames,
each as its length in four bytes, then a WebP. Whoever reads slowly slows it down.
"""

import json
import signal
import struct
import sys
import threading
from typing import Any


def main() -> None:
    """Make frames until nobody reads them, or standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.readline()
    if not line:
        return
    session: dict[str, Any] = json.loads(line)
    from tenku.pipeline import GenerationRequest, VideoPipeline
    from tenku.serving.pictures import webp
    from tenku.timeline.request import MAX_SECONDS

    said = _Said(session["prompt"])
    pipeline = VideoPipeline.from_pretrained(session["model"])
    threading.Thread(target=said.listen, daemon=True).start()
    fps = session["fps"]
    request = GenerationRequest(
        prompt=session["prompt"],
        num_frames=int(MAX_SECONDS * fps),
        width=session["width"],
        height=session["height"],
        fps=fps,
        seed=session["seed"],
    )
    out = sys.stdout.buffer
    for frame in pipeline.live(request, said.next_prompt):
        picture = webp(frame, quality=85)
        try:
            out.write(struct.pack(">I", len(picture)) + picture)
            out.flush()
        except BrokenPipeError:
            break
        if said.is_over:
            break
    sys.stdout = None  # nothing is left to flush to whoever has gone


class _Said:
    """What was said last."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self.is_over = False

    def next_prompt(self) -> str:
        return self._prompt

    def listen(self) -> None:
        for line in sys.stdin:
            self._prompt = json.loads(line)["prompt"]
        self.is_over = True


if __name__ == "__main__":
    main()
