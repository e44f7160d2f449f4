"""The parts of residents' own rights, put together once a process."""

from dataclasses import dataclass

from jingxiaowei.services.audit import Audit
from jingxiaowei.services.consent_asking import ConsentAsking
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.files_house import FileHouse
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.own_export import Exports
from jingxiaowei.services.own_requests import OwnRequests
from jingxiaowei.services.own_rights import OwnRights
from jingxiaowei.services.own_view import OwnViews
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class OwnHouse:
    """What the ledger, the chat page and the console call."""

    rights: OwnRights  # the ledger: exercise_all
    exports: Exports  # the chat page: take
    asking: ConsentAsking  # an officer: ask


def build(
    database: Database, content: ContentAndMind, audit: Audit, officers: Officers, files: FileHouse
) -> OwnHouse:
    """Wire the rights."""
    requests = OwnRequests(database, files.requests)
    own = OwnViews(database, officers, requests)
    exports = Exports(database, content, audit, files.consents, own)
    rights = OwnRights(
        database, content, audit, files.choices, files.consents, requests, own, exports
    )
    asking = ConsentAsking(database, content, files.rights, files.consents)
    return OwnHouse(rights, exports, asking)
