"""合法性基础 where nobody was asked for one: lists and WeCom's tags."""

from jingxiaowei.content.tag_model import Tag
from jingxiaowei.services.tagging_values import Standing
from jingxiaowei.store.file_tables import ConsentKind, Ground


def ground_of(standing: Standing, tag: Tag) -> Ground | None:
    """Consent where the resident has given it, the officer's duty where nobody has asked yet;
    None where the resident has said no."""
    kinds = [ConsentKind.TAGS, *([ConsentKind.CAREFUL] if tag.careful else [])]
    said = [standing.consents.get(kind) for kind in kinds]
    if False in said:
        return None
    return Ground.CONSENT if all(said) else Ground.DUTY
