"""Residents' files by forms alone: who may look, what is recorded, what a step leaves behind."""

import re
from datetime import timedelta

import aiohttp
import pytest
from sqlalchemy import update

from jingxiaowei.pipeline.messages import Channel
from jingxiaowei.services.inbox import conversation_id
from jingxiaowei.store.file_tables import (
    ASSIGNMENT,
    CONTACT_POINT,
    REQUEST,
    SUGGESTION,
    Ended,
    RequestKind,
    SuggestionState,
)
from jingxiaowei.store.tables import AUDIT, RESIDENT, Role
from tests.conftest import said
from tests.console.conftest import Hands, Site, both
from tests.services.alerting import PASSWORD


def file_of(site: Site, name: str) -> str:
    """The path of a sample resident's file."""
    cipher = site.alarm.database.cipher
    return f"/console/residents/{conversation_id(cipher, Channel.WEB, 'web', f'sample-{name}')}"


async def as_police(hands: Hands) -> Hands:
    hands.session.cookie_jar.clear()
    await hands.get(await hands.site.link(hands.site.police))
    return hands


async def somebody(hands: Hands, role: Role, area: str = "county-desk") -> Hands:
    officers = hands.site.alarm.spine.officers
    await officers.add("someone", role, PASSWORD, area, "某某")
    hands.session.cookie_jar.clear()
    await hands.get(await hands.site.link(await officers.find("someone")))
    return hands


async def trail(site: Site) -> list[tuple[str, str]]:
    rows = sorted(await site.alarm.spine.rows(AUDIT), key=lambda row: row.id)
    return [(row.action, row.reason) for row in rows]


async def current(site: Site, path: str) -> dict[str, int]:
    """The tags that stand on a file: slug and row."""
    rows = await site.alarm.spine.rows(ASSIGNMENT)
    return {r.tag: r.id for r in rows if r.resident_id == path[-32:] and r.ended_at is None}


async def test_the_register_is_masked(at_work: Hands) -> None:
    page = await at_work.get("/console/residents")
    assert "沈**" in page
    assert "138****0412" in page
    for secret in ("沈福根", "13800000412", "need_home_visit", "上门办证需求·"):
        assert secret not in page
    assert "受保护标签 1 项" in page
    assert ("file.search", "recent") in await trail(at_work.site)


@both
async def test_search_by_phone_tag_and_area(at_work: Hands) -> None:
    await at_work.get("/console/residents")
    page = await at_work.post("/console/residents", phone="+86 138-0000-0412", **{"for": "care"})
    assert (page.count('class="row"'), "沈**" in page) == (1, True)
    assert "?for=care" in page
    page = await at_work.post("/console/residents", tag="business_owner", **{"for": "service"})
    assert (page.count('class="row"'), "马**" in page) == (1, True)
    page = await at_work.post("/console/residents", area="qinshan", **{"for": "service"})
    assert (page.count('class="row"'), "杨**" in page) == (1, True)
    page = await at_work.post("/console/residents", phone="13900000000", **{"for": "service"})
    assert "没找到" in page
    told = await trail(at_work.site)
    assert ("file.search", "关怀回访 phone") in told
    assert all("0412" not in reason for _, reason in told)


async def test_a_search_takes_a_reason_and_something_to_look_for(at_work: Hands) -> None:
    await at_work.get("/console/residents")
    page = await at_work.post("/console/residents", phone="13800000412")
    assert (at_work.status, "为了什么事查" in page) == (400, True)
    assert "沈**" not in page
    await at_work.post("/console/residents", **{"for": "care"})
    assert at_work.status == 400
    page = await at_work.post("/console/residents", tag="没有的", **{"for": "care"})
    assert (at_work.status, "没有“没有的”这个标签" in page) == (400, True)


async def test_only_police_search_by_careful_tags(hands: Hands, at_work: Hands) -> None:
    page = await at_work.get("/console/residents")
    assert 'value="elder_alone"' not in page
    page = await at_work.post("/console/residents", tag="need_home_visit", **{"for": "care"})
    assert (at_work.status, "请找民警" in page) == (403, True)
    await as_police(hands)
    await hands.get("/console/residents")
    page = await hands.post("/console/residents", tag="need_home_visit", **{"for": "care"})
    assert "沈**" in page


