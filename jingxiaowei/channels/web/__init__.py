"""The resident's chat page, and the public page on personal information."""

from jingxiaowei.channels.web.door import make_chat, make_privacy
from jingxiaowei.channels.web.port import Chat, Limits

__all__ = ["make_chat", "make_privacy", "Chat", "Limits"]
