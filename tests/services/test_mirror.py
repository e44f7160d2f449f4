"""Files and WeCom's contacts, kept alike in both directions."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from jingxiaowei.channels.wecom.api import WeComApi
from jingxiaowei.channels.wecom.contacts import Contacts, OfferTeller
from jingxiaowei.pipeline.decide import Mind
from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services import contact_house
from jingxiaowei.services.contact_house import ContactHouse
from jingxiaowei.services.contact_relations import release
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.services.mirror_plan import Mirrored, compare
from jingxiaowei.services.mirror_values import ContactChange, ContactEvent, MirrorFault
from jingxiaowei.services.officers import Signed
from jingxiaowei.services.tagging_values import Noted
from jingxiaowei.store.engine import Database
from jingxiaowei.store.file_tables import SUGGESTION, ConsentKind, Ended, Ground, TagSource
from jingxiaowei.store.mirror_tables import CORP_TAG, WECOM_CONTACT, ContactState, OfferState
from jingxiaowei.store.tables import AUDIT, IDENTITY, KF_ACCOUNT, RESIDENT, Role
from tests.conftest import said
from tests.fakes import FakeWeCom
from tests.services.filing import Filing, make_filing
from tests.stories.conftest import until

MEMBER, STRANGER, ANNA = "officer-1", "officer-2", "wmAnna0001"


@dataclass
class Mirror:
    """A filing, the fake WeCom, and what stands between them."""

    filing: Filing
    fake: FakeWeCom
    house: ContactHouse
    officer: Signed

    def resident(self, external: str = ANNA) -> str:
        cipher = self.filing.database.cipher
        return conversation_id(cipher, Channel.WECOM_CONTACT, self.fake.corp_id, external)

    async def event(
        self,
        change: ContactChange = ContactChange.ADDED,
        userid: str = MEMBER,
        external: str = ANNA,
    ) -> None:
        await self.house.relations.note(
            ContactEvent(change, userid, external, self.filing.now), self.filing.now
        )

    async def adds(self, userid: str = MEMBER, external: str = ANNA) -> str:
        """A member and a resident become contacts, and the callback tells."""
        self.fake.contacts.add(userid, external)
        await self.event(userid=userid, external=external)
        return self.resident(external)

    async def tags(self) -> None:
        await self.house.mirror.make_tags(self.filing.now)

    async def sync(self) -> Mirrored:
        """All contacts, an hour after the last time."""
        self.filing.pass_time(hours=2)
        await self.house.mirror.mark_all_due(self.filing.now)
        return await self.work()

    async def work(self) -> Mirrored:
        return await self.house.mirror.work(lambda: self.filing.now)

    async def note(self, resident: str, *slugs: str) -> None:
        rows = [Noted(resident, slug, "本人说的", Ground.DUTY) for slug in slugs]
        for outcome in await self.filing.tagging.apply_many(
            self.officer, rows, self.filing.now, TagSource.OFFICER
        ):
            assert not outcome.words

    async def tick(self, userid: str, card: Any, slugs: list[str], code: str) -> None:
        offers = self.house.offers
        text = await offers.take(userid, card["task_id"], slugs, self.filing.now)
        if text:
            await offers.grey(userid, code, text)

    def there(self, userid: str = MEMBER, external: str = ANNA) -> set[str]:
        return self.fake.contacts.names(userid, external)

    def wire(self) -> str:
        """Everything that ever went to WeCom."""
        return str(self.fake.requests)

    async def contact(self) -> Any:
        [row] = await self.filing.spine.rows(WECOM_CONTACT)
        return row


@pytest.fixture
async def mirror(database: Database, mind: Mind, tmp_path: Path) -> AsyncIterator[Mirror]:
    filing = await make_filing(database, mind, tmp_path)
    await filing.spine.officers.add(
        "zhou", Role.POLICE, "a password of ours", "wuyuan", "周敏", MEMBER
    )
    async with FakeWeCom() as fake, aiohttp.ClientSession() as session:
        api = WeComApi(session, fake.base, fake.corp_id, fake.secret)
        house = contact_house.build(
            database,
            filing.spine.audit,
            filing.spine.content,
            filing.spine.officers,
            filing.tagging,
            filing.suggestions,
            Contacts(api, 0),
            OfferTeller(api, fake.agent_id),
            fake.corp_id,
            "/privacy",
        )
        yield Mirror(filing, fake, house, await filing.spine.officers.find("zhou"))


# The plan


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "what"),
    [
        ("", "a", "", "noted_here"),
        ("a", "", "a", "ended_here"),
        ("", "", "a", "put_on_there"),
        ("a", "a", "", "taken_off_there"),
    ],
)
def test_a_difference_is_somebodys_doing(base: str, ours: str, theirs: str, what: str) -> None:
    found = compare(frozenset(base), frozenset(ours), frozenset(theirs))
    assert getattr(found, what) == {"a"}
    assert found
    assert not compare(frozenset(ours), frozenset(ours), frozenset(ours))


# Corp tags


async def test_only_general_tags_are_made(mirror: Mirror) -> None:
    changes = await mirror.house.mirror.make_tags(mirror.filing.now)
    taxonomy = mirror.filing.tagging.taxonomy
    general = {tag.name for tag in taxonomy.tags if not tag.careful}
    careful = {tag.name for tag in taxonomy.tags if tag.careful}
    assert set(changes.made) == general
    assert len(general) == 85
    groups = mirror.fake.contacts.groups.values()
    assert {tag["name"] for group in groups for tag in group["tag"]} == general
    assert not any(name in mirror.wire() for name in careful)
    calls = mirror.fake.calls["externalcontact/add_corp_tag"]
    again = await mirror.house.mirror.make_tags(mirror.filing.now)
    assert not again.made
    assert mirror.fake.calls["externalcontact/add_corp_tag"] == calls


async def test_a_dry_run_makes_nothing(mirror: Mirror) -> None:
    changes = await mirror.house.mirror.make_tags(mirror.filing.now, dry_run=True)
    assert len(changes.made) == 85
    assert mirror.fake.contacts.groups == {}
    assert await mirror.filing.spine.rows(CORP_TAG) == []


async def test_tags_that_are_there_are_used_and_foreign_ones_left(mirror: Mirror) -> None:
    contacts = mirror.fake.contacts
    contacts.make_tag("企业岗位", "财务人员", foreign=True)
    changes = await mirror.house.mirror.make_tags(mirror.filing.now)
    assert changes.taken == ["财务人员"]
    # Renamed by hand: ours gets its name back, another app's keeps it.
    for name in ("财务人员", "企业负责人"):
        tag = next(tag for tag in contacts._tags() if tag["name"] == name)
        tag["name"] = f"改{name}"
    changes = await mirror.house.mirror.make_tags(mirror.filing.now)
    assert set(changes.renamed) == {"财务人员", "企业负责人"}
    assert changes.left == ["财务人员"]
    assert contacts.tag_id("企业负责人")


async def test_making_goes_on_where_it_was_cut_off(mirror: Mirror) -> None:
    mirror.fake.cut_next("externalcontact/add_corp_tag", after=True)
    with pytest.raises(MirrorFault):
        await mirror.tags()
    changes = await mirror.house.mirror.make_tags(mirror.filing.now)
    assert len(changes.made) + len(changes.taken) == 85
    names = [tag["name"] for tag in mirror.fake.contacts._tags()]
    assert len(names) == len(set(names)) == 85


async def test_a_tag_that_has_gone_or_become_careful_leaves_wecom(mirror: Mirror) -> None:
    contacts = mirror.fake.contacts
    await mirror.tags()
    tag_id = contacts.make_tag("服务关怀", "独居老人")
    async with mirror.filing.database.write() as connection:
        row = {"slug": "elder_alone", "tag_id": tag_id, "name": "独居老人"}
        await connection.execute(
            mirror.filing.database.insert(CORP_TAG), [row | {"made_at": mirror.filing.now}]
        )
    changes = await mirror.house.mirror.make_tags(mirror.filing.now)
    assert changes.removed == ["独居老人"]
    assert "独居老人" not in {tag["name"] for tag in contacts._tags()}


# Both ways


async def test_what_is_noted_here_stands_there(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff", "car_owner", "elder_alone")
    went = await mirror.work()
    assert (went.contacts, went.put_on) == (1, 2)
    assert mirror.there() == {"财务人员", "汽车车主"}
    assert "独居老人" not in mirror.wire()
    assert "elder_alone" not in mirror.wire()
    # Nothing has changed: nothing is marked.
    marks = mirror.fake.calls["externalcontact/mark_tag"]
    assert (await mirror.sync()).put_on == 0
    assert mirror.fake.calls["externalcontact/mark_tag"] == marks
    held = await mirror.filing.tagging.tags_of(resident, mirror.filing.now)
    car = next(each for each in held if each.tag == "car_owner")
    await mirror.filing.tagging.end(mirror.officer, car.id, Ended.REMOVED, mirror.filing.now)
    assert (await mirror.sync()).taken_off == 1
    assert mirror.there() == {"财务人员"}


async def test_an_officers_tag_there_becomes_an_assignment(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.work()
    mirror.fake.contacts.marks(MEMBER, ANNA, "财务人员")
    await mirror.event(ContactChange.EDITED)
    assert (await mirror.work()).noted == 1
    [held] = await mirror.filing.tagging.tags_of(resident, mirror.filing.now)
    assert (held.tag, held.source, held.officer_id) == (
        "finance_staff",
        TagSource.WECOM,
        mirror.officer.id,
    )
    assert held.ground is Ground.DUTY  # nobody has asked the resident yet, and that is recorded
    mirror.fake.contacts.unmarks(MEMBER, ANNA, "财务人员")
    assert (await mirror.sync()).ended == 1
    assert await mirror.filing.tags(resident) == []
    assert mirror.there() == set()
    actions = [row.action for row in await mirror.filing.spine.rows(AUDIT)]
    assert actions.count("file.tag") == 2


async def test_anybody_elses_tag_there_becomes_a_suggestion(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.adds(STRANGER)
    await mirror.work()
    mirror.fake.contacts.marks(STRANGER, ANNA, "财务人员")
    assert (await mirror.sync()).suggested == 1
    assert await mirror.filing.tags(resident) == []
    [suggestion] = await mirror.filing.spine.rows(SUGGESTION)
    assert (suggestion.tag, suggestion.source) == ("finance_staff", "wecom")
    # It waits, and is left alone till somebody decides.
    assert (await mirror.sync()).taken_off == 0
    assert mirror.there(STRANGER) == {"财务人员"}
    await mirror.filing.suggestions.decline(mirror.officer, suggestion.id, mirror.filing.now)
    assert (await mirror.sync()).taken_off == 1
    assert mirror.there(STRANGER) == set()


async def test_what_a_stranger_takes_off_is_put_back(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.adds(STRANGER)
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    await mirror.work()
    assert mirror.there() == mirror.there(STRANGER) == {"财务人员"}
    mirror.fake.contacts.unmarks(STRANGER, ANNA, "财务人员")
    await mirror.sync()
    assert mirror.there(STRANGER) == {"财务人员"}
    assert await mirror.filing.tags(resident) == ["finance_staff"]


async def test_what_the_rules_refuse_does_not_stay_there(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "senior_60")
    await mirror.work()
    for name in ("青年居民", "不接收宣传", "财务人员"):
        mirror.fake.contacts.marks(MEMBER, ANNA, name)
    await mirror.sync()
    assert mirror.there() == {"六十岁以上", "财务人员"}
    assert set(await mirror.filing.tags(resident)) == {"senior_60", "finance_staff"}


async def test_who_said_no_gets_no_tag_by_the_back_door(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.work()
    await mirror.filing.agree(resident, ConsentKind.TAGS, given=False)
    mirror.fake.contacts.marks(MEMBER, ANNA, "财务人员")
    await mirror.sync()
    assert await mirror.filing.tags(resident) == []
    assert mirror.there() == set()


async def test_a_corp_tag_deleted_by_hand_ends_nobodys_tag(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    await mirror.work()
    mirror.fake.contacts.delete_tag("财务人员")
    mirror.filing.pass_time(hours=2)
    await mirror.tags()
    await mirror.sync()
    assert await mirror.filing.tags(resident) == ["finance_staff"]
    assert mirror.there() == {"财务人员"}


async def test_changes_are_noticed_without_an_event(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.work()
    mirror.filing.pass_time(minutes=10)
    await mirror.house.mirror.mark_changed(mirror.filing.now)
    assert await mirror.house.mirror.waiting(mirror.filing.now) == 0
    await mirror.note(resident, "finance_staff")
    await mirror.house.mirror.mark_changed(mirror.filing.now)
    assert (await mirror.work()).put_on == 1


async def test_a_dry_run_of_a_sync_changes_nothing(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    mirror.fake.contacts.marks(MEMBER, ANNA, "汽车车主")
    before = await mirror.filing.spine.rows(WECOM_CONTACT)
    went = await mirror.house.mirror.look(mirror.filing.now, lambda contacts: None)
    assert (went.put_on, went.noted) == (1, 1)
    assert mirror.there() == {"汽车车主"}
    assert await mirror.filing.tags(resident) == ["finance_staff"]
    assert await mirror.filing.spine.rows(WECOM_CONTACT) == before
    assert "externalcontact/mark_tag" not in mirror.fake.calls


# When WeCom will not


@pytest.mark.parametrize("errcode", [45009, 45033, -1])
async def test_a_busy_wecom_ends_the_run_and_the_next_goes_on(mirror: Mirror, errcode: int) -> None:
    people = [f"wmMany{i:04}" for i in range(3)]
    residents = [await mirror.adds(external=who) for who in people]
    await mirror.tags()
    for resident in residents:
        await mirror.note(resident, "finance_staff")
    mirror.fake.fail_next("externalcontact/mark_tag", 0)
    mirror.fake.fail_next("externalcontact/mark_tag", errcode)
    first = await mirror.work()
    assert (first.contacts, first.failed) == (1, 1)
    assert first.pause > 0
    assert await mirror.house.mirror.unfinished() == 2
    mirror.filing.pass_time(minutes=2)
    second = await mirror.work()
    assert (second.contacts, second.failed) == (2, 0)
    assert all(mirror.there(external=who) == {"财务人员"} for who in people)
    assert await mirror.house.mirror.unfinished() == 0


async def test_a_lost_answer_marks_nothing_twice(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    mirror.fake.cut_next("externalcontact/mark_tag", after=True)
    assert (await mirror.work()).failed == 1
    mirror.filing.pass_time(minutes=2)
    assert (await mirror.work()).failed == 0
    assert mirror.there() == {"财务人员"}
    assert await mirror.filing.tags(resident) == ["finance_staff"]


async def test_who_is_no_contact_any_more_is_let_go(mirror: Mirror) -> None:
    await mirror.adds()
    await mirror.tags()
    mirror.fake.contacts.remove(MEMBER, ANNA)
    await mirror.work()
    assert (await mirror.contact()).state is ContactState.ENDED
    assert mirror.resident() in {row.id for row in await mirror.filing.spine.rows(RESIDENT)}


# The file opens


async def test_an_officers_new_contact_opens_a_file(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.event()  # WeCom tells twice
    [row] = await mirror.filing.spine.rows(RESIDENT)
    assert (row.id, row.area, row.officer_id) == (resident, "wuyuan", mirror.officer.id)
    [identity] = await mirror.filing.spine.rows(IDENTITY)
    assert identity.channel == Channel.WECOM_CONTACT
    assert ANNA.encode() not in identity.address
    actions = [row.action for row in await mirror.filing.spine.rows(AUDIT)]
    assert actions.count("file.open") == 1


async def test_who_wrote_before_is_the_same_person(mirror: Mirror) -> None:
    database = mirror.filing.database
    async with database.write() as connection:
        await connection.execute(
            database.insert(KF_ACCOUNT), [{"open_kfid": "wkDesk", "cursor": "", "token": ""}]
        )
    came = said("你好", channel=Channel.WECOM_KF, account="wkDesk", sender=ANNA)
    await mirror.filing.spine.inbox.receive([came])
    await mirror.adds()
    [resident] = await mirror.filing.spine.rows(RESIDENT)
    assert {row.resident_id for row in await mirror.filing.spine.rows(IDENTITY)} == {resident.id}
    assert (await mirror.contact()).identity_id == mirror.resident()


async def test_a_member_without_an_account_opens_none(mirror: Mirror) -> None:
    await mirror.adds(STRANGER)
    assert await mirror.filing.spine.rows(RESIDENT) == []
    await mirror.work()
    assert (await mirror.contact()).identity_id is None


async def test_half_added_waits_for_the_other_half(mirror: Mirror) -> None:
    await mirror.event(ContactChange.HALF)
    assert (await mirror.contact()).offer is OfferState.NONE
    await mirror.adds()
    contact = await mirror.contact()
    assert (contact.state, contact.offer) == (ContactState.ADDED, OfferState.PENDING)
    await mirror.event(ContactChange.ENDED)
    assert (await mirror.contact()).state is ContactState.ENDED


async def test_contacts_that_no_event_told_of_are_taken_in(mirror: Mirror) -> None:
    for i in range(5):
        mirror.fake.contacts.add(MEMBER, f"wmOld{i:04}")
    assert await mirror.house.mirror.list_contacts(mirror.filing.now) == 5
    assert len(await mirror.filing.spine.rows(RESIDENT)) == 5
    assert await mirror.house.mirror.list_contacts(mirror.filing.now) == 0
    assert {row.offer for row in await mirror.filing.spine.rows(WECOM_CONTACT)} == {OfferState.NONE}


async def test_an_erased_file_stays_erased(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    mirror.fake.contacts.make_tag("他们的", "别家标签")
    mirror.fake.contacts.marks(MEMBER, ANNA, "别家标签")
    await mirror.work()
    async with mirror.filing.database.write() as connection:
        assert await release(connection, [resident], mirror.filing.now) == 1
        await connection.execute(IDENTITY.delete())
    assert (await mirror.contact()).identity_id is None
    mirror.fake.fail_next("externalcontact/mark_tag", -1)
    assert (await mirror.work()).failed == 1
    mirror.filing.pass_time(minutes=2)
    await mirror.work()
    assert mirror.there() == {"别家标签"}
    assert (await mirror.contact()).external is None
    await mirror.event(ContactChange.EDITED)
    await mirror.house.mirror.list_contacts(mirror.filing.now)
    assert (await mirror.contact()).state is ContactState.ERASED
    # Added anew, a new file opens.
    await mirror.event(ContactChange.ENDED)
    await mirror.event(ContactChange.ADDED)
    assert (await mirror.contact()).identity_id == mirror.resident()


# What happens while a contact is compared


async def compared_slowly(mirror: Mirror) -> asyncio.Task[Mirrored]:
    """A run that waits for WeCom's answer to what it puts on."""
    assert not mirror.fake.calls["externalcontact/mark_tag"]
    mirror.fake.delay_next("externalcontact/mark_tag", 0.3)
    run = asyncio.create_task(mirror.work())
    await until(lambda: mirror.fake.calls["externalcontact/mark_tag"], "the call")
    mirror.filing.pass_time(seconds=1)
    return run


