"""What differs between a file and WeCom, and whose doing it is: pure.

Three sets of slugs are compared: what both sides had last time (the base), what the file has
now, what WeCom has now. A tag that only one side has is either new there or gone from the other;
the base tells which.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Slugs, by what has happened since both sides were last alike."""

    noted_here: frozenset[str]  # to be put on in WeCom
    ended_here: frozenset[str]  # to be taken off in WeCom
    put_on_there: frozenset[str]  # somebody tagged in WeCom
    taken_off_there: frozenset[str]  # somebody took a tag off in WeCom

    def __bool__(self) -> bool:
        return bool(self.noted_here or self.ended_here or self.put_on_there or self.taken_off_there)


def compare(base: frozenset[str], ours: frozenset[str], theirs: frozenset[str]) -> Difference:
    """What has happened on either side."""
    return Difference(
        noted_here=ours - theirs - base,
        ended_here=(theirs - ours) & base,
        put_on_there=theirs - ours - base,
        taken_off_there=(ours - theirs) & base,
    )
