"""Sample residents with files for the demo: tags, suggestions, a proposal, something to review."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from jingxiaowei.pipeline.messages import Channel, Incoming, MessageKind
from jingxiaowei.services.files_house import FileHouse
from jingxiaowei.services.inbox import Inbox, conversation_id
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_values import Noted
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import (
    CONSENT,
    ConsentKind,
    ContactKind,
    Ground,
    TagSource,
)
from jingxiaowei.store.tables import RESIDENT, Role

# Who, where, name, phone, and what they ask: the questions bring suggestions up by themselves.
_PEOPLE = (
    ("sample-ma", "wuyuan", "马建英", "13800000311", "我是公司会计，老板让我来问，居住证怎么办"),
    ("sample-shen", "wuyuan", "沈福根", "13800000412", "我七十三了，一个人住，身份证到期了怎么换"),
    ("sample-yang", "qinshan", "杨小雨", "", "我刚租了房子，想问问港澳通行证怎么办签注"),
)
# What an officer noted: whose, which tag, why, on what ground, days until it ends (None: its own).
_NOTED = (
    ("sample-ma", "business_owner", "本人说家里开五金店", Ground.CONSENT, None),
    ("sample-ma", "theme_boss_fraud", "上门讲过冒充老板", Ground.CONSENT, None),
    ("sample-shen", "retiree", "本人说退休好多年了", Ground.CONSENT, None),
    ("sample-shen", "need_home_visit", "腿脚不便，约了上门办证", Ground.DUTY, None),
    ("sample-yang", "new_resident", "本人说刚来海盐", Ground.CONSENT, 2),
)
_PROPOSED = ("sample-shen", "elder_alone", "入户走访，老人说一个人住", Ground.DUTY)
_AGO = timedelta(days=4)


async def seed_files(
    database: Database, inbox: Inbox, files: FileHouse, people: list[Signed]
) -> None:
    """Give the sample residents their files. A later start adds nothing."""
    now = datetime.now(UTC)
    police = next(each for each in people if each.role is Role.POLICE)
    auxiliary = next(each for each in people if each.role is Role.AUXILIARY)
    ids = {who: conversation_id(database.cipher, Channel.WEB, "web", who) for who, *_ in _PEOPLE}
    async with database.read() as connection:
        known = await connection.execute(
            select(CONSENT.c.id).where(CONSENT.c.resident_id.in_(ids.values())).limit(1)
        )
        if known.first() is not None:
            return
    await inbox.receive(
        [
            Incoming(
                Channel.WEB, "web", who, f"{who}-1", MessageKind.TEXT, now, text=text, settle=0
            )
            for who, _, _, _, text in _PEOPLE
        ]
    )
    then = now - _AGO
    async with database.write() as connection:
        for who, area, name, phone, _ in _PEOPLE:
            await connection.execute(
                update(RESIDENT)
                .where(RESIDENT.c.id == ids[who])
                .values(area=area, officer_id=police.id)
            )
            await files.consents.say(connection, ids[who], ConsentKind.TAGS, True, then)
            for kind, value in ((ContactKind.NAME, name), (ContactKind.PHONE, phone)):
                if value:
                    await files.files.keep_contact(
                        connection, ids[who], kind, value, TagSource.OFFICER, then
                    )
    noted = [
        Noted(
            ids[who],
            tag,
            why,
            ground,
            expires_at=now + timedelta(days=days) if days is not None else None,
        )
        for who, tag, why, ground, days in _NOTED
    ]
    await files.tagging.apply_many(police, noted, then, source=TagSource.OFFICER)
    who, tag, why, ground = _PROPOSED
    await files.tagging.apply(auxiliary, ids[who], tag, why, now, ground=ground)