async def test_a_file_is_opened_for_a_reason(at_work: Hands) -> None:
    path = file_of(at_work.site, "shen")
    page = await at_work.get(path)
    assert "为了什么事" in page
    assert "退休居民" not in page
    page = await at_work.post(path, **{"for": "care"})
    assert (at_work.at, "退休居民" in page) == (f"{path}?for=care", True)
    for secret in ("沈福根", "13800000412", "上门办证需求", "腿脚不便"):
        assert secret not in page
    assert ("file.view", "关怀回访") in await trail(at_work.site)
    await at_work.get(path)
    page = await at_work.post(path, **{"for": "other", "other": "居委会转来的事"})
    assert (at_work.status, "退休居民" in page) == (200, True)
    assert ("file.view", "其他：居委会转来的事") in await trail(at_work.site)
    await at_work.get(path)
    page = await at_work.post(path, **{"for": "other", "other": "330424199001011234"})
    assert (at_work.status, "退休居民" in page) == (400, False)


async def test_contact_opens_with_a_reason(at_work: Hands) -> None:
    path = file_of(at_work.site, "shen")
    await at_work.get(f"{path}?for=care")
    page = await at_work.post(f"{path}/contact", look="care")
    assert (at_work.status, "13800000412" in page) == (400, False)
    page = await at_work.post(f"{path}/contact", look="care", **{"for": "care"})
    assert "沈福根" in page
    assert "13800000412" in page
    assert ("file.contact", "关怀回访") in await trail(at_work.site)


async def test_a_message_opens_with_a_reason(at_work: Hands) -> None:
    spine, path = at_work.site.alarm.spine, file_of(at_work.site, "shen")
    call = said("打我电话 13900001234", sender="sample-shen", message_id="call-me")
    await spine.inbox.receive([call])
    await spine.settle()
    page = await at_work.get(f"{path}?for=care")
    assert "13900001234" not in page
    link = re.search(r'href="(/console/residents/[0-9a-f]{32}/said/\d+)"', page)
    assert link
    page = await at_work.get(link[1])
    assert "13900001234" not in page
    page = await at_work.post(link[1])
    assert (at_work.status, "13900001234" in page) == (400, False)
    page = await at_work.post(link[1], **{"for": "care"})
    assert "13900001234" in page
    number = link[1].rpartition("/")[2]
    assert ("file.original", f"关怀回访 message:{number}") in await trail(at_work.site)


async def test_careful_tags_are_for_police(hands: Hands, at_work: Hands) -> None:
    path = file_of(at_work.site, "shen")
    await at_work.get(f"{path}?for=care")
    await at_work.post(f"{path}/careful", look="care", **{"for": "care"})
    assert at_work.status == 403
    await as_police(hands)
    await hands.get(f"{path}?for=care")
    page = await hands.post(f"{path}/careful", look="care", **{"for": "care"})
    assert "上门办证需求" in page
    assert "谁看过" in page
    assert ("file.view_careful", "关怀回访") in await trail(hands.site)


