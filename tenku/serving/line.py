"""The order in which jobs wait: sorted by turn, so that a job's number costs a search and not a sort."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TypeAlias

from tenku.serving.records import Record

_Turn: TypeAlias = tuple[int, float, float, str]


class Line:
    """Waiting jobs by id, in the order in which the queue gives them out."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._by_id: dict[str, _Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[str]:
        return (turn[-1] for turn in self._turns)

    def add(self, record: Record) -> None:
        """A job waits, perhaps in another place than before."""
        self.remove(record.id)
        turn = (-record.priority, record.turn, record.created_at, record.id)
        self._by_id[record.id] = turn
        insort(self._turns, turn)

    def remove(self, video: str) -> None:
        """A job does not wait any more, if it did."""
        turn = self._by_id.pop(video, None)
        if turn is not None:
            del self._turns[bisect_left(self._turns, turn)]

    def place(self, video: str) -> int | None:
        """How many jobs come before one that waits."""
        turn = self._by_id.get(video)
        return None if turn is None else bisect_left(self._turns, turn)
