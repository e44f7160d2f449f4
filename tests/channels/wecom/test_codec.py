"""The codec against Tencent's own code, and against everything that is not from Tencent."""

import base64
import hashlib
import time
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.work.crypto import PrpCrypto, WeChatCrypto
from wework_callback.WXBizMsgCrypt3 import WXBizMsgCrypt

from jingxiaowei.channels.wecom.codec import Codec, Sealed
from jingxiaowei.errors import BadMessageError, BadSignatureError, SettingsError
from tests.fakes import FakeWeCom

TOKEN, KEY, CORP = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
OTHER_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aQ"
CODEC = Codec(TOKEN, KEY, CORP)

XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=60)


def sign(encrypted: str, **changed: str) -> dict[str, str]:
    """A query whose signature fits the ciphertext."""
    query = {"timestamp": "1409659813", "nonce": "1372623149"}
    signed = "".join(sorted([TOKEN, query["timestamp"], query["nonce"], encrypted]))
    return query | {"msg_signature": hashlib.sha1(signed.encode()).hexdigest()} | changed  # noqa: S324


def encrypt(plaintext: str | bytes, key: str = KEY, receiver: str = CORP) -> str:
    crypto = PrpCrypto(WeChatCrypto(TOKEN, key, receiver).key)
    return str(crypto.encrypt(plaintext, receiver).decode())


def encrypt_raw(padded: bytes) -> str:
    cipher = PrpCrypto(WeChatCrypto(TOKEN, KEY, CORP).key).cipher
    return base64.b64encode(cipher.encrypt(padded)).decode()


def envelope(encrypted: str) -> bytes:
    return (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName>"
        f"<Encrypt><![CDATA[{encrypted}]]></Encrypt><AgentID><![CDATA[218]]></AgentID></xml>"
    ).encode()


def opened(plaintext: str | bytes) -> Sealed:
    encrypted = encrypt(plaintext)
    return CODEC.open(sign(encrypted), envelope(encrypted))


def test_the_official_example_of_the_documentation() -> None:
    query = {
        "msg_signature": "477715d11cdb4164915debcba66cb864d751f3e6",
        "timestamp": "1409659813",
        "nonce": "1372623149",
    }
    encrypted = (
        "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3Qc"
        "zcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs"
        "8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4z"
        "G4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS"
        "0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAV"
        "e0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
    )
    sealed = CODEC.open(query, envelope(encrypted))
    assert sealed.fields["Content"] == "hello"
    assert sealed.fields["FromUserName"] == "mycreate"
    assert sealed.digest == hashlib.sha256(sealed.plaintext).hexdigest()


def test_the_official_example_of_an_echo() -> None:
    query = {
        "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        "timestamp": "1409659589",
        "nonce": "263014780",
        "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO"
        "+FZXvnaqQ==",
    }
    assert CODEC.verify_url(query) == "1616140317555161061"


@given(content=XML_TEXT)
def test_what_tencent_encrypts_we_read(content: str) -> None:
    fake = FakeWeCom()
    codec = Codec(fake.callback_token, fake.aes_key, fake.corp_id)
    plaintext = f"<xml><MsgType>text</MsgType><Content>{escape(content)}</Content></xml>"
    sealed = codec.open(*fake.sealed(plaintext))
    assert sealed.plaintext == plaintext.encode()
    assert (sealed.fields["Content"] or "") == content.strip()


@given(plaintext=XML_TEXT.filter(bool))
def test_what_we_accept_tencent_reads_too(plaintext: str) -> None:
    encrypted = encrypt(plaintext)
    query, peer = sign(encrypted), WXBizMsgCrypt(TOKEN, KEY, CORP)
    signed = (query["msg_signature"], query["timestamp"], query["nonce"])
    assert peer.VerifyURL(*signed, encrypted) == (0, plaintext.encode())
    assert CODEC.verify_url({**query, "echostr": encrypted}) == plaintext


def test_an_echo_whose_plus_was_not_escaped() -> None:
    encrypted = next(text for n in range(99) if "+" in (text := encrypt(f"echo{n}")))
    echo = CODEC.verify_url(sign(encrypted) | {"echostr": encrypted.replace("+", " ")})
    assert echo.startswith("echo")


@given(data=st.data())
def test_a_flipped_bit_is_refused_or_harmless(data: st.DataObject) -> None:
    encrypted = encrypt("<xml><MsgType>event</MsgType></xml>")
    body = bytearray(envelope(encrypted))
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:  # outside the ciphertext a bit means nothing, inside it must be noticed
        assert CODEC.open(sign(encrypted), bytes(body)).fields == {"MsgType": "event"}
    except (BadSignatureError, BadMessageError):
        return
    assert encrypted.encode() in body


@given(
    body=st.binary(max_size=200),
    query=st.dictionaries(st.sampled_from(["msg_signature", "timestamp", "nonce"]), st.text()),
)
def test_junk_is_refused(body: bytes, query: dict[str, str]) -> None:
    with pytest.raises((BadSignatureError, BadMessageError)):
        CODEC.open(query, body)
    with pytest.raises((BadSignatureError, BadMessageError)):
        CODEC.verify_url(query | {"echostr": body.decode("latin-1")})


