"""Six languages, complete: what roles mean, why something is refused, and every mail."""

import pytest

import i18n
from auth.policy import Role
from database import db
from i18n import update
from mailer import render
from models.base.caller import Caller
from models.outbox.message import MessageKind
from tests.api import Api
from tests.mailer.conftest import LINK_KEY, PARAMS, PUBLIC_URL, queued

LANGUAGES = [locale for locale in i18n.LOCALES if locale != i18n.DEFAULT]
OWNERS = {"en": "Owner", "pl": "Właściciel", "fr": "Propriétaire", "nb": "Eier", "it": "Proprietario", "sv": "Ägare"}
ROLES = "{ roles { role name description permissions { description } } }"


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_text_is_translated(locale: str) -> None:
    assert update.lacking(locale) == [], "run `make catalogues`, and fill in what it prints"


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [("pl-PL, en;q=0.5", "pl"), ("fr", "fr"), ("no", "nb"), ("it", "it"), ("sv", "sv"), ("de", "en"), ("", "en")],
)
async def test_roles_tell_their_meaning_in_the_callers_language(api: Api, accepted: str, locale: str) -> None:
    english = (await api.ask(ROLES)).data["roles"]

    answer = await api.ask(ROLES, headers={"Accept-Language": accepted})

    roles = {role["role"]: role for role in answer.data["roles"]}
    assert roles["OWNER"]["name"] == OWNERS[locale]
    assert list(roles) == list(Role)
    if locale != "en":
        for told, original in zip(answer.data["roles"], english, strict=True):
            assert told["description"] != original["description"]
            pairs = zip(told["permissions"], original["permissions"], strict=True)
            assert [p["description"] for p, o in pairs if p == o] == []


async def test_the_language_of_a_login_goes_before_that_of_its_browser(api: Api) -> None:
    anna = await api.person("anna@example.com", locale="pl")
    headers = {"Accept-Language": "sv"}

    answer = await api.ask("{ roles { name } }", by=anna, headers=headers)
    refused = await api.ask(
        'mutation { createAccount(input: { name: "" }) { errors { message } } }', by=anna, headers=headers
    )

    assert answer.data["roles"][0] == {"name": "Właściciel"}
    assert refused.data["createAccount"]["errors"] == [{"message": "To pole nie może być puste."}]
    await db.execute("UPDATE users SET locale = 'de'")
    unknown = await api.ask("{ roles { name } }", by=anna)
    assert unknown.data["roles"][0] == {"name": "Owner"}


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", list(MessageKind))
async def test_every_mail_is_in_its_receivers_language(kind: MessageKind, locale: str, caller: Caller) -> None:
    english = render.render(await queued(caller, kind), LINK_KEY, PUBLIC_URL)

    mail = render.render(await queued(caller, kind, locale=locale), LINK_KEY, PUBLIC_URL)

    assert mail.subject != english.subject
    given = " ".join(str(value) for value in PARAMS.values())
    kept = {line.strip() for line in mail.text.splitlines()} & {line.strip() for line in english.text.splitlines()}
    assert [line for line in kept if len(line.split()) > 2 and line not in given] == []
    assert f'lang="{locale}"' in mail.html
