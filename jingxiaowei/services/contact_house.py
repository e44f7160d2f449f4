"""客户联系, put together once a process."""

from dataclasses import dataclass
from typing import Protocol

from jingxiaowei.services.audit import Audit
from jingxiaowei.services.contact_offers import ContactOffers, Teller
from jingxiaowei.services.contact_relations import Relations
from jingxiaowei.services.contact_watch import ContactWatch, Greeter
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.mirror_values import FarTags
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.tag_mirror import TagMirror
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.store.engine import Database


class Far(FarTags, Greeter, Protocol):
    """WeCom's contacts: their tags, and the first words to them."""


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
    content: ContentAndMind,
    officers: Officers,
    tagging: Tagging,
    suggestions: Suggestions,
    far: Far,
    teller: Teller,
    corp_id: str,
    privacy: str,
) -> ContactHouse:
    """Wire the parts. ``far`` and ``teller`` are WeCom's contacts and its cards to officers;
    ``privacy`` is where residents read the rules."""
    relations = Relations(database, audit, corp_id)
    offers = ContactOffers(database, content, officers, tagging, teller)
    mirror = TagMirror(database, content, officers, tagging, suggestions, relations, far)
    watch = ContactWatch(content, relations, offers, mirror, far, privacy)
    return ContactHouse(relations, offers, mirror, watch)