@given(raw=st.binary(max_size=120))
def test_signed_junk_is_refused(raw: bytes) -> None:
    for encrypted in (base64.b64encode(raw).decode(), encrypt_raw(raw + bytes(-len(raw) % 16))):
        with pytest.raises((BadSignatureError, BadMessageError)):
            CODEC.open(sign(encrypted), envelope(encrypted))


@given(plaintext=st.binary(min_size=1, max_size=120) | st.text(min_size=1, max_size=60))
def test_a_signed_plaintext_that_is_no_callback_is_a_bad_message(plaintext: bytes | str) -> None:
    with pytest.raises(BadMessageError):
        opened(plaintext)


def test_a_wrong_signature() -> None:
    encrypted = encrypt("<xml><a>1</a></xml>")
    for changed in ({"msg_signature": "0" * 40}, {"timestamp": "1"}, {"nonce": "é"}):
        with pytest.raises(BadSignatureError, match="signature"):
            CODEC.open(sign(encrypted, **changed), envelope(encrypted))
    with pytest.raises(BadSignatureError, match="signature"):
        CODEC.open({"msg_signature": "签名"}, envelope(encrypted))


def test_the_signature_is_checked_before_the_base64() -> None:
    with pytest.raises(BadSignatureError):
        CODEC.open(sign("x") | {"nonce": ""}, envelope("not base64!"))
    with pytest.raises(BadMessageError, match="base64"):
        CODEC.open(sign("notbase64!"), envelope("notbase64!"))


def test_another_receiver() -> None:
    for receiver in ("wwsomeoneelse", CORP + "x", CORP[:-1]):
        encrypted = encrypt("<xml><a>1</a></xml>", receiver=receiver)
        with pytest.raises(BadSignatureError, match="receiver"):
            CODEC.open(sign(encrypted), envelope(encrypted))


def test_an_old_key() -> None:
    encrypted = encrypt("<xml><a>1</a></xml>", key=OTHER_KEY)
    with pytest.raises(BadSignatureError):
        CODEC.open(sign(encrypted), envelope(encrypted))


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        bytes(16),  # padding of length 0
        b"\x21" * 48,  # longer than a block of 32
        b"r" * 16 + b"\0\0\0\1a" + CORP.encode() + b"\1\2\3\4\5\6\7\x09\x09",  # not all the same
        b"r" * 16 + b"\xff\xff\xff\xff" + CORP.encode()[:10] + b"\2\2",  # beyond the end
        b"r" * 15 + b"\1",  # nothing but randomness
        b"\x10" * 16,
    ],
)
def test_padding_and_lengths_are_checked(padded: bytes) -> None:
    encrypted = encrypt_raw(padded) if padded else ""
    with pytest.raises((BadSignatureError, BadMessageError)):
        CODEC.open(sign(encrypted), envelope(encrypted))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<xml></xml>",
        b"<xml><Encrypt></Encrypt></xml>",
        b"<xml><Encrypt/></xml>",
        b"<xml><Encrypt>%s</Encrypt>",
        b"<xml><Encrypt>%s</Encrypt><Encrypt>%s</Encrypt></xml>",
        b"<xml><A><Encrypt>%s</Encrypt></A></xml>",
        b"<xml><A><![CDATA[<Encrypt>%s</Encrypt>]]></A></xml>",
        b"<xml><Encrypt a='1'>%s</Encrypt></xml>",
        b"<!DOCTYPE xml><xml><Encrypt>%s</Encrypt></xml>",
        b"<!DOCTYPE xml [<!ENTITY e 'x'>]><xml><Encrypt>%s</Encrypt></xml>",
        b"<xml><!-- --><Encrypt>%s</Encrypt></xml>",
        b"<xml><Encrypt>%s</Encrypt></xml><xml></xml>",
        b"\xef\xbb\xbf<json>",
    ],
)
def test_an_envelope_without_exactly_one_encrypt(body: bytes) -> None:
    encrypted = encrypt("<xml><a>1</a></xml>")
    with pytest.raises(BadMessageError):
        CODEC.open(sign(encrypted), body.replace(b"%s", encrypted.encode()))


@pytest.mark.parametrize(
    "layout",
    [
        b"<xml><Encrypt>%s</Encrypt></xml>",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<xml>\n<Encrypt>%s</Encrypt>\n</xml>\n',
        b"<xml><AgentID></AgentID><Encrypt>\n<![CDATA[%s]]>\n</Encrypt></xml>",
    ],
)
def test_layouts_of_an_envelope(layout: bytes) -> None:
    encrypted = encrypt("<xml><a>1</a></xml>")
    assert CODEC.open(sign(encrypted), layout % encrypted.encode()).fields == {"a": "1"}


