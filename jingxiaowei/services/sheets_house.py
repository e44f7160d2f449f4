"""Import and export, put together for a command."""

from dataclasses import dataclass

from jingxiaowei.content.model import Library
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.files_rights import FileRights
from jingxiaowei.services.officers import Officers, Signed
from jingxiaowei.services.sheets import SheetImport
from jingxiaowei.services.sheets_export import SheetExport
from jingxiaowei.services.sheets_landing import Landing
from jingxiaowei.services.sheets_members import Members
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.store.engine import Database
from jingxiaowei.store.tables import Role


@dataclass(frozen=True, slots=True)
class SheetHouse:
    """What the commands call."""

    landing: Landing
    importing: SheetImport
    exporting: SheetExport


@dataclass(frozen=True, slots=True)
class _Content:
    library: Library


def build(
    database: Database,
    audit: Audit,
    officers: Officers,
    library: Library,
    corp_id: str,
) -> SheetHouse:
    """Wire both."""
    rights = FileRights(audit)
    content = _Content(library)
    suggestions = Suggestions(database, audit, content, officers, rights)
    landing = Landing(database, audit, officers, suggestions, content, corp_id)
    return SheetHouse(
        landing,
        SheetImport(database, officers, landing, library, corp_id),
        SheetExport(database, audit, rights, library, Members(database, library)),
    )


def onlooker(library: Library) -> Signed:
    """Through whose eyes a list is judged when nobody has signed in: a policeman's at the county
    desk. Nothing can be written in this name."""
    return Signed(0, "", "预览", Role.POLICE, library.desk().id)