async def test_what_is_changed_meanwhile_is_not_missed(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    run = await compared_slowly(mirror)
    mirror.fake.contacts.marks(MEMBER, ANNA, "汽车车主")
    await mirror.event(ContactChange.EDITED)
    assert (await run).noted == 1
    assert (await mirror.contact()).due_at is None
    assert mirror.there() == {"财务人员", "汽车车主"}


async def test_who_is_erased_meanwhile_is_forgotten(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.note(resident, "finance_staff")
    run = await compared_slowly(mirror)
    async with mirror.filing.database.write() as connection:
        await release(connection, [resident], mirror.filing.now)
    await run
    contact = await mirror.contact()
    assert (contact.state, contact.external) == (ContactState.ERASED, None)
    assert (contact.base, contact.due_at) == ([], None)
    assert mirror.there() == set()


# The offer


async def offered(mirror: Mirror) -> Any:
    [card] = [sent.body for sent in mirror.fake.delivered[MEMBER]]
    return card


async def test_the_officer_is_offered_the_tags_and_ticks_some(mirror: Mirror) -> None:
    resident = await mirror.adds()
    await mirror.tags()
    await mirror.filing.raise_tag(resident, "renter")
    await mirror.filing.raise_tag(resident, "elder_alone")
    offers = mirror.house.offers
    assert await offers.deliver(mirror.filing.now) == 1
    assert await offers.deliver(mirror.filing.now + timedelta(minutes=5)) == 0
    card = await offered(mirror)
    options = [option["id"] for option in card["checkbox"]["option_list"]]
    assert options[0] == "renter"
    assert len(options) == 20
    taxonomy = mirror.filing.tagging.taxonomy
    assert not any(taxonomy.by_slug[slug].careful for slug in options)
    assert ANNA not in str(card)
    assert "阿陈" not in str(card)
    code = mirror.fake._card_code(MEMBER, card["task_id"])
    chosen = ["renter", "finance_staff", "elder_alone", "no_such_tag"]
    await mirror.tick(MEMBER, card, chosen, code)
    assert set(await mirror.filing.tags(resident)) == {"renter", "finance_staff"}
    assert mirror.fake.buttons[MEMBER, card["task_id"]] == "已记 2 项"
    assert (await mirror.contact()).offer is OfferState.TAKEN
    # Told again, nothing is noted twice; a stranger's tap notes nothing.
    await mirror.tick(MEMBER, card, chosen, "used")
    await mirror.tick(STRANGER, card, ["landlord"], "none")
    assert len(await mirror.filing.assignments()) == 2
    await mirror.work()
    assert mirror.there() == {"租房居住", "财务人员"}


async def test_an_offer_that_fails_is_made_again_as_the_same_card(mirror: Mirror) -> None:
    await mirror.adds()
    offers = mirror.house.offers
    mirror.fake.fail_next("message/send", 45009)
    await offers.deliver(mirror.filing.now)
    [contact] = await mirror.filing.spine.rows(WECOM_CONTACT)
    assert contact.offer is OfferState.PENDING
    await offers.deliver(mirror.filing.pass_time(minutes=3))
    assert (await offered(mirror))["task_id"] == contact.card
    assert (await mirror.contact()).offer is OfferState.SENT


async def test_an_offer_that_cannot_be_made_is_given_up(mirror: Mirror) -> None:
    await mirror.adds()
    mirror.fake.members.discard(MEMBER)
    await mirror.house.offers.deliver(mirror.filing.now)
    assert (await mirror.contact()).offer is OfferState.REFUSED


async def test_the_relation_goes_with_the_file(mirror: Mirror) -> None:
    await mirror.adds()
    async with mirror.filing.database.write() as connection:
        await connection.execute(IDENTITY.delete())
        left = (await connection.execute(select(WECOM_CONTACT))).all()
    assert left == []