@pytest.mark.parametrize(
    "plaintext",
    [
        "",
        "hello",
        "<xml></xml>",
        "<xml>text</xml>",
        "<xml><a></xml>",
        "<root><a>1</a></root>",
        "<xml><a>&undefined;</a></xml>",
        "<!DOCTYPE xml><xml><a>1</a></xml>",
        "<!DOCTYPE xml [<!ENTITY e 'x'>]><xml><a>&e;</a></xml>",
        "<!DOCTYPE xml SYSTEM 'file:///etc/passwd'><xml><a>1</a></xml>",
        "<xml><a>1</a></xml><xml/>",
        b"<xml><a>\xff</a></xml>",
        b"<xml><a>\0</a></xml>",
    ],
)
def test_a_signed_but_malformed_plaintext(plaintext: str | bytes) -> None:
    with pytest.raises(BadMessageError):
        opened(plaintext)


def test_an_echo_that_is_not_text() -> None:
    encrypted = encrypt(b"\xff\xfe")
    with pytest.raises(BadMessageError, match="UTF-8"):
        CODEC.verify_url(sign(encrypted) | {"echostr": encrypted})


def test_a_doctype_that_a_person_wrote_is_text() -> None:
    sealed = opened("<xml><Content><![CDATA[<!DOCTYPE html><!ENTITY x>]]></Content></xml>")
    assert sealed.fields == {"Content": "<!DOCTYPE html><!ENTITY x>"}


def test_nested_and_repeated_fields() -> None:
    sealed = opened(
        "<xml><Event>template_card_event</Event><Empty></Empty><SelectedItems><SelectedItem>"
        "<QuestionKey>q</QuestionKey><OptionIds><OptionId>1</OptionId><OptionId>2</OptionId>"
        "<OptionId>3</OptionId></OptionIds></SelectedItem></SelectedItems></xml>"
    )
    assert sealed.fields == {
        "Event": "template_card_event",
        "Empty": None,
        "SelectedItems": {
            "SelectedItem": {"QuestionKey": "q", "OptionIds": {"OptionId": ["1", "2", "3"]}}
        },
    }


_VALUE = st.text(
    st.sampled_from("文x ]&<>\n\r\t\x01\x85\u2028\ufffe") | st.characters(codec="utf-8"), max_size=6
)
_LEAVES = st.lists(st.tuples(st.sampled_from("ABCDE"), _VALUE, st.booleans(), st.booleans()))


def fields_or_none(plaintext: str) -> dict[str, object] | None:
    try:
        return opened(plaintext).fields
    except BadMessageError:
        return None


@given(leaves=_LEAVES)
def test_a_flat_message_is_read_as_the_parser_reads_it(
    leaves: list[tuple[str, str, bool, bool]],
) -> None:
    inner = "".join(
        f"<{name}>"
        + (f"<![CDATA[{value}]]>" if marked else escape(value) if escaped else value)
        + f"</{name}>"
        for name, value, marked, escaped in leaves
    )
    # A comment is nothing that a flat message has: with one it is the parser's.
    by_parser = fields_or_none(f"<xml><!-- -->{inner}</xml>")
    assert fields_or_none(f"<xml>{inner}</xml>") == by_parser


def test_endless_nesting() -> None:
    with pytest.raises(BadMessageError):
        opened("<xml>" + "<a>" * 9000 + "</a>" * 9000 + "</xml>")


def test_a_declared_encoding_is_not_believed() -> None:
    sealed = opened('<?xml version="1.0" encoding="gb2312"?><xml><Content>警</Content></xml>')
    assert sealed.fields == {"Content": "警"}


@pytest.mark.parametrize("key", ["", KEY[:-1], KEY + "A", KEY + "\n", KEY[:-1] + "=", "中" * 43])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(SettingsError, match="JXW_WECOM_AES_KEY"):
        Codec(TOKEN, key, CORP)


def test_an_empty_token_or_receiver() -> None:
    with pytest.raises(SettingsError, match="JXW_WECOM_TOKEN"):
        Codec("", KEY, CORP)
    with pytest.raises(SettingsError, match="JXW_WECOM_CORP_ID"):
        Codec(TOKEN, KEY, "")


def test_the_hot_path_is_quick() -> None:
    encrypted = encrypt("<xml><MsgType>text</MsgType><Content>身份证丢了怎么办</Content></xml>")
    query, body = sign(encrypted), envelope(encrypted)

    def once() -> float:
        started = time.perf_counter()
        for _ in range(100):
            CODEC.open(query, body)
        return (time.perf_counter() - started) / 100

    assert min(once() for _ in range(5)) < 200e-6  # 40 µs on an idle machine


def test_a_hostile_body_costs_linear_time() -> None:
    started = time.perf_counter()
    for body in (b"<xml>" + b"<a></a>" * 9000, b"<xml>" + b"<" * 64000, b" " * 64000 + b"<xml>"):
        with pytest.raises(BadMessageError):
            CODEC.open({}, body)
    assert time.perf_counter() - started < 0.5
