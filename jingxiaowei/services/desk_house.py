"""What the officers' pages about residents, tickets and the trail call, put together once."""

from dataclasses import dataclass

from jingxiaowei.content.tag_model import Taxonomy
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.alerts_taps import CardTaps
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.colleagues import Colleagues
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.dossiers import Dossiers
from jingxiaowei.services.files_house import FileHouse
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.questions import Questions
from jingxiaowei.services.register import Register
from jingxiaowei.services.tag_counts import TagCounts
from jingxiaowei.services.tickets import Tickets
from jingxiaowei.services.trail import Trail
from jingxiaowei.services.worklist import Worklist
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class DeskHouse:
    """The console's side of the files."""

    files: FileHouse
    content: ContentAndMind
    register: Register
    dossiers: Dossiers
    worklist: Worklist
    tickets: Tickets
    questions: Questions
    counts: TagCounts
    trail: Trail
    colleagues: Colleagues
    taps: CardTaps  # the callback: take

    @property
    def taxonomy(self) -> Taxonomy:
        """The tags of the moment."""
        return self.content.library.taxonomy


def build(
    database: Database,
    bell: Bell,
    content: ContentAndMind,
    audit: Audit,
    officers: Officers,
    files: FileHouse,
    alerts: AlertHouse,
) -> DeskHouse:
    """Wire the desk."""
    tickets = Tickets(database, bell, content, audit, officers, files.replies, alerts.emergencies)
    return DeskHouse(
        files,
        content,
        Register(database, content, officers, files.rights, files.search),
        Dossiers(database, content, files.files),
        Worklist(
            database, files.suggestions, files.reviews, files.requests, files.replies, tickets
        ),
        tickets,
        Questions(database, audit, content),
        TagCounts(database),
        Trail(database, audit, officers),
        Colleagues(database, officers),
        CardTaps(database, bell, officers, alerts.desk, tickets, alerts.notices),
    )
