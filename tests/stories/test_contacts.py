"""An officer adds a resident in WeCom: the file opens, the tags are offered, and they stand on
both sides."""

from datetime import UTC, datetime
from typing import Any

from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.store.file_tables import ASSIGNMENT
from jingxiaowei.store.mirror_tables import WECOM_CONTACT
from jingxiaowei.store.tables import RESIDENT, Role
from tests.stories.conftest import Town, until

MEMBER, ANNA = "officer-1", "wmAnna0001"


async def tell(town: Town, xml: str) -> None:
    assert await town.fake.callback_request(town.callback, xml) == 200


async def test_from_the_handshake_to_the_tag_on_both_sides(town: Town) -> None:
    house, contacts = town.house, town.fake.contacts
    assert house.contacts is not None
    await house.officers.add("zhou", Role.POLICE, "a password of ours", "wuyuan", "周敏", MEMBER)
    await house.contacts.mirror.make_tags(datetime.now(UTC))
    contacts.add(MEMBER, ANNA)
    await tell(town, contacts.event_xml("add_external_contact", MEMBER, ANNA, "WELCOME"))
    resident = conversation_id(
        house.database.cipher, Channel.WECOM_CONTACT, town.fake.corp_id, ANNA
    )
    [row] = await town.rows(RESIDENT, RESIDENT.c.id == resident)
    assert row.area == "wuyuan"
    await until(lambda: contacts.welcomed, "the rules, within the code's 20 seconds")
    assert "处理规则" in contacts.welcomed[ANNA]
    assert "别发证件" in contacts.welcomed[ANNA]
    await until(lambda: town.phone(MEMBER), "the card with the tags")
    [sent] = town.phone(MEMBER)
    card = sent.body
    assert card["card_type"] == "vote_interaction"
    assert "finance_staff" in str(card)
    ticked = town.fake.card_tap_xml(
        MEMBER, card["task_id"], card["submit_button"]["key"], ("finance_staff", "renter")
    )
    await tell(town, ticked)
    await tell(town, ticked)  # WeCom brings it again
    held = await town.rows(ASSIGNMENT, ASSIGNMENT.c.resident_id == resident)
    assert sorted(row.tag for row in held) == ["finance_staff", "renter"]
    await until(
        lambda: contacts.names(MEMBER, ANNA) == {"财务人员", "租房居住"}, "the tags in WeCom"
    )
    contacts.unmarks(MEMBER, ANNA, "租房居住")
    contacts.marks(MEMBER, ANNA, "汽车车主")
    await tell(town, contacts.event_xml("edit_external_contact", MEMBER, ANNA))

    async def current() -> Any:
        rows = await town.rows(ASSIGNMENT, ASSIGNMENT.c.ended_at.is_(None))
        return sorted(row.tag for row in rows) == ["car_owner", "finance_staff"]

    await until(current, "what the officer changed in WeCom")
    await tell(town, contacts.event_xml("del_external_contact", MEMBER, ANNA))
    [relation] = await town.rows(WECOM_CONTACT)
    assert relation.state == "ended"
    assert await current()  # the file stays: 人走信息不走
    taxonomy = house.content.library.taxonomy
    wire = str(town.fake.requests)
    for tag in taxonomy.tags:
        if tag.careful:
            assert tag.name not in wire
            assert tag.slug not in wire
