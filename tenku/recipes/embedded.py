"""The embedded model: everything that decides it, from the clips it sees to the last learning rate."""

from tenku.data.clips import Bucket


def buckets() -> tuple[Bucket, ...]:
    """What the embedded model is trained on: pictures first of all, then 2 s clips, some longer, some of other shapes."""
    return (
        Bucket(name="picture", num_frames=1, height=128, width=128, num_clips=32_768, first_seed=1_000_000, clips_per_chunk=256),
        Bucket(name="wide_picture", num_frames=1, height=96, width=160, num_clips=3_072, first_seed=2_000_000, clips_per_chunk=256),
        Bucket(name="tall_picture", num_frames=1, height=160, width=96, num_clips=3_072, first_seed=3_000_000, clips_per_chunk=256),
        Bucket(name="clip", num_frames=33, height=128, width=128, num_clips=6_400, first_seed=4_000_000),
        Bucket(name="wide_clip", num_frames=33, height=96, width=160, num_clips=512, first_seed=5_000_000),
        Bucket(name="tall_clip", num_frames=33, height=160, width=96, num_clips=512, first_seed=6_000_000),
        Bucket(name="long_clip", num_frames=65, height=128, width=128, num_clips=1_024, first_seed=7_000_000),
    )
