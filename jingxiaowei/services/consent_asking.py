"""征求同意: an officer has the bot ask a resident for consent to one tag, with what it is for.

Asked only when a tag is to be noted, never as a condition of anything; who refused is left in
peace for 90 days.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.dialogue import Topic
from jingxiaowei.pipeline.messages import Option, OutgoingKind
from jingxiaowei.pipeline.rights_asked import Asked
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.files_rights import Act, FileRights, Subject
from jingxiaowei.services.leases import TOPIC
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.own_view import life_of, purposes_of
from jingxiaowei.services.purposes import OUT_BODY
from jingxiaowei.services.tagging_rules import find_tag
from jingxiaowei.store.cipher import token
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import ConsentKind, Minor
from jingxiaowei.store.tables import CONVERSATION, OUTBOX, RESIDENT, OutboxState

_LIFE = timedelta(hours=48)


class NotAskedError(JingxiaoweiError):
    """The resident cannot, or must not, be asked now; the message says why."""


class ConsentAsking:
    """Puts the question into the conversation that the resident used last."""

    def __init__(
        self, database: Database, content: ContentAndMind, rights: FileRights, consents: Consents
    ) -> None:
        self._database = database
        self._content = content
        self._rights = rights
        self._consents = consents
        self._speech = Speech(database, content)

    async def ask(self, officer: Signed, resident_id: str, tag: str, now: datetime) -> ConsentKind:
        """Ask for one tag; which kind of consent was asked for.

        The same tag once more on the same day is the same question.

        Raises:
            NotAskedError: agreed already, refused within 90 days, under 14, or out of reach.
            TagRefusedError: there is no such tag.
            PermissionDeniedError: the role or the area does not allow it.
        """
        mind = self._content.mind
        which = find_tag(mind.library.taxonomy, tag)
        kind = ConsentKind.CAREFUL if which.careful else ConsentKind.TAGS
        async with self._database.write() as connection:
            row = (
                await connection.execute(select(RESIDENT).where(RESIDENT.c.id == resident_id))
            ).first()
            if row is None:
                raise NotAskedError("没有这位居民。")
            subject = Subject(row.id, row.area, row.officer_id)
            act = Act.PROPOSE if which.careful else Act.TAG
            reason = f"ask {kind.value}"
            await self._rights.allow(connection, officer, act, subject, now, reason)
            if row.minor == Minor.UNDER_14.value:
                raise NotAskedError("未满 14 周岁不建档，不问。")
            for needed in {ConsentKind.TAGS, kind}:
                await self._require_askable(connection, resident_id, needed, kind, now)
            conversation = await self._conversation(connection, resident_id, now)
            key = "tag_ask_careful" if which.careful else "tag_ask"
            text = mind.speech.say(
                key, name=which.name, purposes=purposes_of(which), until=life_of(which)
            )
            what = f"{kind.value}-{which.slug}"
            options = (Option(f"agree-{what}", "记下"), Option(f"refuse-{what}", "不用"))
            await self._put(connection, conversation, what, text, options, now)
            topic = Topic("", "", asked=str(Asked("consent", what)))
            await connection.execute(
                update(CONVERSATION)
                .where(CONVERSATION.c.id == conversation)
                .values(topic=self._database.cipher.seal_json(TOPIC, topic), topic_at=now)
            )
        return kind

    async def _require_askable(
        self,
        connection: AsyncConnection,
        resident_id: str,
        needed: ConsentKind,
        asked: ConsentKind,
        now: datetime,
    ) -> None:
        if await self._consents.may_ask(connection, resident_id, needed, now):
            return
        given = {
            one.kind: one.given for one in await self._consents.newest(connection, resident_id)
        }
        if not given[needed]:
            raise NotAskedError("本人说过不同意，90 天内不再问。")
        if needed is asked:
            raise NotAskedError("本人已经同意，可以直接记。")

    async def _conversation(
        self, connection: AsyncConnection, resident_id: str, now: datetime
    ) -> str:
        found = await self._speech.last_used(connection, resident_id)
        if found is None:
            raise NotAskedError("居民还没说过话，当面问。")
        barred = await self._speech.unreachable(connection, [found], now, urgent=False)
        if barred:
            raise NotAskedError(barred[found])
        return found

    async def _put(
        self,
        connection: AsyncConnection,
        conversation: str,
        what: str,
        text: str,
        options: tuple[Option, ...],
        now: datetime,
    ) -> None:
        body = {"text": text, "options": options}
        put = self._database.insert(OUTBOX).on_conflict_do_nothing(index_elements=["key"])
        await connection.execute(
            put,
            [
                {
                    "key": token("ask", conversation, what, now.date()),
                    "conversation_id": conversation,
                    "kind": OutgoingKind.MESSAGE.value,
                    "body": self._database.cipher.seal_json(OUT_BODY, body),
                    "urgent": False,
                    "state": OutboxState.PENDING,
                    "reason": "",
                    "attempts": 0,
                    "created_at": now,
                    "not_before": now,
                    "expires_at": now + _LIFE,
                }
            ],
        )
