"""The parts of residents' files, put together once a process."""

from dataclasses import dataclass

from jingxiaowei.services.audiences import Audiences
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.choices import Choices
from jingxiaowei.services.consents import Consents
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.erasure import Erasure
from jingxiaowei.services.files import Files
from jingxiaowei.services.files_rights import FileRights
from jingxiaowei.services.files_search import FileSearch
from jingxiaowei.services.handing_over import HandingOver
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.merging import Merging
from jingxiaowei.services.minors import Minors
from jingxiaowei.services.note_changes import NoteChanges
from jingxiaowei.services.officers import Officers
from jingxiaowei.services.replies import Replies
from jingxiaowei.services.requests import Requests
from jingxiaowei.services.review_asking import ReviewAsking
from jingxiaowei.services.suggestions import Suggestions
from jingxiaowei.services.surgery_files import TagFiles
from jingxiaowei.services.tag_reviews import TagReviews
from jingxiaowei.services.tagging import Tagging
from jingxiaowei.services.taxonomy_surgery import TaxonomySurgery
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class FileHouse:
    """What the ledger, the workers, the chat, the console and the commands call."""

    rights: FileRights
    suggestions: Suggestions  # the ledger: raise_many
    tagging: Tagging
    choices: Choices  # the turn: choose, note_fact
    consents: Consents
    reviews: TagReviews
    asking: ReviewAsking  # a worker: run
    minors: Minors  # the ledger: heard
    erasure: Erasure  # a worker: run
    files: Files
    search: FileSearch
    notes: NoteChanges
    replies: Replies
    requests: Requests
    merging: Merging
    handing_over: HandingOver
    audiences: Audiences
    surgery: TaxonomySurgery


def build(
    database: Database,
    bell: Bell,
    content: ContentAndMind,
    audit: Audit,
    officers: Officers,
    media: MediaKeeper,
    tag_files: TagFiles | None = None,
) -> FileHouse:
    """Wire the files."""
    rights = FileRights(audit)
    suggestions = Suggestions(database, audit, content, officers, rights)
    consents = Consents(database, audit, content)
    replies = Replies(database, bell, content, rights)
    files = Files(database, content, officers, rights, suggestions, consents)
    tagging = Tagging(database, audit, content, officers, rights, suggestions)
    return FileHouse(
        rights,
        suggestions,
        tagging,
        Choices(database, audit, content, suggestions),
        consents,
        TagReviews(database, audit, content, rights, suggestions),
        ReviewAsking(database, bell, content),
        Minors(database, audit, content, rights),
        Erasure(database, bell, content, audit, rights, media),
        files,
        FileSearch(database, content, rights),
        NoteChanges(database, content, officers, rights, tagging),
        replies,
        Requests(database, audit, content, officers, rights, replies),
        Merging(database, content, rights),
        HandingOver(database, officers, rights),
        Audiences(database, content, rights),
        TaxonomySurgery(database, content, rights, tag_files),
    )
