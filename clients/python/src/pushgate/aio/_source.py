"""Records from an iterable or an async iterable, read as they are needed."""

from typing import Any, AsyncIterable, AsyncIterator, Iterable, Mapping, TypeVar, Union

from .._push import Cut, Cutter

__all__ = ["Records", "Source", "cuts", "each"]

T = TypeVar("T")
Source = Union[Iterable[T], AsyncIterable[T]]
Records = Source[Mapping[str, Any]]


async def each(source: Source[T]) -> AsyncIterator[T]:
    if isinstance(source, AsyncIterable):
        async for one in source:
            yield one
    else:
        for one in source:
            yield one


async def cuts(cutter: Cutter, records: Source[Any]) -> AsyncIterator[Cut]:
    """All parts of a push, read as they are needed; always at least one, since an empty push is a push."""
    if not isinstance(records, AsyncIterable):
        for part in cutter.parts(records):
            yield part
        return
    sent = False
    async for record in records:
        full = cutter.add(record)
        if full is not None:
            sent = True
            yield full
    if cutter.count or not sent:
        yield cutter.cut()
