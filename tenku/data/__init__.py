"""Training data: simulated clips in shards on disk."""

from tenku.data.shards import ClipSample, DatasetConfig, clip_seed, read_shards, shard_paths, write_shards

__all__ = ["ClipSample", "DatasetConfig", "clip_seed", "read_shards", "shard_paths", "write_shards"]
