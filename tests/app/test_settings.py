import pytest

from app.errors import ConfigError
from app.settings import check_production, read_settings

SAID = {"APP_ENV": "production", "DATABASE_URL": "sqlite:///x.db", "TRUSTED_HOSTS": "a.b", "STORE_TEXT": "full"}


def test_defaults_suit_a_laptop() -> None:
    settings = read_settings({})
    assert (settings.app_env, str(settings.host), settings.port) == ("development", "localhost", 8000)
    assert settings.enable_ml_routing


def test_variables_are_read_by_their_names_in_capitals_and_empty_ones_count_as_unset() -> None:
    settings = read_settings(
        {"PORT": "9000", "ENABLE_ML_ROUTING": "false", "LOG_LEVEL": "debug", "REQUEST_TIMEOUT": ""}
    )
    assert (settings.port, settings.enable_ml_routing, settings.log_level) == (9000, False, "DEBUG")
    assert settings.request_timeout == 120.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("APP_ENV", "staging"),
        ("LOG_LEVEL", "LOUD"),
        ("HOST", "my host"),
        ("REQUEST_TIMEOUT", "-1"),
        ("MAX_RETRIES", "1.5"),
        ("ENABLE_ML_ROUTING", "perhaps"),
        ("ENABLE_RAG_ROUTING", "perhaps"),
        ("TRUSTED_HOSTS", "a.b:8000"),
        ("TRUSTED_HOSTS", "a.b,http://c"),
        ("TLS_IN_FRONT", "perhaps"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_settings({name: value})
    assert f"environment variable {name}" in error.value.message
    assert value in error.value.message


def test_hosts_are_a_list() -> None:
    assert read_settings({"TRUSTED_HOSTS": "a.example.com, *.b.c,10.0.0.1,[::1]"}).trusted_hosts == (
        "a.example.com",
        "*.b.c",
        "10.0.0.1",
        "[::1]",
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "TRUSTED_HOSTS", "STORE_TEXT"])
def test_production_wants_to_be_told(name: str) -> None:
    check_production(read_settings({}))
    check_production(read_settings(SAID))
    with pytest.raises(ConfigError) as error:
        check_production(read_settings({**SAID, name: ""}))
    assert error.value.message.startswith(f"APP_ENV=production: {name} is not set; write ")
    assert "\n" not in error.value.message


def test_addresses_with_passwords_are_not_shown() -> None:
    urls = ("DATABASE_URL", "REDIS_URL", "CHROMA_URL")
    assert "secret" not in repr(read_settings(dict.fromkeys(urls, "x://user:secret@host/db")))
