"""A small taxonomy for the tests of files."""

from jingxiaowei.content.tag_model import (
    Applier,
    Cues,
    Purpose,
    Sensitivity,
    Tag,
    TagGroup,
    Taxonomy,
)

PAR = ("police", "auxiliary", "resident")


def _tag(
    slug: str,
    name: str,
    days: int | None = 365,
    by: tuple[str, ...] = PAR,
    s: str = "general",
    minors: bool = False,
) -> Tag:
    return Tag(
        slug=slug,
        name=name,
        definition=name,
        applied_by=tuple(Applier(each) for each in by),
        purposes=(Purpose.SERVICE,),
        expires_days=days,
        suggested_by=Cues(facts=("H03",)) if slug == "need_passport" else Cues(),
        sensitivity=Sensitivity(s),
        minors=minors,
    )


def _group(
    slug: str, name: str, tags: tuple[Tag, ...], one_of: tuple[tuple[str, ...], ...] = ()
) -> TagGroup:
    tags = tuple(tag.model_copy(update={"group": slug}) for tag in tags)
    return TagGroup(slug=slug, name=name, tags=tags, one_of=one_of)


_GROUPS = [
    _group(
        "family_life",
        "年龄与家庭",
        (
            _tag("young_adult", "青年居民", 730),
            _tag("middle_aged", "中年居民", 730),
            _tag("senior_60", "六十岁以上", 730),
            _tag("senior_70", "七十岁以上", 730),
        ),
        (("young_adult", "middle_aged", "senior_60"), ("young_adult", "middle_aged", "senior_70")),
    ),
    _group(
        "enterprise_role",
        "企业岗位",
        (_tag("finance_staff", "财务人员"), _tag("business_owner", "企业负责人")),
    ),
    _group(
        "service_need",
        "办事需求",
        (
            _tag("need_passport", "护照办理", 60, minors=True),
            _tag("need_home_visit", "上门办证需求", 60, ("police", "auxiliary"), "careful", True),
        ),
    ),
    _group(
        "fraud_theme",
        "反诈防范主题",
        (_tag("theme_dating_fraud", "交友诱骗防范", 120, ("police",), "careful"),),
    ),
    _group(
        "outreach_state",
        "宣防触达",
        (
            _tag("quiz_done", "已完成答题", 180, ("system",)),
            _tag("face_talked", "已当面宣防", 180, ("police", "auxiliary")),
        ),
    ),
    _group(
        "care",
        "服务关怀",
        (
            _tag("elder_alone", "独居老人", 180, ("police",), "careful"),
            _tag("accessible_service", "无障碍服务", 730, ("police", "resident"), "careful"),
        ),
    ),
    _group(
        "contact_pref",
        "沟通偏好",
        (
            _tag("pref_large_text", "大字简版", None, ("resident",), minors=True),
            _tag("pref_call", "电话优先", None, ("resident",), minors=True),
            _tag("opt_out", "不接收宣传", None, ("resident",), minors=True),
        ),
    ),
]
TAXONOMY = Taxonomy(tuple(_GROUPS), {t.slug: t for g in _GROUPS for t in g.tags})
