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


@dataclass(slots=True)
class Mirrored:
    """What a run did, or would do: contacts in ``contacts``, ``new_contacts`` and ``failed``,
    else tags."""

    contacts: int = 0
    put_on: int = 0  # in WeCom
    taken_off: int = 0  # in WeCom
    noted: int = 0  # here, by officers
    ended: int = 0  # here, by officers
    suggested: int = 0  # here, from members who are no officers
    failed: int = 0  # left due: another run goes on with them
    new_contacts: int = 0
    pause: float = 0.0  # seconds that WeCom wants to be left alone, where it ended the run

    def add(self, other: "Mirrored") -> None:
        """Count a further run's in."""
        for name in ("contacts", "put_on", "taken_off", "noted", "ended", "suggested"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed, self.pause = other.failed, other.pause

    def words(self) -> str:
        return (
            f"对照 {self.contacts} 位客户（新知道 {self.new_contacts} 位）：企业微信里打上 "
            f"{self.put_on} 项、去掉 {self.taken_off} 项；档案里记下 {self.noted} 项、去掉 "
            f"{self.ended} 项，建议 {self.suggested} 项；没做完 {self.failed} 位。"
        )
