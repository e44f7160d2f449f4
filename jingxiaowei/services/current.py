"""The content of the moment: an edit replaces it as a whole, so it is asked for and never kept."""

from typing import Protocol

from jingxiaowei.content.model import Library
from jingxiaowei.pipeline.decide import Mind


class Content(Protocol):
    """Whoever holds the content of the moment."""

    @property
    def library(self) -> Library: ...


class ContentAndMind(Content, Protocol):
    """The same, with what thinks by it."""

    @property
    def mind(self) -> Mind: ...
