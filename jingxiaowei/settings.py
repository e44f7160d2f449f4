"""Every setting, read once from the environment or ``.env`` (through python-dotenv).

``demo`` (the default) runs on this machine only, with sample data and a secret made on first use.
``production`` refuses to start while a secret is missing or still the example's.
"""

import difflib
import ipaddress
import logging
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from jingxiaowei.errors import SettingsError

PACKAGE = Path(__file__).parent
EXAMPLE_PREFIX = "change-me"
ENV_FILE = ".env"
_ENV_ENCODING = "utf-8-sig"  # some editors put a mark before the first line
_ADDRESS = re.compile(r"https?://[^\s/]+\S*")
_GIVEN = re.compile(r"^\s*(?:export\s+)?(JXW_\w+)\s*=", re.MULTILINE | re.IGNORECASE)
_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")


log = logging.getLogger(__name__)


class Mode(StrEnum):
    DEMO = "demo"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """The settings, named as in ``.env.example`` without the ``JXW_`` prefix."""

    model_config = SettingsConfigDict(
        env_prefix="JXW_",
        env_file=ENV_FILE,
        env_file_encoding=_ENV_ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    mode: Mode = Mode.DEMO
    database_url: str = "sqlite+aiosqlite:///data/jingxiaowei.db"
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    secret_key: SecretStr = SecretStr("")
    secret_key_old: SecretStr = SecretStr("")
    data_dir: Path = Path("data")
    unit_name: str = "海盐县公安局"
    chat_enabled: bool = False
    public_url: str = ""
    metrics_token: SecretStr = SecretStr("")
    trusted_proxy: bool = False

    faq_dir: Path = Path("faq")
    tags_dir: Path = Path("tags")
    scams_dir: Path = PACKAGE / "content" / "scams"
    lexicon_dir: Path = PACKAGE / "content" / "lexicon"
    county_dir: Path = PACKAGE / "content" / "county"
    voice_dir: Path = PACKAGE / "content" / "voice"

    wecom_corp_id: str = ""
    wecom_agent_id: str = ""
    wecom_secret: SecretStr = SecretStr("")
    wecom_token: SecretStr = SecretStr("")
    wecom_aes_key: SecretStr = SecretStr("")
    wecom_kf_secret: SecretStr = SecretStr("")
    wecom_api_base: str = "https://qyapi.weixin.qq.com"

    @property
    def content_dirs(self) -> tuple[Path, ...]:
        """Every folder of content: what is read, kept, and watched for edits."""
        return (
            self.faq_dir,
            self.tags_dir,
            self.scams_dir,
            self.lexicon_dir,
            self.county_dir,
            self.voice_dir,
        )

    @property
    def console_url(self) -> str:
        """Where officers' cards lead; empty where the outside address is not known."""
        return f"{self.public_url.rstrip('/')}/console/" if self.public_url else ""

    @property
    def privacy_place(self) -> str:
        """Where residents of WeCom read the rules: a link where the outside address is known."""
        return f"{self.public_url.rstrip('/')}/privacy" if self.public_url else "派出所窗口"

    @property
    def demo(self) -> bool:
        return self.mode is Mode.DEMO

    @property
    def wecom_configured(self) -> bool:
        """Whether a WeCom account is connected; without one the callback answers 503."""
        return bool(self.wecom_corp_id and self.wecom_token.get_secret_value())

    @property
    def wecom_missing(self) -> list[str]:
        """What an account that is begun still lacks, by the settings' names."""
        return [name for name, value in self.wecom_values.items() if not value]

    @property
    def wecom_values(self) -> dict[str, str]:
        """What every connection to WeCom needs, by the settings' names."""
        return {
            "JXW_WECOM_CORP_ID": self.wecom_corp_id,
            "JXW_WECOM_AGENT_ID": self.wecom_agent_id,
            "JXW_WECOM_SECRET": self.wecom_secret.get_secret_value(),
            "JXW_WECOM_TOKEN": self.wecom_token.get_secret_value(),
            "JXW_WECOM_AES_KEY": self.wecom_aes_key.get_secret_value(),
        }

    @property
    def chat_open(self) -> bool:
        """Whether residents may use the chat page in the browser."""
        return self.demo or self.chat_enabled

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _demo_secret(data_dir: Path) -> str:
    """The demo's own secret, made once and kept beside its database."""
    path = data_dir / "demo-secret.key"
    try:
        if not path.exists():
            data_dir.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(48), encoding="ascii")
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"JXW_DATA_DIR {data_dir} cannot be used ({error.strerror}): choose another folder"
        ) from None


