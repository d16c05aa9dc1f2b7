"""Completeness of the translations: role descriptions, error texts and mails in six languages."""

import pytest

import i18n
from auth.policy import Role
from database import db
from i18n import update
from mailer import render
from models.base.caller import Caller
from models.outbox.message_kind import MessageKind
from tests.api import Api
from tests.mailer.conftest import LINK_KEY, PARAMS, PUBLIC_URL, queue_and_fetch

LANGUAGES = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
OWNERS = {"en": "Owner", "pl": "Właściciel", "fr": "Propriétaire", "nb": "Eier", "it": "Proprietario", "sv": "Ägare"}
ROLES = "{ roles { role name description permissions { description } } }"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_text_is_translated(locale: str) -> None:
    assert update.find_untranslated(locale) == [], "run `make catalogues`, and fill in what it prints"


@pytest.mark.parametrize(
    ("accept_language", "locale"),
    [("pl-PL, en;q=0.5", "pl"), ("fr", "fr"), ("no", "nb"), ("it", "it"), ("sv", "sv"), ("de", "en"), ("", "en")],
)
async def test_role_descriptions_are_in_the_callers_language(api: Api, accept_language: str, locale: str) -> None:
    english = (await api.ask(ROLES)).data["roles"]

    response = await api.ask(ROLES, headers={"Accept-Language": accept_language})

    roles = {role["role"]: role for role in response.data["roles"]}
    assert roles["OWNER"]["name"] == OWNERS[locale]
    assert list(roles) == list(Role)
    if locale != "en":
        for translation, original in zip(response.data["roles"], english, strict=True):
            assert translation["description"] != original["description"]
            pairs = zip(translation["permissions"], original["permissions"], strict=True)
            assert [p["description"] for p, o in pairs if p == o] == []


async def test_users_locale_takes_precedence_over_accept_language(api: Api) -> None:
    anna = await api.person("anna@example.com", locale="pl")
    headers = {"Accept-Language": "sv"}

    response = await api.ask("{ roles { name } }", by=anna, headers=headers)
    invalid = await api.ask(
        'mutation { createAccount(input: { name: "" }) { errors { message } } }', by=anna, headers=headers
    )

    assert response.data["roles"][0] == {"name": "Właściciel"}
    assert invalid.data["createAccount"]["errors"] == [{"message": "To pole nie może być puste."}]
    await db.execute("UPDATE users SET locale = 'de'")
    unknown = await api.ask("{ roles { name } }", by=anna)
    assert unknown.data["roles"][0] == {"name": "Owner"}


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", list(MessageKind))
async def test_every_mail_is_in_the_recipients_language(kind: MessageKind, locale: str, caller: Caller) -> None:
    english = render.render(await queue_and_fetch(caller, kind), LINK_KEY, PUBLIC_URL)

    mail = render.render(await queue_and_fetch(caller, kind, locale=locale), LINK_KEY, PUBLIC_URL)

    assert mail.subject != english.subject
    params_text = " ".join(str(value) for value in PARAMS.values())
    common_lines = {line.strip() for line in mail.text.splitlines()} & {
        line.strip() for line in english.text.splitlines()
    }
    assert [line for line in common_lines if len(line.split()) > 2 and line not in params_text] == []
    assert f'lang="{locale}"' in mail.html
