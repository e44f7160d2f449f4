"""客户联系: events as WeCom sends them, and what its refusals mean."""

import time
from typing import Any

import pytest

from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.codec import Codec
from jingxiaowei.channels.wecom.contacts import (
    Contacts,
    OfferTeller,
    chosen,
    on_event,
    parse_event,
)
from jingxiaowei.errors import BadMessageError
from jingxiaowei.pipeline.messages import Outcome
from jingxiaowei.services.contact_offers import OfferCard, OfferOption
from jingxiaowei.services.mirror_values import ContactChange, Fault, MirrorFault
from tests.fakes import FakeWeCom

MEMBER, ANNA = "officer-1", "wmAnna0001"


def opened(fake: FakeWeCom, xml: str) -> Any:
    """The fields of a callback, through our own codec."""
    query, body = fake.sealed(xml)
    return Codec(fake.callback_token, fake.aes_key, fake.corp_id).open(query, body).fields


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("add_external_contact", ContactChange.ADDED),
        ("add_half_external_contact", ContactChange.HALF),
        ("edit_external_contact", ContactChange.EDITED),
        ("del_external_contact", ContactChange.ENDED),
        ("del_follow_user", ContactChange.ENDED),
    ],
)
def test_every_change_says_who_and_whom(fake: FakeWeCom, change: str, what: ContactChange) -> None:
    event = parse_event(opened(fake, fake.contacts.event_xml(change, MEMBER, ANNA, "CODE")))
    assert event is not None
    assert (event.change, event.userid, event.external_userid) == (what, MEMBER, ANNA)


def test_other_changes_concern_nobodys_file() -> None:
    assert parse_event({"ChangeType": "transfer_fail"}) is None
    assert parse_event({}) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"UserID": MEMBER},
        {"UserID": [MEMBER, MEMBER], "ExternalUserID": ANNA, "CreateTime": "1"},
        {"UserID": MEMBER, "ExternalUserID": ANNA, "CreateTime": "soon"},
        {"UserID": MEMBER, "ExternalUserID": ANNA, "CreateTime": "9" * 40},
    ],
)
def test_a_broken_event_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError):
        parse_event({"ChangeType": "add_external_contact", **fields})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_ticked_is_read_however_many(fake: FakeWeCom, count: int) -> None:
    slugs = ("renter", "finance_staff", "car_owner")[:count]
    assert chosen(opened(fake, fake.card_tap_xml(MEMBER, "card1", "note", slugs))) == slugs


def test_wecoms_own_spelling_is_read_too() -> None:
    item = {"QuestionKey": "tags", "OpitonIds": {"OptionId": "renter"}}
    assert chosen({"SelectedItems": {"SelectedItem": item}}) == ("renter",)
    other = {"QuestionKey": "another", "OptionIds": {"OptionId": "renter"}}
    assert chosen({"SelectedItems": {"SelectedItem": [other, "x"]}}) == ()
    assert chosen({"SelectedItems": "x"}) == ()


async def test_each_event_goes_where_it_belongs(fake: FakeWeCom) -> None:
    seen: list[str] = []

    async def contact(event: Any) -> None:
        seen.append(f"contact {event.change}")

    async def choice(userid: str, card: str, slugs: Any, code: str) -> None:
        seen.append(f"choice {','.join(slugs)}")

    async def other(name: str, fields: Any) -> None:
        seen.append(f"other {name}")

    take = on_event(contact, choice, other)
    event = fake.contacts.event_xml("add_external_contact", MEMBER, ANNA)
    await take("change_external_contact", opened(fake, event))
    await take("template_card_event", opened(fake, fake.card_tap_xml(MEMBER, "c", "note", ("a",))))
    await take("template_card_event", opened(fake, fake.card_tap_xml(MEMBER, "c", "claim-1")))
    await take("enter_agent", {})
    assert seen == ["contact added", "choice a", "other template_card_event", "other enter_agent"]


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        (84061, Fault.NO_RELATION),
        (40096, Fault.NO_RELATION),
        (40068, Fault.NO_TAG),
        (40071, Fault.TAKEN),
        (81011, Fault.NOT_OURS),
        (60111, Fault.NO_MEMBER),
        (45009, Fault.PASSING),
        (45033, Fault.PASSING),
        (-1, Fault.PASSING),
        (48002, Fault.OTHER),
    ],
)
async def test_what_refusals_mean(
    fake: FakeWeCom, api: WeComApi, errcode: int, kind: Fault
) -> None:
    fake.fail_next("externalcontact/mark_tag", errcode)
    with pytest.raises(MirrorFault) as caught:
        await Contacts(api, 0).mark(MEMBER, ANNA, ["t"], [])
    assert caught.value.kind is kind
    assert (caught.value.retry_after > 0) == (kind is Fault.PASSING)
    assert ANNA not in str(caught.value)


async def test_calls_keep_their_distance(fake: FakeWeCom, api: WeComApi) -> None:
    contacts = Contacts(api, 0.05)
    started = time.monotonic()
    for _ in range(5):
        await contacts.tags()
    assert time.monotonic() - started >= 0.2


async def test_members_without_contacts_have_none(fake: FakeWeCom, api: WeComApi) -> None:
    contacts = Contacts(api, 0)
    assert await contacts.of_member(MEMBER) == []
    assert await contacts.of_member("nobody") == []
    fake.contacts.add(MEMBER, ANNA)
    assert await contacts.of_member(MEMBER) == [ANNA]


async def test_a_long_list_of_tags_is_made_in_pieces(fake: FakeWeCom, api: WeComApi) -> None:
    names = [f"标签{i}" for i in range(230)]
    made = await Contacts(api, 0).add_tags("", "许多", names)
    assert [tag.name for tag in made] == names
    assert len({tag.group_id for tag in made}) == 1
    assert fake.calls["externalcontact/add_corp_tag"] == 3


async def test_an_agent_without_a_number_offers_nothing(fake: FakeWeCom, api: WeComApi) -> None:
    card = OfferCard("card1", "标题", "说明", (OfferOption("renter", "租房居住"),))
    assert (await OfferTeller(api, "").offer(MEMBER, card)).outcome is Outcome.REFUSED
    assert (await OfferTeller(api, fake.agent_id).offer(MEMBER, card)).outcome is Outcome.SENT
    assert (await OfferTeller(api, fake.agent_id).offer("nobody", card)).outcome is Outcome.REFUSED
    settled = await OfferTeller(api, fake.agent_id).settle(MEMBER, "unknown code", "已记 1 项")
    assert settled.outcome is Outcome.REFUSED
