"""试问, by forms alone."""

from jingxiaowei.services.trial import LONGEST
from jingxiaowei.store.tables import INBOX, Role
from tests.conftest import said
from tests.console.conftest import Hands
from tests.services.alerting import PASSWORD


async def sign_in_as(hands: Hands, role: Role) -> None:
    site = hands.site
    await site.alarm.spine.officers.add("one-more", role, PASSWORD, "county-desk", "周明")
    officer = await site.alarm.spine.officers.find("one-more")
    await hands.get((await site.link(officer)).removeprefix(site.url))


async def test_a_question_and_why_it_is_answered_so(hands: Hands) -> None:
    await sign_in_as(hands, Role.ADMIN)
    page = await hands.get("/console/ask")
    assert 'aria-current="page">试问' in page
    before = len(await hands.site.alarm.spine.rows(INBOX))
    page = await hands.post("/console/ask", text="户口簿不见了要怎么补")
    assert hands.status == 200
    assert "直接答：" in page
    assert "起作用的词" in page
    assert '<th scope="row"><bdi>户口簿</bdi></th>' in page
    assert "最像的条目" in page
    assert "没看出来，不等于没事" in page
    assert len(await hands.site.alarm.spine.rows(INBOX)) == before  # nothing is stored


async def test_what_cannot_be_tried(hands: Hands) -> None:
    await sign_in_as(hands, Role.AUXILIARY)
    await hands.get("/console/ask")
    for text, fault in ((" ", "写一句"), ("长" * (LONGEST + 1), "太长了")):
        page = await hands.post("/console/ask", text=text)
        assert (hands.status, fault in page) == (400, True)
    page = await hands.post("/console/ask", text="<script>alert(1)</script>\u202e身份证")
    assert "<script>alert(1)" not in page


async def test_an_auditor_has_no_part_in_it(hands: Hands) -> None:
    await sign_in_as(hands, Role.AUDITOR)
    assert "试问" not in await hands.get("/console/")
    await hands.get("/console/ask")
    assert hands.status == 403


async def test_from_a_missed_question(hands: Hands) -> None:
    spine = hands.site.alarm.spine
    await spine.inbox.receive([said("水表转一圈要几个钱", sender="curious")])
    await spine.settle()
    await sign_in_as(hands, Role.ADMIN)
    page = await hands.get("/console/questions")
    assert '<input type="hidden" name="text" value="水表转一圈要几个钱">' in page
    page = await hands.post("/console/ask", text="水表转一圈要几个钱")
    assert "为什么这样答" in page
