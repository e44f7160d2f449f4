"""Audiences, handing over, and the preview of a surgery, by forms alone."""

import asyncio
import re
import shutil
from pathlib import Path

from jingxiaowei.store.tables import RESIDENT, Role
from tests.conftest import ROOT
from tests.console.conftest import Hands, both
from tests.console.test_residents import as_police, current, file_of, somebody
from tests.services.alerting import PASSWORD


@both
async def test_an_audience_is_counted_and_explained(at_work: Hands) -> None:
    await at_work.get("/console/audience")
    page = await at_work.post("/console/audience", expression="企业负责人 或 新居民", what="count")
    assert ">2</span> 人" in page
    assert "不满 20 人，不分辖区和标签" in page
    assert "再按标签大项分" not in page
    page = await at_work.post(
        "/console/audience", expression="企业负责人", what="explain", whom="138 0000 0311"
    )
    assert "✓ 在受众里" in page
    whom = file_of(at_work.site, "shen")[-32:]
    page = await at_work.post(
        "/console/audience", expression="企业负责人", what="explain", whom=whom
    )
    assert "○ 不在受众里" in page
    page = await at_work.post("/console/audience", expression="企业负责人 且 新居民", what="count")
    assert "没有人。到“<bdi>新居民</bdi>”这一条就没有了" in page


async def test_a_wrong_expression_is_pointed_at(at_work: Hands) -> None:
    await at_work.get("/console/audience")
    page = await at_work.post("/console/audience", expression="企业负责人 且 且", what="count")
    assert (at_work.status, '<mark class="close">' in page) == (400, True)
    page = await at_work.post(
        "/console/audience", expression="企业负责人", what="explain", whom="13900000000"
    )
    assert (at_work.status, "没找到这位居民" in page) == (400, True)
    page = await at_work.post("/console/audience", expression="独居老人", what="count")
    assert (at_work.status, "请找民警" in page) == (403, True)
    await at_work.post("/console/audience", expression="企业负责人", what="save", name="老板们")
    assert at_work.status == 403


async def test_police_save_an_audience(hands: Hands) -> None:
    await as_police(hands)
    await hands.get("/console/audience")
    form = {"expression": "企业负责人", "what": "save", "name": "老板们"}
    page = await hands.post("/console/audience", **form)
    assert "存为“老板们”" in page
    page = await hands.post("/console/audience", **form)
    assert (hands.status, "已经有叫“老板们”的受众" in page) == (400, True)


@both
async def test_files_and_work_change_hands(hands: Hands) -> None:
    site = hands.site
    officers = site.alarm.spine.officers
    await officers.add("zhou.min", Role.POLICE, PASSWORD, "county-desk", "周敏")
    taker = await officers.find("zhou.min")
    await as_police(hands)
    page = await hands.get("/console/handover")
    assert "居民 3 位" in page
    form = {"giver": str(site.police.id), "taker": str(taker.id)}
    page = await hands.post("/console/handover", **form)
    assert (hands.status, "核对过了" in page) == (400, True)
    page = await hands.post("/console/handover", **{**form, "sure": "1", "taker": form["giver"]})
    assert (hands.status, "同一个人" in page) == (400, True)
    page = await hands.post("/console/handover", **form, sure="1")
    assert "居民 3、" in page or "居民 3。" in page
    rows = await site.alarm.spine.rows(RESIDENT)
    assert sum(row.officer_id == taker.id for row in rows) == 3


async def test_who_may_hand_over_and_adjust(hands: Hands, at_work: Hands) -> None:
    for path in ("/console/handover", "/console/tags/surgery"):
        await at_work.get(path)
        assert at_work.status == 403, path
    await somebody(hands, Role.ADMIN)
    page = await hands.get("/console/handover")
    assert "我手上有" not in page
    await hands.get("/console/audience")
    assert hands.status == 403
    await as_police(hands)
    await hands.get("/console/work")
    await hands.post("/console/tags/surgery", kind="retire", sources="business_owner")
    assert hands.status == 403
    await hands.post("/console/tags/surgeries/1/undo")
    assert hands.status == 403


@both
async def test_a_surgery_is_looked_at_first(hands: Hands) -> None:
    await somebody(hands, Role.ADMIN)
    page = await hands.get("/console/tags")
    assert "/console/tags/surgery" in page
    await hands.get("/console/tags/surgery")
    page = await hands.post("/console/tags/surgery", kind="retire", sources="business_owner")
    assert "居民 1 位" in page
    seen = re.search(r'name="seen" value="([0-9a-f]{32})"', page)
    assert seen
    path, plan = file_of(hands.site, "ma"), {"kind": "retire", "sources": "business_owner"}
    page = await hands.post("/console/tags/surgery", **{**plan, "sources": "renter"}, seen=seen[1])
    assert "再看一遍" in page
    assert "business_owner" in await current(hands.site, path)
    page = await hands.post("/console/tags/surgery", **plan, seen=seen[1])
    assert "调整好了" in page
    assert "business_owner" not in await current(hands.site, path)
    number = re.search(r"/tags/surgeries/(\d+)/undo", page)
    assert number
    page = await hands.post(f"/console/tags/surgeries/{number[1]}/undo")
    assert ("撤销了" in page, "已撤销" in page) == (True, True)
    assert "business_owner" in await current(hands.site, path)
    await hands.post(f"/console/tags/surgeries/{number[1]}/undo")
    assert hands.status == 409
    page = await hands.post(
        "/console/tags/surgery", kind="rename", sources="business_owner", target="boss"
    )
    assert (hands.status, "还不在标签表里" in page) == (400, True)
    await hands.post("/console/tags/surgery", kind="burn", sources="business_owner")
    assert hands.status == 400


async def test_a_surgery_shows_and_writes_the_tags_files(hands: Hands, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tags", tmp_path / "tags")
    await somebody(hands, Role.ADMIN)
    await hands.get("/console/tags/surgery")
    plan = {"kind": "rename", "sources": "business_owner", "target": "boss"}
    page = await hands.post("/console/tags/surgery", **plan)
    assert "-  - slug: business_owner" in page
    patch = await hands.post("/console/tags/surgery", **plan, patch="1")
    (tmp_path / "tags.patch").write_text(patch, encoding="utf-8")
    git = await asyncio.create_subprocess_exec(
        "git", "apply", "--check", "tags.patch", cwd=tmp_path
    )
    assert await git.wait() == 0
    await hands.get("/console/tags/surgery")
    seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
    assert seen is not None
    page = await hands.post("/console/tags/surgery", **plan, seen=seen[1], files="1")
    assert "tags 文件一起改了" in page
    text = (tmp_path / "tags" / "04-enterprise-role.yaml").read_text(encoding="utf-8")
    assert "slug: boss\n" in text
    assert "business_owner" not in text
