"""本人的权利: what a resident asked for of their own file is done, and told, in the turn's commit.

Nothing here asks for leave: the channel knows who writes, and it is their own file. What the law
leaves to a person becomes a request with a deadline.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.content.tag_model import Applier, Tag
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.decision import Decision, Need
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Channel, Option
from jingxiaowei.pipeline.rights_asked import Asked, Deed, RightAsked
from jingxiaowei.services.audit import Audit, Event
from jingxiaowei.services.choices import Choices
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.gathering import Effects
from jingxiaowei.services.own_export import Exports
from jingxiaowei.services.own_requests import Opened, OwnRequests
from jingxiaowei.services.own_view import (
    GROUNDS,
    OwnViews,
    Shown,
    day_of,
    item_words,
    life_of,
    list_words,
    purposes_of,
)
from jingxiaowei.services.requests import REQUESTS
from jingxiaowei.services.tagging_values import (
    ConsentNeededError,
    HeldByLawError,
    TagRefusedError,
)
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ConsentKind, Minor, RequestKind
from jingxiaowei.store.tables import RESIDENT

_NOTHING_ASKED = Asked()
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turned:
    """Whose turn it is: the resident, the message that asked, and its words."""

    resident_id: str
    inbox_id: int
    channel: Channel
    words: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One right under way."""

    connection: AsyncConnection
    mind: Mind
    turned: Turned
    asked: RightAsked
    now: datetime

    @property
    def resident(self) -> str:
        return self.turned.resident_id


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said; ``asked``: what the next short answer would be about."""

    text: str
    options: tuple[Option, ...] = ()
    asked: Asked = _NOTHING_ASKED


class OwnRights:
    """Does what residents may have done with their own files."""

    def __init__(
        self,
        database: Database,
        content: ContentAndMind,
        audit: Audit,
        choices: Choices,
        consents: Consents,
        requests: OwnRequests,
        files: OwnViews,
        exports: Exports,
    ) -> None:
        self._database = database
        self._content = content
        self._audit = audit
        self._choices = choices
        self._consents = consents
        self._requests = requests
        self._files = files
        self._exports = exports
        self._deeds: dict[Deed, Callable[[_Case], Awaitable[_Told | None]]] = {
            Deed.VIEW: self._view,
            Deed.PRIVATE: self._private,
            Deed.ITEM: self._item,
            Deed.READERS: self._readers,
            Deed.EXPORT: self._export,
            Deed.CHOOSE: self._choose,
            Deed.DELETE: self._delete,
            Deed.CORRECT: self._correct,
            Deed.OBJECT: self._object,
            Deed.MORE: self._more,
            Deed.AGREE: self._agree,
            Deed.REFUSE: self._refuse,
            Deed.WITHDRAW: self._withdraw,
            Deed.ERASE: self._erase,
        }

    async def exercise_all(
        self, connection: AsyncConnection, effects: Sequence[Effects], now: datetime
    ) -> None:
        """Do the deeds of a batch, and put what the files say into its decisions.

        The residents are locked already."""
        asking = [effect for effect in effects if effect.decision and effect.decision.right]
        for effect in asking:
            assert effect.decision is not None  # the list above holds no other
            thread = effect.thread
            turned = Turned(
                thread.resident_id,
                thread.row_ids[-1],
                thread.channel,
                "\n".join(m.text for m in effect.spoken if m.text),
            )
            effect.decision = await self.exercise(connection, turned, effect.decision, now)

    async def exercise(
        self, connection: AsyncConnection, turned: Turned, decision: Decision, now: datetime
    ) -> Decision:
        """The decision with the deed done and the file's own words in it.

        What fails leaves nothing behind, says so, and goes to a person.
        """
        asked = decision.right
        if asked is None or asked.deed not in self._deeds:
            return decision
        mind = self._content.mind
        case = _Case(connection, mind, turned, asked, now)
        try:
            async with self._database.part(connection):
                told = await self._deeds[asked.deed](case)
        except Exception:
            log.exception("a right failed in message %d, a person will look", turned.inbox_id)
            failed = mind.speech.say("failed")
            return replace(decision, text=failed, options=(), need=Need.FAILURE, topic=None)
        if told is None:
            return decision
        topic = Topic("", "", asked=str(told.asked))
        return replace(decision, text=told.text, options=told.options, topic=topic)

    async def _view(self, case: _Case, head: str = "") -> _Told:
        file = await self._files.read(case.connection, case.mind, case.resident, case.now)
        text, options = list_words(case.mind, file, case.now, private=False, head=head)
        return _Told(text, options, Asked("file"))

    async def _private(self, case: _Case) -> _Told:
        file = await self._files.read(case.connection, case.mind, case.resident, case.now)
        if not file.careful:
            return await self._view(case, case.mind.speech.say("private_closed"))
        await self._trace(case, "file.own_careful")
        text, options = list_words(case.mind, file, case.now, private=True)
        return _Told(text, options, Asked("file", "private"))

    async def _item(self, case: _Case) -> _Told:
        asked = case.asked
        file = await self._files.read(case.connection, case.mind, case.resident, case.now)
        shown = file.of(asked.assignment)
        if asked.number:
            # A number reaches only what the list before it showed.
            reach = file.all if asked.consent else file.general
            shown = reach[asked.number - 1] if asked.number <= len(reach) else None
        if shown is None:
            return self._gone(case)
        text, options = item_words(case.mind, shown, case.now)
        return _Told(text, options, Asked("item", str(shown.held.id)))

    async def _readers(self, case: _Case) -> _Told:
        text = await self._files.readers(case.connection, case.mind, case.resident, case.now)
        return _Told(text)

    async def _export(self, case: _Case) -> _Told:
        connection, mind, now = case.connection, case.mind, case.now
        file = await self._files.read(connection, mind, case.resident, now)
        if case.turned.channel is Channel.WEB:
            text, options = await self._exports.offer(connection, mind, case.resident, now)
            return _Told(text, options)
        text = await self._exports.in_chat(connection, mind, file, case.resident, now)
        if text:
            options = (Option("file-private", "现在看"),) if file.careful else ()
            return _Told(text, options, Asked("file"))
        opened = await self._requests.open(
            connection, case.resident, RequestKind.EXPORT, case.turned.words, now
        )
        window = mind.library.windows["household_center"].describe()
        day = day_of(opened.due_at, now)
        return _Told(mind.speech.say("export_long", window=window, day=day, code=opened.code))

    async def _choose(self, case: _Case) -> _Told | None:
        asked, connection, now = case.asked, case.connection, case.now
        tag = case.mind.library.taxonomy.by_slug[asked.tag]
        if asked.on and Applier.RESIDENT not in tag.applied_by:
            return self._line(case, "not_choosable", name=tag.name)
        if asked.on and asked.consent:
            await self._consents.say(
                connection,
                case.resident,
                ConsentKind.CAREFUL,
                True,
                now,
                case.turned.inbox_id,
                case.turned.channel.value,
            )
        try:
            await self._choices.choose(
                connection, case.resident, asked.tag, asked.on, now, case.turned.inbox_id
            )
        except ConsentNeededError:
            return self._ask_careful(case, tag)
        except HeldByLawError:
            file = await self._files.read(connection, case.mind, case.resident, now)
            shown = file.tagged(asked.tag)
            return await self._left_to_police(case, shown, RequestKind.DELETE) if shown else None
        except TagRefusedError:
            minor = await self._minor(case)
            return self._line(case, "teen" if minor is Minor.TEEN else "under14_again")
        return None

    def _ask_careful(self, case: _Case, tag: Tag) -> _Told:
        """单独同意: asked for this tag, with what it is for and how long."""
        text = case.mind.speech.say(
            "tag_ask_careful", name=tag.name, purposes=purposes_of(tag), until=life_of(tag)
        )
        options = (Option(f"choose-{tag.slug}", "记下"), Option(f"leave-{tag.slug}", "不用"))
        return _Told(text, options, Asked("choose", tag.slug))

    async def _delete(self, case: _Case) -> _Told | None:
        return await self._take_off(case, RequestKind.DELETE, "deleted")

    async def _object(self, case: _Case) -> _Told | None:
        return await self._take_off(case, RequestKind.OBJECT, "objected")

    async def _take_off(self, case: _Case, kind: RequestKind, key: str) -> _Told:
        """The tag goes at once, unless a duty holds it: then a police officer answers."""
        shown = await self._pointed_at(case)
        if shown is None and case.asked.tag:
            name = case.mind.library.taxonomy.by_slug[case.asked.tag].name
            return self._line(case, "not_on_file", name=name)
        if shown is None:
            return self._gone(case)
        try:
            await self._choices.choose(
                case.connection, case.resident, shown.held.tag, False, case.now
            )
        except HeldByLawError:
            return await self._left_to_police(case, shown, kind)
        if kind is RequestKind.OBJECT:
            await self._consents.object_to(
                case.connection, case.resident, shown.held.tag, case.now, case.turned.inbox_id
            )
        return self._line(case, key, name=shown.tag.name)

    async def _left_to_police(self, case: _Case, shown: Shown, kind: RequestKind) -> _Told:
        opened = await self._requests.open(
            case.connection, case.resident, kind, f"“{shown.tag.name}”", case.now
        )
        return self._line(
            case,
            "held_by_law",
            name=shown.tag.name,
            ground=GROUNDS[shown.held.ground],
            day=day_of(opened.due_at, case.now),
            code=opened.code,
        )

    async def _correct(self, case: _Case) -> _Told:
        shown = await self._pointed_at(case)
        if shown is not None:
            return await self._request(case, RequestKind.CORRECT, f"“{shown.tag.name}”不对")
        if case.asked.assignment:
            return self._gone(case)
        file = await self._files.read(case.connection, case.mind, case.resident, case.now)
        if file.all:
            return await self._view(case, case.mind.speech.say("which"))
        return await self._request(case, RequestKind.CORRECT, case.turned.words)

    async def _request(self, case: _Case, kind: RequestKind, text: str) -> _Told:
        opened = await self._requests.open(case.connection, case.resident, kind, text, case.now)
        return _Told(self._requested(case, opened), (), Asked("more", opened.code))

    def _requested(self, case: _Case, opened: Opened) -> str:
        return case.mind.speech.say(
            "requested",
            what=REQUESTS[opened.kind],
            day=day_of(opened.due_at, case.now),
            code=opened.code,
        )

    async def _more(self, case: _Case) -> _Told | None:
        words = case.turned.words
        if await self._requests.add(case.connection, case.resident, case.asked.code, words):
            return None
        return await self._request(case, RequestKind.CORRECT, words)  # answered meanwhile

    async def _agree(self, case: _Case) -> _Told | None:
        if await self._minor(case) is Minor.UNDER_14:
            return self._line(case, "under14_again")
        kinds = [ConsentKind.TAGS]
        if case.asked.consent == ConsentKind.CAREFUL:
            kinds.append(ConsentKind.CAREFUL)
        for kind in kinds:
            await self._say(case, kind, True)
        return None

    async def _refuse(self, case: _Case) -> None:
        careful = case.asked.consent == ConsentKind.CAREFUL
        await self._say(case, ConsentKind.CAREFUL if careful else ConsentKind.TAGS, False)

    async def _withdraw(self, case: _Case) -> _Told:
        ended = await self._say(case, ConsentKind.TAGS, False)
        return self._line(case, "withdrawn", n=ended)

    async def _say(self, case: _Case, kind: ConsentKind, given: bool) -> int:
        turned = case.turned
        return await self._consents.say(
            case.connection,
            turned.resident_id,
            kind,
            given,
            case.now,
            turned.inbox_id,
            turned.channel.value,
        )

    async def _erase(self, case: _Case) -> None:
        """Confirmed: the worker that erases does it within moments, and says farewell."""
        await self._requests.confirm_erasure(case.connection, case.resident, case.now)

    async def _pointed_at(self, case: _Case) -> Shown | None:
        """The tag that is meant, if it stands on the resident's own file."""
        asked = case.asked
        if not asked.assignment and not asked.tag:
            return None
        file = await self._files.read(case.connection, case.mind, case.resident, case.now)
        return file.of(asked.assignment) if asked.assignment else file.tagged(asked.tag)

    async def _minor(self, case: _Case) -> Minor:
        rows = await case.connection.execute(
            select(RESIDENT.c.minor).where(RESIDENT.c.id == case.resident)
        )
        return Minor(rows.scalar_one())

    def _gone(self, case: _Case) -> _Told:
        speech = case.mind.speech
        return _Told(speech.say("item_gone"), speech.options("item_gone"))

    def _line(self, case: _Case, key: str, **fields: object) -> _Told:
        return _Told(case.mind.speech.say(key, **fields), case.mind.speech.options(key))

    async def _trace(self, case: _Case, action: str) -> None:
        who = f"resident:{case.resident}"
        await self._audit.record(case.connection, Event(who, action, who))
