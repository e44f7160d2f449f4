"""客户联系, put together once a process."""

from dataclasses import dataclass

from jingxiaowei.services.audit import Audit
from jingxiaowei.services.contact_offers import ContactOffers, Teller
from jingxiaowei.services.contact_relations import Relations
from jingxiaowei.services.contact_watch import ContactWatch
from jingxiaowei.services.mirror_values import FarTags
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tag_mirror import TagMirror
from jingxiaowei.services.tagging import Content, Tagging
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class ContactHouse:
    """What the callback, the workers and the commands call."""

    relations: Relations
    offers: ContactOffers
    mirror: TagMirror  # the command: tags sync
    watch: ContactWatch  # the callback: take, choose; a worker: run


def build(
    database: Database,
    audit: Audit,
    content: Content,
    officers: Officers,
    tagging: Tagging,
    suggestions: Suggestions,
    far: FarTags,
    teller: Teller,
    corp_id: str,
) -> ContactHouse:
    """Wire the parts. ``far`` and ``teller`` are WeCom's contacts and its cards to officers."""
    relations = Relations(database, audit, corp_id)
    offers = ContactOffers(database, content, officers, tagging, teller)
    mirror = TagMirror(database, content, officers, tagging, suggestions, relations, far)
    return ContactHouse(relations, offers, mirror, ContactWatch(relations, offers, mirror))