@both
async def test_noting_a_tag(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    page = await at_work.get(f"{path}/tag?for=service")
    assert "受保护，提请民警" in page
    await at_work.post(f"{path}/tag", look="service", tag="renter", reason="", ground="consent")
    assert at_work.status == 400
    page = await at_work.post(
        f"{path}/tag", look="service", tag="renter", reason="本人说租房住", ground="consent"
    )
    assert (at_work.at, "记下了" in page) == (f"{path}?for=service&said=noted", True)
    assert "本人说租房住" in page
    await at_work.get(f"{path}/tag?for=service")
    page = await at_work.post(
        f"{path}/tag", look="service", tag="elder_alone", reason="本人说的", ground="duty"
    )
    assert "已提请，等民警确认" in page
    assert "elder_alone" not in await current(at_work.site, path)


async def test_a_conflict_is_told_and_can_be_replaced(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    taxonomy = at_work.site.desk.taxonomy
    others = taxonomy.conflicts("young_adult")
    other = next(slug for slug in ("middle_aged", "senior_60") if slug in others)
    name = taxonomy.by_slug[other].name
    await at_work.get(f"{path}/tag?for=service")
    note = {"look": "service", "reason": "本人说的", "ground": "consent"}
    await at_work.post(f"{path}/tag", tag=other, **note)
    await at_work.get(f"{path}/tag?for=service")
    page = await at_work.post(f"{path}/tag", tag="young_adult", **note)
    assert (at_work.status, f"换成“青年居民”，去掉“{name}”" in page) == (409, True)
    page = await at_work.post(f"{path}/tag", tag="young_adult", instead=other, **note)
    assert "记下了" in page
    tags = await current(at_work.site, path)
    assert "young_adult" in tags
    assert other not in tags


async def test_a_careful_tag_in_the_way_is_for_police(hands: Hands, at_work: Hands) -> None:
    path = file_of(at_work.site, "shen")
    number = await suggested(at_work.site, path, "elder_alone")
    await as_police(hands)
    await hands.get(f"{path}?for=review")
    await hands.post(f"{path}/suggestions/{number}/confirm", look="review")
    await hands.get(await hands.site.link(hands.site.auxiliary))
    await hands.get(f"{path}/tag?for=care")
    note = {"look": "care", "tag": "multi_gen_home", "reason": "本人说的", "ground": "consent"}
    for instead in ("", "elder_alone"):
        page = await hands.post(f"{path}/tag", instead=instead, **note)
        assert (hands.status, "请找民警" in page) == (409, True)
        assert "换成" not in page
    assert "elder_alone" in await current(hands.site, path)


async def test_ending_and_keeping_a_tag(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    tags = await current(at_work.site, path)
    await at_work.get(f"{path}?for=review")
    step = f"{path}/tags/{tags['business_owner']}"
    page = await at_work.post(f"{step}/renew", look="review", reason="")
    assert (at_work.status, "写一句依据" in page) == (400, True)
    page = await at_work.post(f"{step}/renew", look="review", reason="店还开着")
    assert "保留了" in page
    page = await at_work.post(f"{step}/end", look="review", because="removed")
    assert at_work.status == 409
    again = (await current(at_work.site, path))["business_owner"]
    page = await at_work.post(f"{path}/tags/{again}/end", look="review", because="nothing")
    assert at_work.status == 400
    page = await at_work.post(f"{path}/tags/{again}/end", look="review", because="corrected")
    assert "去掉了" in page
    assert "business_owner" not in await current(at_work.site, path)
    rows = await at_work.site.alarm.spine.rows(ASSIGNMENT)
    assert next(r for r in rows if r.id == again).ended_because is Ended.CORRECTED


async def suggested(site: Site, path: str, tag: str) -> int:
    rows = await site.alarm.spine.rows(SUGGESTION)
    return next(r.id for r in rows if r.resident_id == path[-32:] and r.tag == tag)


async def test_a_suggestion_in_one_tap(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    page = await at_work.get(f"{path}?for=review")
    assert '<mark class="lead">我是公司会计</mark>' in page
    number = await suggested(at_work.site, path, "finance_staff")
    page = await at_work.post(f"{path}/suggestions/{number}/confirm", look="review")
    assert "记下了" in page
    assert "finance_staff" in await current(at_work.site, path)
    page = await at_work.post(f"{path}/suggestions/{number}/decline", look="review")
    assert (at_work.status, "刚被辅警王芳记下" in page) == (409, True)


async def test_a_suggestion_declined_from_the_list(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    number = await suggested(at_work.site, path, "finance_staff")
    await at_work.get("/console/work")
    page = await at_work.post(f"{path}/suggestions/{number}/decline?from=work", look="review")
    assert (at_work.at, "标为不合适" in page) == ("/console/work?said=declined", True)
    rows = await at_work.site.alarm.spine.rows(SUGGESTION)
    assert next(r for r in rows if r.id == number).state is SuggestionState.DECLINED


async def test_without_consent_another_ground_is_asked_for(at_work: Hands) -> None:
    spine = at_work.site.alarm.spine
    await spine.inbox.receive([said("我是公司会计，想问问", sender="nobody-asked")])
    await spine.settle()
    page = await at_work.get("/console/work")
    found = re.search(r'(/console/residents/[0-9a-f]{32})\?for=review">[^<]*<bdi>未留名', page)
    assert found
    number = re.search(rf"{found[1]}/suggestions/(\d+)/confirm", page)
    assert number
    step = f"{found[1]}/suggestions/{number[1]}/confirm"
    page = await at_work.post(step, look="review")
    assert (at_work.status, "没有本人同意时" in page) == (400, True)
    await at_work.post(step, look="review", ground="duty")
    assert at_work.at.endswith("said=confirmed")


async def test_police_decide_proposals(hands: Hands, at_work: Hands) -> None:
    path = file_of(at_work.site, "shen")
    page = await at_work.get("/console/work")
    assert "独居老人" not in page
    number = await suggested(at_work.site, path, "elder_alone")
    await at_work.post(f"{path}/suggestions/{number}/decline", look="review")
    assert at_work.status == 403
    await as_police(hands)
    page = await hands.get("/console/work")
    assert "辅警王芳</bdi>提请" in page
    page = await hands.post(f"{path}/suggestions/{number}/confirm?from=work", look="review")
    assert "记下了" in page
    assert "elder_alone" in await current(hands.site, path)


@both
async def test_a_file_as_of_another_day(hands: Hands) -> None:
    await as_police(hands)
    path = file_of(hands.site, "ma")
    await hands.get(f"{path}/tag?for=service")
    await hands.post(
        f"{path}/tag", look="service", tag="renter", reason="本人说的", ground="consent"
    )
    day = (hands.site.alarm.now - timedelta(days=2)).date().isoformat()
    page = await hands.get(f"{path}?for=review&as_of={day}")
    assert "标签只读" in page
    assert "企业负责人" in page
    assert "租房居住" not in page
    assert "/renew" not in page
    page = await hands.get(f"{path}?for=review&as_of=nonsense")
    assert "标签只读" not in page


async def test_an_area_sees_its_own(hands: Hands) -> None:
    await somebody(hands, Role.AUXILIARY, "qinshan")
    page = await hands.get("/console/residents")
    assert "杨**" in page
    assert "沈**" not in page
    page = await hands.get(f"{file_of(hands.site, 'shen')}?for=care")
    assert (hands.status, "武原派出所辖区" in page) == (403, True)
    await hands.get(f"{file_of(hands.site, 'shen')}/tag?for=care")
    assert hands.status == 403


async def test_what_is_not_there(at_work: Hands) -> None:
    page = await at_work.get(f"/console/residents/{'0' * 32}?for=care")
    assert (at_work.status, "没有这位居民" in page) == (409, True)
    await at_work.get("/console/residents/nothing")
    assert at_work.status == 404


@both
async def test_a_request_is_answered_by_police(hands: Hands, at_work: Hands) -> None:
    site, path = at_work.site, file_of(at_work.site, "ma")
    requests = site.desk.files.requests
    async with site.alarm.database.write() as connection:
        code, _ = await requests.ask(
            connection, path[-32:], RequestKind.CORRECT, "我不开店了", site.alarm.now
        )
    page = await at_work.get("/console/work")
    assert (code in page, "我不开店了" in page, "不能办" in page) == (True, True, False)
    [row] = await site.alarm.spine.rows(REQUEST)
    await at_work.post(f"/console/requests/{row.id}/answer", text="改好了")
    assert at_work.status == 403
    await as_police(hands)
    await hands.get("/console/work")
    page = await hands.post(f"/console/requests/{row.id}/refuse", text=" ")
    assert (hands.status, "写明理由" in page) == (400, True)
    words = "已去掉“企业负责人”"
    page = await hands.post(f"/console/requests/{row.id}/answer", text=words)
    assert "本人会收到" in page
    assert f"您的更正请求（编号 {code}）办好了，民警答复：{words}。" in page
    page = await hands.post(f"/console/requests/{row.id}/answer", text="改了字", seen=words)
    assert ("改了字。" in page, "答复在发" in page) == (True, False)
    page = await hands.post(f"/console/requests/{row.id}/answer", text=words, seen=words)
    assert "答复在发" in page
    assert code not in page
    await site.alarm.spine.settle()
    assert any(words in text for text in site.alarm.spine.far.texts("sample-ma"))


@pytest.mark.parametrize(
    ("role", "sees", "not_"),
    [
        (
            Role.ADMIN,
            ("/console/questions", "/console/tags"),
            ("/console/residents", "/console/work", "/console/tickets", "/console/trail"),
        ),
        (
            Role.AUDITOR,
            ("/console/trail",),
            (
                "/console/residents",
                "/console/work",
                "/console/tickets",
                "/console/questions",
                "/console/tags",
            ),
        ),
    ],
)
async def test_pages_by_role(
    hands: Hands, role: Role, sees: tuple[str, ...], not_: tuple[str, ...]
) -> None:
    await somebody(hands, role)
    menu = hands.page
    for path in sees:
        assert f'href="{path}"' in menu
        await hands.get(path)
        assert hands.status == 200, path
    for path in (*not_, f"{file_of(hands.site, 'shen')}?for=care", file_of(hands.site, "shen")):
        assert f'href="{path}"' not in menu
        await hands.get(path)
        assert hands.status == 403, path
        assert "沈**" not in hands.page


async def test_words_of_residents_are_text(at_work: Hands) -> None:
    alarm = at_work.site.alarm
    await alarm.hear(sender="sample-ma", text="<script>alert(1)</script>我是公司会计")
    page = await at_work.get(f"{file_of(at_work.site, 'ma')}?for=care")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


async def test_a_child_has_no_file(at_work: Hands) -> None:
    path = file_of(at_work.site, "yang")
    async with at_work.site.alarm.database.write() as connection:
        await connection.execute(
            update(RESIDENT).where(RESIDENT.c.id == path[-32:]).values(minor="under14")
        )
    page = await at_work.get(f"{path}?for=care")
    assert "未满 14 周岁" in page
    await at_work.get(f"{path}/tag?for=care")
    page = await at_work.post(
        f"{path}/tag", look="care", tag="renter", reason="本人说的", ground="consent"
    )
    assert (at_work.status, "不建档" in page) == (400, True)


async def test_a_phone_is_noted_and_kept_encrypted(at_work: Hands) -> None:
    path = file_of(at_work.site, "yang")
    await at_work.get(f"{path}?for=care")
    form = {"look": "care", "kind": "phone"}
    page = await at_work.post(f"{path}/contacts", **form, value="12")
    assert (at_work.status, "不像电话号码" in page) == (400, True)
    page = await at_work.post(f"{path}/contacts", look="care", value="1", kind="card")
    assert at_work.status == 400
    name = {"look": "care", "kind": "name"}
    await at_work.post(f"{path}/contacts", **name, value="330424199001011234")
    assert at_work.status == 400
    page = await at_work.post(f"{path}/contacts", **form, value="136 0000 7788")
    assert ("联系方式记下了" in page, "136****7788" in page) == (True, True)
    rows = [r for r in await at_work.site.alarm.spine.rows(CONTACT_POINT) if r.found]
    assert not any(b"13600007788" in row.value for row in rows)
    page = await at_work.post("/console/residents", phone="13600007788", **{"for": "care"})
    assert page.count('class="row"') == 1
    wrong = {**form, "what": "remove", "why": "记错了人"}
    page = await at_work.post(f"{path}/contacts", **wrong, value="13600007789")
    assert (at_work.status, "档案里没有这一条" in page) == (400, True)
    page = await at_work.post(f"{path}/contacts", **wrong, value="136 0000 7788")
    assert ("去掉了。" in page, "136****7788" in page) == (True, False)


async def test_police_place_a_resident(hands: Hands) -> None:
    await as_police(hands)
    path = file_of(hands.site, "yang")
    await hands.get(f"{path}?for=care")
    officer = str(hands.site.police.id)
    page = await hands.post(f"{path}/place", look="care", area="ganpu", officer=officer)
    assert ("改好了" in page, "责任 <bdi>民警陈国华</bdi>" in page) == (True, True)
    wrong = str(hands.site.auxiliary.id)
    page = await hands.post(f"{path}/place", look="care", area="", officer=wrong)
    assert (hands.status, "在岗的民警" in page) == (400, True)
    row = next(r for r in await hands.site.alarm.spine.rows(RESIDENT) if r.id == path[-32:])
    assert (row.area, row.officer_id) == ("ganpu", hands.site.police.id)


async def test_a_minor_is_noted(at_work: Hands) -> None:
    path = file_of(at_work.site, "ma")
    await at_work.get(f"{path}?for=care")
    page = await at_work.post(f"{path}/minor", look="care", minor="under14")
    assert (at_work.status, "核对过了" in page) == (400, True)
    await at_work.post(f"{path}/minor", look="care", minor="old")
    assert at_work.status == 400
    page = await at_work.post(f"{path}/minor", look="care", minor="under14", sure="1")
    assert ("记下了" in page, "未满 14 周岁，不建档" in page) == (True, True)
    assert await current(at_work.site, path) == {}
    assert "和另一份档案" not in page


@both
async def test_two_files_become_one_and_two_again(hands: Hands) -> None:
    await as_police(hands)
    kept, gone = file_of(hands.site, "shen"), file_of(hands.site, "ma")
    theirs = await current(hands.site, gone)
    assert theirs
    await hands.get(f"{kept}/merge?for=own")
    page = await hands.post(f"{kept}/merge", look="own", whom="13900000000")
    assert (hands.status, "没找到" in page) == (400, True)
    page = await hands.post(f"{kept}/merge", look="own", whom="13800000311")
    assert ("并入" in page, "跟过来：标签" in page) == (True, True)
    assert await current(hands.site, gone) == theirs
    form = {"look": "own", "whom": gone[-32:], "seen": gone[-32:]}
    page = await hands.post(f"{kept}/merge", **form)
    assert (hands.status, "怎么知道" in page) == (400, True)
    page = await hands.post(f"{kept}/merge", **form, why="met")
    assert ("合并好了" in page, "并入 1 份" in page) == (True, True)
    assert theirs.keys() <= (await current(hands.site, kept)).keys()
    assert ("file.merge", "当面核对过") in await trail(hands.site)
    found = re.search(r"/merges/(\d+)/undo", page)
    assert found
    page = await hands.post(f"{kept}/merges/{found[1]}/undo", look="own")
    assert "撤销了" in page
    assert await current(hands.site, gone) == theirs
    page = await hands.post(f"{kept}/merges/{found[1]}/undo", look="own")
    assert (hands.status, "已经撤销" in page) == (409, True)


STEPS = (
    ("contacts", {"kind": "name", "value": "某"}, {Role.POLICE, Role.AUXILIARY}),
    ("minor", {"minor": "none"}, {Role.POLICE, Role.AUXILIARY}),
    ("place", {"area": "ganpu"}, {Role.POLICE}),
    ("merge", {"whom": "0" * 32}, {Role.POLICE}),
    ("merges/1/undo", {}, {Role.POLICE}),
)


async def test_who_may_note_what(site: Site) -> None:
    """Roles × steps, through the doors; a step that is let in may still be refused in words."""
    path, officers = file_of(site, "yang"), site.alarm.spine.officers
    for role in Role:
        await officers.add(f"a.{role}", role, PASSWORD, "county-desk", "某某")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            hands = Hands(site, session)
            await hands.get(await site.link(await officers.find(f"a.{role}")))
            for step, form, let_in in STEPS:
                await hands.post(f"{path}/{step}", look="care", **form)
                assert (hands.status != 403) == (role in let_in), (role, step)
