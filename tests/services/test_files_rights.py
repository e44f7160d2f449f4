"""Every role × every act: the table of who may do what with residents' files."""

import pytest

from jingxiaowei.errors import PermissionDeniedError
from jingxiaowei.services.files_rights import Act, require
from jingxiaowei.store.tables import Role

POLICE, AUXILIARY, ADMIN, AUDITOR = Role.POLICE, Role.AUXILIARY, Role.ADMIN, Role.AUDITOR
TABLE = {
    Act.VIEW: {POLICE, AUXILIARY},
    Act.VIEW_CAREFUL: {POLICE},
    Act.ORIGINAL: {POLICE, AUXILIARY},
    Act.NOTES: {POLICE},
    Act.READS: {POLICE, AUDITOR},
    Act.SEARCH: {POLICE, AUXILIARY},
    Act.SEARCH_CAREFUL: {POLICE},
    Act.TAG: {POLICE, AUXILIARY},
    Act.TAG_CAREFUL: {POLICE},
    Act.PROPOSE: {POLICE, AUXILIARY},
    Act.CONTACT: {POLICE, AUXILIARY},
    Act.MINOR: {POLICE, AUXILIARY},
    Act.PLACE: {POLICE},
    Act.MERGE: {POLICE},
    Act.HANDOVER: {POLICE, ADMIN},
    Act.REQUESTS: {POLICE, AUXILIARY},
    Act.ANSWER: {POLICE},
    Act.EXPORT: {POLICE},
    Act.ERASE: {POLICE},
    Act.COUNT: {POLICE, AUXILIARY},
    Act.LIST_AUDIENCE: {POLICE},
    Act.SAVE_AUDIENCE: {POLICE},
    Act.SURGERY: {ADMIN},
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(Act)


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("role", list(Role))
def test_every_role_and_act(role: Role, act: Act) -> None:
    if role in TABLE[act]:
        require(role, act)
        return
    with pytest.raises(PermissionDeniedError) as refused:
        require(role, act)
    words = str(refused.value)
    assert words.endswith("。")
    assert words.isascii() is False
