"""prompt → video: a timeline is laid out, text is encoded, tracks are planned, sampling integrates, the VAE
decodes a stream. `video.py` is those lines in their order."""

from tenku.pipeline.making import MadeWindow, OnProgress
from tenku.pipeline.video import GenerationResult, VideoPipeline
from tenku.timeline.request import GenerationRequest

__all__ = ["GenerationRequest", "GenerationResult", "MadeWindow", "OnProgress", "VideoPipeline"]