def _require_production(settings: Settings) -> None:
    secret = settings.secret_key.get_secret_value()
    wanted = {"JXW_SECRET_KEY": secret} | settings.wecom_values
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise SettingsError(f"production mode needs {', '.join(missing)}: set them in .env")
    optional = {
        "JXW_SECRET_KEY_OLD": settings.secret_key_old.get_secret_value(),
        "JXW_WECOM_KF_SECRET": settings.wecom_kf_secret.get_secret_value(),
        "JXW_METRICS_TOKEN": settings.metrics_token.get_secret_value(),
    }
    given = wanted | optional
    example = [name for name, value in given.items() if value.startswith(EXAMPLE_PREFIX)]
    if example:
        raise SettingsError(
            f"{', '.join(example)} still stands at its example: put your own value into .env"
        )
    if len(secret) < 32:
        raise SettingsError("JXW_SECRET_KEY is shorter than 32 characters: make a longer one")


def _require_form(settings: Settings) -> None:
    """What WeCom and officers' phones would stumble over much later."""
    addresses = {
        "JXW_PUBLIC_URL": settings.public_url,
        "JXW_WECOM_API_BASE": settings.wecom_api_base,
    }
    for name, value in addresses.items():
        if value and not _ADDRESS.fullmatch(value):
            raise SettingsError(f"{name} is no address: it begins with https:// or http://")
    agent = settings.wecom_agent_id
    if agent and not agent.startswith(EXAMPLE_PREFIX) and not agent.isdecimal():
        raise SettingsError("JXW_WECOM_AGENT_ID is not the number that WeCom shows as AgentId")


def _note_misspelt() -> None:
    """Tell of a name that no setting has and that looks like one: it would be passed over."""
    known = {"JXW_" + name.upper() for name in Settings.model_fields}
    file = Path(ENV_FILE)
    written = file.read_text(encoding=_ENV_ENCODING) if file.is_file() else ""
    given = {name.upper() for name in (*os.environ, *_GIVEN.findall(written))}
    for name in sorted(given - known):
        near = difflib.get_close_matches(name, known, 1, 0.85) if name.startswith("JXW_") else []
        if near:
            log.warning("%s is no setting and is passed over; is %s meant?", name, near[0])


def load_settings(**overrides: object) -> Settings:
    """Read and check the settings.

    Raises:
        SettingsError: with one clear sentence, when the program must not start.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "JXW_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name} cannot be used: {first['msg']}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{ENV_FILE} is not written in UTF-8: save it again as UTF-8") from None
    _note_misspelt()
    _require_form(settings)
    aes_key = settings.wecom_aes_key.get_secret_value()
    if aes_key and not aes_key.startswith(EXAMPLE_PREFIX) and not _AES_KEY.fullmatch(aes_key):
        raise SettingsError("JXW_WECOM_AES_KEY is not the 43 letters and digits that WeCom shows")
    scheme = settings.database_url.split(":", 1)[0]
    if scheme not in {"sqlite+aiosqlite", "postgresql+asyncpg"}:
        raise SettingsError(
            f"JXW_DATABASE_URL begins with {scheme!r}: "
            "use sqlite+aiosqlite:///… or postgresql+asyncpg://…"
        )
    if settings.mode is Mode.PRODUCTION:
        _require_production(settings)
        return settings
    if not _is_loopback(settings.host):
        raise SettingsError(
            f"demo mode stays on this machine, but JXW_HOST is {settings.host!r}: "
            "use 127.0.0.1, or set JXW_MODE=production"
        )
    if not settings.secret_key.get_secret_value():
        secret = SecretStr(_demo_secret(settings.data_dir))
        settings = settings.model_copy(update={"secret_key": secret})
    return settings
