"""The words by which residents exercise their rights: what an admin writes in ``rights.yaml``."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from jingxiaowei.content.tag_model import TagSlug

Word = Annotated[
    str,
    BeforeValidator(lambda v: str(v) if type(v) is int else v),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=60),
]


class _Frozen(BaseModel):
    # Further fields are kept and warned of: a misspelt name must not pass unseen.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)


class RightWords(_Frozen):
    """How one right is asked for.

    Attributes:
        says: whole utterances.
        holds: found anywhere in a short text; ``…`` stands for up to six characters.
        unless: words that make it another matter.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]*$")]
    says: tuple[Word, ...]
    holds: tuple[Word, ...] = ()
    unless: tuple[Word, ...] = ()


class ChoiceWords(_Frozen):
    """A tag that residents choose for themselves, and give up.

    Attributes:
        reply, off_reply: keys of the voice; empty: the general line.
    """

    tag: TagSlug
    on: tuple[Word, ...]
    off: tuple[Word, ...] = ()
    reply: str = ""
    off_reply: str = ""


class NamedWords(_Frozen):
    """What stands before a tag's own name to choose it, or to have it removed."""

    on: tuple[Word, ...] = ()
    off: tuple[Word, ...] = ()


class RightsBook(_Frozen):
    """The whole file. ``children``: how a guardian says that it is the child who writes."""

    rights: tuple[RightWords, ...] = ()
    choices: tuple[ChoiceWords, ...] = ()
    named: NamedWords = NamedWords()
    children: tuple[Word, ...] = ()
