"""客户联系 of the fake WeCom: corp tags, and which member has which resident as a contact."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
MOST_TAGS = 3000


class RefusedError(Exception):
    """What a handler answers instead of a result."""

    def __init__(self, errcode: int) -> None:
        self.errcode = errcode


@dataclass
class Relation:
    """One member's relation to one resident: the tags are this member's."""

    remark: str = ""
    tags: list[str] = field(default_factory=list)


class FakeContacts:
    """``groups``: corp tags by group id; ``relations``: by (userid, external_userid)."""

    def __init__(self, corp_id: str, members: set[str], now: Callable[[], float]) -> None:
        self._corp_id = corp_id
        self._members = members
        self._now = now
        self._numbers = itertools.count(1)
        self.groups: dict[str, Json] = {}
        self.relations: dict[tuple[str, str], Relation] = {}
        self.people: dict[str, str] = {}
        self.welcomes: dict[str, tuple[str, float]] = {}  # by code: whom, and when it was given
        self.welcomed: dict[str, str] = {}  # what stands in the new chats
        self.foreign: set[str] = set()  # tags that another app made: not ours to change
        self.under_way, self.most_under_way = 0, 0

    def handlers(self) -> dict[str, Callable[[Json], Json]]:
        return {
            f"externalcontact/{name}": handler
            for name, handler in {
                "get_corp_tag_list": self._tag_list,
                "add_corp_tag": self._add_tags,
                "edit_corp_tag": self._edit_tag,
                "del_corp_tag": self._delete_tags,
                "mark_tag": self._mark,
                "get": self._get,
                "list": self._list,
                "send_welcome_msg": self._welcome,
            }.items()
        }

    # What members and admins do in WeCom

    def add(self, userid: str, external: str, name: str = "阿陈") -> None:
        """A member and a resident are contacts now."""
        self.people[external] = name
        self.relations.setdefault((userid, external), Relation())

    def remove(self, userid: str, external: str) -> None:
        del self.relations[userid, external]

    def tag_id(self, name: str) -> str:
        return next(tag["id"] for tag in self._tags() if tag["name"] == name)

    def marks(self, userid: str, external: str, name: str) -> None:
        """A member tags a contact by hand."""
        self.relations[userid, external].tags.append(self.tag_id(name))

    def unmarks(self, userid: str, external: str, name: str) -> None:
        self.relations[userid, external].tags.remove(self.tag_id(name))

    def names(self, userid: str, external: str) -> set[str]:
        """The names of a contact's tags."""
        by_id = {tag["id"]: tag["name"] for tag in self._tags()}
        return {by_id[tag] for tag in self.relations[userid, external].tags}

    def make_tag(self, group: str, name: str, foreign: bool = False) -> str:
        """An admin makes a tag by hand, or another app does."""
        made = self._add_tags({"group_name": group, "tag": [{"name": name}]})
        tag_id: str = made["tag_group"]["tag"][0]["id"]
        if foreign:
            self.foreign.add(tag_id)
        return tag_id

    def delete_tag(self, name: str) -> None:
        """An admin deletes a tag by hand; it goes from every contact."""
        self._delete_tags({"tag_id": [self.tag_id(name)]})

    def event_xml(self, change: str, userid: str, external: str, welcome: str = "") -> str:
        if welcome:
            self.welcomes.setdefault(welcome, (external, self._now()))
        code = f"<WelcomeCode><![CDATA[{welcome}]]></WelcomeCode>" if welcome else ""
        return (
            f"<xml><ToUserName><![CDATA[{self._corp_id}]]></ToUserName>"
            "<FromUserName><![CDATA[sys]]></FromUserName>"
            f"<CreateTime>{int(self._now())}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
            "<Event><![CDATA[change_external_contact]]></Event>"
            f"<ChangeType><![CDATA[{change}]]></ChangeType>"
            f"<UserID><![CDATA[{userid}]]></UserID>"
            f"<ExternalUserID><![CDATA[{external}]]></ExternalUserID>{code}</xml>"
        )

    # The API

    def _tags(self) -> Iterator[Json]:
        for group in self.groups.values():
            yield from group["tag"]

    def _welcome(self, payload: Json) -> Json:
        """Once a code, within 20 seconds of its being given."""
        external, given_at = self.welcomes.get(payload["welcome_code"], ("", 0.0))
        text = payload["text"]["content"]
        if not external or external in self.welcomed or self._now() - given_at > 20:
            raise RefusedError(41051 if external else 40029)
        if not 0 < len(text.encode()) <= 4000:
            raise RefusedError(45002)
        self.welcomed[external] = text
        return {}

    def _tag_list(self, payload: Json) -> Json:
        wanted = set(payload.get("tag_id", ()))
        if wanted - {tag["id"] for tag in self._tags()}:
            raise RefusedError(40068)
        return {"tag_group": [dict(group) for group in self.groups.values()]}

    def _add_tags(self, payload: Json) -> Json:
        if "group_id" in payload:
            if payload["group_id"] not in self.groups:
                raise RefusedError(40069)
            group = self.groups[payload["group_id"]]
        else:
            name = payload["group_name"]
            if not 0 < len(name) <= 30:
                raise RefusedError(40072)
            group = next((g for g in self.groups.values() if g["group_name"] == name), None) or {
                "group_id": f"etG{next(self._numbers)}",
                "group_name": name,
                "tag": [],
            }
        names = [tag["name"] for tag in payload["tag"]]
        if not names or not all(0 < len(name) <= 30 for name in names):
            raise RefusedError(40072)
        if {tag["name"] for tag in group["tag"]} & set(names) or len(set(names)) < len(names):
            raise RefusedError(40071)
        if sum(1 for _ in self._tags()) + len(names) > MOST_TAGS:
            raise RefusedError(45058)
        self.groups[group["group_id"]] = group
        made = [{"id": f"etT{next(self._numbers)}", "name": name} for name in names]
        group["tag"] += made
        return {"tag_group": {**group, "tag": made}}

    def _edit_tag(self, payload: Json) -> Json:
        for tag in self._tags():
            if tag["id"] == payload["id"]:
                if tag["id"] in self.foreign:
                    raise RefusedError(81011)
                tag["name"] = payload["name"]
                return {}
        raise RefusedError(40068)

    def _delete_tags(self, payload: Json) -> Json:
        gone = set(payload["tag_id"])
        if gone - {tag["id"] for tag in self._tags()}:
            raise RefusedError(40068)
        if gone & self.foreign:
            raise RefusedError(81011)
        for group in list(self.groups.values()):
            group["tag"] = [tag for tag in group["tag"] if tag["id"] not in gone]
            if not group["tag"]:
                del self.groups[group["group_id"]]
        for relation in self.relations.values():
            relation.tags = [tag for tag in relation.tags if tag not in gone]
        return {}

    def _mark(self, payload: Json) -> Json:
        if payload["userid"] not in self._members:
            raise RefusedError(60111)
        if payload["external_userid"] not in self.people:
            raise RefusedError(40096)
        relation = self.relations.get((payload["userid"], payload["external_userid"]))
        if relation is None:
            raise RefusedError(84061)
        add, remove = payload.get("add_tag", []), payload.get("remove_tag", [])
        if not add and not remove:
            raise RefusedError(40058)
        if {*add, *remove} - {tag["id"] for tag in self._tags()}:
            raise RefusedError(40068)
        kept = [tag for tag in relation.tags if tag not in remove]
        relation.tags = kept + [tag for tag in add if tag not in kept]
        return {}

    def _get(self, query: Json) -> Json:
        external = query["external_userid"]
        if external not in self.people:
            raise RefusedError(40096)
        by_id = {tag["id"]: tag["name"] for tag in self._tags()}
        follow = [
            {
                "userid": userid,
                "remark": relation.remark,
                "tags": [
                    {"group_name": "", "tag_name": by_id[tag], "tag_id": tag, "type": 1}
                    for tag in relation.tags
                ],
            }
            for (userid, who), relation in self.relations.items()
            if who == external
        ]
        if not follow:
            raise RefusedError(84061)
        contact = {"external_userid": external, "name": self.people[external], "type": 1}
        return {"external_contact": contact, "follow_user": follow}

    def _list(self, query: Json) -> Json:
        if query["userid"] not in self._members:
            raise RefusedError(60111)
        mine = [external for userid, external in self.relations if userid == query["userid"]]
        if not mine:
            raise RefusedError(84061)
        return {"external_userid": mine}
