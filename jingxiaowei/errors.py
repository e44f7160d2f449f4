"""What can go wrong on purpose. Each message says what happened and what to do about it."""


class JingxiaoweiError(Exception):
    """The base of every error this program raises itself."""


class SettingsError(JingxiaoweiError):
    """A setting is missing or cannot be used; the program does not start."""


class ContentError(JingxiaoweiError):
    """A content file is broken; the text names each file and line."""


class StoreError(JingxiaoweiError):
    """The database cannot be used as it is."""


class BadSignatureError(JingxiaoweiError):
    """A callback is not signed by WeCom with our token: answered with 403."""


class BadMessageError(JingxiaoweiError):
    """A signed callback whose body cannot be read: answered with 400."""


class PermissionDeniedError(JingxiaoweiError):
    """The officer's role or area does not allow this."""


class AudienceError(JingxiaoweiError):
    """An audience's expression cannot be read; the text is for the officer who wrote it.

    Attributes:
        position: index of the character where it went wrong.
    """

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.position = position
