"""The console's routes."""

from aiohttp import web

from jingxiaowei.console.alerts import AlertPages
from jingxiaowei.console.audience import AudiencePages
from jingxiaowei.console.entrance import Entrance
from jingxiaowei.console.guard import Guard
from jingxiaowei.console.keeping import KeepingPages
from jingxiaowei.console.moving import MovingPages
from jingxiaowei.console.pages import set_up
from jingxiaowei.console.person_steps import PersonSteps
from jingxiaowei.console.residents import ResidentPages
from jingxiaowei.console.steps import AlertSteps
from jingxiaowei.console.streams import Streams
from jingxiaowei.console.tag_steps import TagSteps
from jingxiaowei.console.trying import TrialPages
from jingxiaowei.console.work import WorkPages
from jingxiaowei.services.alerts_house import AlertHouse
from jingxiaowei.services.bell import Bell
from jingxiaowei.services.desk_house import DeskHouse
from jingxiaowei.services.signins import SignIns
from jingxiaowei.settings import Settings


def make_console(
    settings: Settings, alerts: AlertHouse, desk: DeskHouse, sign_ins: SignIns, bell: Bell
) -> web.Application:
    """The application for ``add_subapp("/console", …)``."""
    guard = Guard(sign_ins, settings.secret_key.get_secret_value(), secure=not settings.demo)
    app = web.Application(middlewares=[guard.middleware()], client_max_size=64 * 1024)
    set_up(app, settings)
    entrance = Entrance(sign_ins, guard)
    pages, steps = AlertPages(alerts, desk.tickets), AlertSteps(alerts)
    streams = Streams(bell, sign_ins)
    app.add_routes(
        [
            web.get("/sign-in", entrance.page),
            web.post("/sign-in", entrance.sign_in),
            web.get("/enter", entrance.enter),
            web.post("/sign-out", entrance.sign_out),
            web.get("/", pages.today),
            web.get("/log", pages.log),
            web.get("/history", pages.history),
            web.post("/history", pages.search),
            web.get(r"/alerts/{id:\d{1,18}}", pages.review),
            web.post(r"/alerts/{id:\d{1,18}}/original", pages.original),
            web.get(r"/alerts/{id:\d{1,18}}/pictures/{media:[0-9a-z]{26}}", pages.picture),
            web.post(r"/alerts/{id:\d{1,18}}/handover", pages.handover),
            web.get(r"/alerts/{id:\d{1,18}}/verdict", pages.recipients),
            web.post(r"/alerts/{id:\d{1,18}}/call", steps.call),
            web.post(r"/alerts/{id:\d{1,18}}/{step:[a-z_]{1,20}}", steps.take),
            web.get("/events", streams.events, allow_head=False),
        ]
    )
    app.add_routes(_desk_routes(desk))
    app.on_shutdown.append(streams.close)
    return app


_RESIDENT = r"/residents/{id:[0-9a-f]{32}}"


def _desk_routes(desk: DeskHouse) -> list[web.RouteDef]:
    """Residents, what waits, tickets, and what admins and auditors keep."""
    residents, tags, person = ResidentPages(desk), TagSteps(desk), PersonSteps(desk)
    work, keeping = WorkPages(desk), KeepingPages(desk)
    audience, moving, trial = AudiencePages(desk), MovingPages(desk), TrialPages(desk.content)
    return [
        web.get("/residents", residents.list),
        web.post("/residents", residents.search),
        web.get(_RESIDENT, residents.file),
        web.post(_RESIDENT, residents.enter),
        web.post(f"{_RESIDENT}/careful", residents.careful),
        web.post(f"{_RESIDENT}/contact", residents.contact),
        web.get(rf"{_RESIDENT}/said/{{number:\d{{1,18}}}}", residents.original),
        web.post(rf"{_RESIDENT}/said/{{number:\d{{1,18}}}}", residents.original),
        web.post(f"{_RESIDENT}/contacts", person.contact),
        web.post(f"{_RESIDENT}/place", person.place),
        web.post(f"{_RESIDENT}/minor", person.minor),
        web.get(f"{_RESIDENT}/merge", person.merging),
        web.post(f"{_RESIDENT}/merge", person.merge),
        web.post(rf"{_RESIDENT}/merges/{{number:\d{{1,18}}}}/undo", person.unmerge),
        web.get(f"{_RESIDENT}/tag", tags.picker),
        web.post(f"{_RESIDENT}/tag", tags.note),
        web.post(rf"{_RESIDENT}/tags/{{number:\d{{1,18}}}}/end", tags.end),
        web.post(rf"{_RESIDENT}/tags/{{number:\d{{1,18}}}}/renew", tags.renew),
        web.post(rf"{_RESIDENT}/tags/{{number:\d{{1,18}}}}/note", tags.reword),
        web.post(f"{_RESIDENT}/notes", residents.notes),
        web.post(rf"{_RESIDENT}/suggestions/{{number:\d{{1,18}}}}/confirm", tags.confirm),
        web.post(rf"{_RESIDENT}/suggestions/{{number:\d{{1,18}}}}/decline", tags.decline),
        web.get("/work", work.work),
        web.post(r"/requests/{number:\d{1,18}}/{step:answer|refuse}", work.answer),
        web.post(r"/replies/{number:\d{1,18}}/called", work.called),
        web.get("/tickets", work.tickets),
        web.get(r"/tickets/{number:\d{1,18}}", work.ticket),
        web.post(r"/tickets/{number:\d{1,18}}/{step:claim|release|close}", work.step),
        web.get("/questions", keeping.questions),
        web.post(r"/questions/{key:[0-9a-f]{32}}/{state:done|ignored|new}", keeping.settle),
        web.get("/tags", keeping.tags),
        web.get("/tags/surgery", moving.surgery),
        web.post("/tags/surgery", moving.preview),
        web.post(r"/tags/surgeries/{number:\d{1,18}}/undo", moving.undo),
        web.get("/audience", audience.page),
        web.post("/audience", audience.ask),
        web.get("/ask", trial.page),
        web.post("/ask", trial.ask),
        web.get("/handover", moving.handover),
        web.post("/handover", moving.hand_over),
        web.get("/trail", keeping.trail),
        web.post("/trail/verify", keeping.verify),
    ]
