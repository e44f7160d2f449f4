"""The parts of the alerts, put together once a process."""

from dataclasses import dataclass

from jingxiaowei.services.alerts import Alerts
from jingxiaowei.services.alerts_book import AlertBook
from jingxiaowei.services.alerts_cases import Cases
from jingxiaowei.services.alerts_closing import AlertClosing
from jingxiaowei.services.alerts_contacts import Contacts
from jingxiaowei.services.alerts_pictures import AlertPictures
from jingxiaowei.services.alerts_review import AlertReviews
from jingxiaowei.services.alerts_rights import Rights
from jingxiaowei.services.alerts_settled import Settled
from jingxiaowei.services.alerts_speech import Speech
from jingxiaowei.services.alerts_steps import Steps
from jingxiaowei.services.alerts_verdicts import Verdicts
from jingxiaowei.services.alerts_watch import Watch
from jingxiaowei.services.alerts_work import AlertDesk
from jingxiaowei.services.audit import Audit
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.current import ContentAndMind
from jingxiaowei.services.emergencies import Emergencies
from jingxiaowei.services.media import MediaKeeper
from jingxiaowei.services.notice_delivery import NoticeDelivery, Teller
from jingxiaowei.services.notices import Notices
from jingxiaowei.services.officers import Officers
from jingxiaowei.store.engine import Database


@dataclass(frozen=True, slots=True)
class AlertHouse:
    """What the ledger, the workers, the callback and the console call."""

    alerts: Alerts  # the ledger: record
    contacts: Contacts  # the ledger: give
    desk: AlertDesk
    closing: AlertClosing
    book: AlertBook
    reviews: AlertReviews
    pictures: AlertPictures
    verdicts: Verdicts
    watch: Watch  # a worker: run
    delivery: NoticeDelivery  # a worker: run
    emergencies: Emergencies  # the ledger: announce
    notices: Notices
    settled: Settled  # the turn: current


def build(
    database: Database,
    bell: Bell,
    content: ContentAndMind,
    audit: Audit,
    officers: Officers,
    teller: Teller,
    media: MediaKeeper,
) -> AlertHouse:
    """Wire the alerts. ``teller`` is the way to officers: WeCom's cards, or ``NoTeller``."""
    speech, notices = Speech(database, content), Notices(database)
    cases = Cases(database, notices)
    alerts = Alerts(database, bell, content, speech, notices, cases)
    steps = Steps(database, bell, officers, Rights(audit), alerts)
    desk = AlertDesk(steps, notices, speech)
    settled = Settled(database, content)
    emergencies = Emergencies(notices, speech)
    return AlertHouse(
        alerts,
        Contacts(database, bell, content, alerts, notices),
        desk,
        AlertClosing(steps, cases, notices, settled),
        AlertBook(steps),
        AlertReviews(steps),
        AlertPictures(steps, media),
        Verdicts(steps, cases, speech),
        Watch(database, bell, alerts, emergencies, notices, speech),
        NoticeDelivery(database, bell, officers, notices, teller),
        emergencies,
        notices,
        settled,
    )
