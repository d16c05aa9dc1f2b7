"""Signing up, in and out; passwords and their links."""

import asyncio
import unicodedata
from typing import Any

import argon2
import pytest

from auth import passwords, tokens
from database import db
from models.people.user import ACTIVATION_LASTS, RESET_LASTS, User
from tests.api import KEY, PASSWORD, Api, codes, counts
from tests.models.refusals import events, mails, refused, state

NEW_PASSWORD = "marble thicket cobalt"
DEAD = [("TOKEN_INVALID", ["token"])]
WRONG = [("INVALID_CREDENTIALS", None)]


def registration(**more: object) -> dict[str, object]:
    return {"name": "Anna Nowak", "email": "anna@example.com", "password": PASSWORD, **more}


def credentials(password: str = PASSWORD, email: str = "anna@example.com") -> dict[str, str]:
    return {"email": email, "password": password}


async def sign_in(api: Api, password: str = PASSWORD, email: str = "anna@example.com") -> dict[str, Any]:
    return await api.do("signIn", credentials(password, email), "accessToken viewer { user { id } }")


# ---- Registering -----------------------------------------------------------------------------


async def test_registering_opens_one_account_named_after_its_owner(api: Api) -> None:
    owner = await api.person("anna@example.com")

    seen = await api.ask(
        "{ viewer { currentGrant { role } accounts { totalCount nodes { name status owner { id } } } } }", by=owner
    )

    assert seen.data["viewer"] == {
        "currentGrant": {"role": "OWNER"},
        "accounts": {
            "totalCount": 1,
            "nodes": [{"name": "Anna Nowak", "status": "ACTIVE", "owner": {"id": owner.user_id}}],
        },
    }


async def test_an_account_can_be_named_at_registration(api: Api) -> None:
    owner = await api.person("anna@example.com", accountName="Nowak Meble")

    seen = await api.ask("{ viewer { user { name } currentAccount { name } } }", by=owner)

    assert seen.data["viewer"] == {"user": {"name": "Anna Nowak"}, "currentAccount": {"name": "Nowak Meble"}}


async def test_a_taken_address_answers_like_a_fresh_one_and_only_its_owner_hears_of_it(api: Api) -> None:
    fresh = await api.do("register", registration())
    await api.do("activate", {"token": await api.link("anna@example.com", "activation")})
    before = await state()

    taken = await api.do("register", registration(email="ANNA@example.com", password=NEW_PASSWORD, name="Eve"))

    after = await state()
    assert taken == fresh
    assert after.pop("counts") == await counts()
    before.pop("counts")
    assert after == before
    assert [mail.to_name for mail in await mails("anna@example.com", "address-taken")] == ["Anna Nowak"]


async def test_a_taken_organization_number_does_not_tell_whose_address_is_taken(api: Api) -> None:
    number = {"organizationNumber": "974760673", "country": "NO"}
    await api.person("anna@example.com", **number)

    fresh = await refused(api, "register", registration(email="bo@example.com", **number))
    taken = await refused(api, "register", registration(**number))

    assert fresh == taken == [("ORGANIZATION_NUMBER_TAKEN", ["organizationNumber"])]


async def test_registering_again_before_activation_starts_afresh(api: Api) -> None:
    await api.do("register", registration(accountName="First"))
    old_link = await api.link("anna@example.com", "activation")

    await api.do("register", registration(password=NEW_PASSWORD, name="Anna N", accountName="Second"))

    assert codes(await api.do("activate", {"token": old_link})) == DEAD
    shown = "viewer { user { name } accounts { nodes { name } } }"
    done = await api.do("activate", {"token": await api.link("anna@example.com", "activation")}, shown)
    assert done["viewer"] == {"user": {"name": "Anna N"}, "accounts": {"nodes": [{"name": "Second"}]}}
    assert codes(await sign_in(api)) == WRONG
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_registering_again_frees_the_number_of_the_first_time(api: Api) -> None:
    await api.do("register", registration(organizationNumber="974760673", country="NO"))
    await api.do("register", registration())

    other = await api.do("register", registration(email="bo@example.com", organizationNumber="974760673", country="NO"))

    assert other["errors"] == []


async def test_all_that_is_wrong_with_a_registration_is_said_at_once(api: Api) -> None:
    given = {"name": " ", "email": "nobody", "password": "short", "organizationNumber": "1", "locale": "xx"}

    found = await refused(api, "register", given)

    assert found == [
        ("REQUIRED", ["name"]),
        ("INVALID", ["email"]),
        ("TOO_SHORT", ["password"]),
        ("REQUIRED", ["country"]),
        ("INVALID", ["locale"]),
    ]


@pytest.mark.parametrize(
    "name",
    ["", "  ", "Anna\nNowak", "Anna\u202enowaK", "Anna\u200bNowak", "\u200e", "A\u2028B", "A\u061cB"],
)
async def test_a_name_is_one_visible_line(api: Api, name: str) -> None:
    found = await refused(api, "register", registration(name=name, accountName="Nowak"))

    assert found in ([("REQUIRED", ["name"])], [("INVALID", ["name"])])


async def test_a_name_of_200_characters_is_the_longest(api: Api) -> None:
    assert await refused(api, "register", registration(name="a" * 201, accountName="N")) == [("TOO_LONG", ["name"])]
    assert (await api.do("register", registration(name="a" * 200, accountName="N")))["errors"] == []


@pytest.mark.parametrize("blank", ["", None])
async def test_numbers_left_blank_are_none(api: Api, blank: str | None) -> None:
    done = await api.do("register", registration(organizationNumber=blank, country=blank))

    assert done["errors"] == []


# ---- Addresses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registered", "typed"),
    [
        ("Anna@Example.com", "aNNA@eXAMPLE.COM"),
        ("zoë@example.com", unicodedata.normalize("NFD", "ZOË@example.com")),
        ("anna@bücher.example.com", "anna@XN--BCHER-KVA.example.com"),
        ("anna@example.com", "  anna@example.com "),
    ],
)
async def test_an_address_is_one_whatever_its_case_and_form(api: Api, registered: str, typed: str) -> None:
    await api.do("register", registration(email=registered))
    row = await User.get()
    await api.do("activate", {"token": await api.link(row.email, "activation")})

    assert codes(await sign_in(api, email=typed)) == []
    await api.do("register", registration(email=typed))
    assert await User.all().count() == 1


async def test_two_domains_that_fold_into_one_are_two(api: Api) -> None:
    await api.person("anna@strasse.de")

    await api.person("anna@straße.de")

    assert await User.all().count() == 2


# ---- Activating ------------------------------------------------------------------------------


async def test_an_activation_link_works_once(api: Api) -> None:
    await api.do("register", registration())
    token = await api.link("anna@example.com", "activation")
    assert codes(await api.do("activate", {"token": token})) == []

    assert await refused(api, "activate", {"token": token}) == DEAD


async def test_an_activation_link_is_dead_after_a_day(api: Api) -> None:
    await api.do("register", registration())
    token = await api.link("anna@example.com", "activation")
    api.clock.now += ACTIVATION_LASTS

    assert await refused(api, "activate", {"token": token}) == [("TOKEN_EXPIRED", ["token"])]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, tokens.random_token(), "ż", "x" * 9000])
async def test_a_made_up_link_is_dead(api: Api, token: str) -> None:
    assert await refused(api, "activate", {"token": token}) == DEAD
    assert await refused(api, "resetPassword", {"token": token, "password": NEW_PASSWORD}) == DEAD


async def test_a_link_serves_its_own_purpose_only(api: Api) -> None:
    await api.do("register", registration())
    token = await api.link("anna@example.com", "activation")

    assert await refused(api, "resetPassword", {"token": token, "password": NEW_PASSWORD}) == DEAD
    assert await refused(api, "acceptInvitation", {"token": token, "name": "A B", "password": NEW_PASSWORD}) == DEAD


async def test_activating_with_a_weak_password_uses_nothing_up(api: Api) -> None:
    await api.do("register", registration())
    token = await api.link("anna@example.com", "activation")

    assert await refused(api, "activate", {"token": token, "password": "anna@example.com"}) == [
        ("TOO_WEAK", ["password"])
    ]
    assert codes(await api.do("activate", {"token": token, "password": NEW_PASSWORD})) == []
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_a_resent_activation_ends_the_first_link(api: Api) -> None:
    await api.do("register", registration())
    old = await api.link("anna@example.com", "activation")

    await api.do("resendActivation", {"email": "Anna@example.com"})

    assert codes(await api.do("activate", {"token": old})) == DEAD
    assert codes(await api.do("activate", {"token": await api.link("anna@example.com", "activation")})) == []


async def test_resending_an_activation_says_nothing_and_mails_who_needs_it(api: Api) -> None:
    await api.person("active@example.com")
    await api.do("register", registration())

    answers = [
        await api.do("resendActivation", {"email": email})
        for email in ("anna@example.com", "active@example.com", "nobody@example.com")
    ]

    assert answers == [{"errors": []}] * 3
    assert len(await mails("anna@example.com", "activation")) == 2
    assert len(await mails("active@example.com", "activation")) == 1
    assert await mails("nobody@example.com", "activation") == []


# ---- Signing in ------------------------------------------------------------------------------


async def test_before_activation_only_the_right_password_says_so(api: Api) -> None:
    await api.do("register", registration())

    assert await refused(api, "signIn", credentials()) == [("NOT_ACTIVATED", ["email"])]
    assert await refused(api, "signIn", credentials(NEW_PASSWORD)) == WRONG


async def test_unknown_and_wrong_answer_alike(api: Api) -> None:
    await api.person("anna@example.com")

    answers = [
        await api.do("signIn", credentials(NEW_PASSWORD, email), "accessToken viewer { user { id } }")
        for email in ("anna@example.com", "nobody@example.com", "no address at all", "")
    ]

    assert [answer == answers[0] for answer in answers] == [True] * 4
    assert codes(answers[0]) == WRONG
    assert await refused(api, "signIn", credentials(NEW_PASSWORD)) == WRONG


@pytest.mark.parametrize("password", [PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1], "", "x" * 9999])
async def test_a_password_is_taken_as_it_is(api: Api, password: str) -> None:
    await api.person("anna@example.com")

    assert await refused(api, "signIn", credentials(password)) == WRONG


async def test_every_character_of_a_long_password_counts(api: Api) -> None:
    base = "kestrel orbit lantern " * 5
    await api.do("register", registration(password=f"{base}a"))
    await api.do("activate", {"token": await api.link("anna@example.com", "activation")})

    assert codes(await sign_in(api, f"{base}b")) == WRONG
    assert codes(await sign_in(api, f"{base}a")) == []


async def test_a_password_is_the_same_in_every_unicode_form(api: Api) -> None:
    password = "żółw gęśl jaźń źdźbło " * 5  # 110 characters composed, more than 128 decomposed
    decomposed = unicodedata.normalize("NFD", password)
    assert len(password) <= passwords.MAX_LENGTH < len(decomposed)
    await api.do("register", registration(password=password))
    await api.do("activate", {"token": await api.link("anna@example.com", "activation")})

    assert codes(await sign_in(api, decomposed)) == []


@pytest.mark.usefixtures("costly_passwords")
async def test_a_hash_with_lower_parameters_is_made_anew(api: Api) -> None:
    await api.person("anna@example.com")
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await User.all().update(password_hash=weak)

    assert codes(await sign_in(api)) == []

    hashed = (await User.get()).password_hash
    assert hashed is not None
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert codes(await sign_in(api)) == []


@pytest.mark.usefixtures("costly_passwords")
async def test_sign_ins_at_once_all_succeed_while_the_hash_is_made_anew(api: Api) -> None:
    await api.person("anna@example.com")
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await User.all().update(password_hash=weak)

    done = await asyncio.gather(*(sign_in(api) for _ in range(4)))

    assert [codes(payload) for payload in done] == [[]] * 4


async def test_a_flood_of_sign_ins_is_told_to_come_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_MAX_WAITING", 0)

    answer = await api.ask('mutation { signIn(input: {email: "a@example.com", password: "b"}) { accessToken } }')

    assert answer.codes == ["RATE_LIMITED"]


# ---- Passwords -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "TOO_SHORT"),
        ("kestrel orb", "TOO_SHORT"),
        ("x" * 129, "TOO_LONG"),
        ("password1234", "TOO_WEAK"),
        ("qwertyuiop123", "TOO_WEAK"),
        ("aaaaaaaaaaaaaaaa", "TOO_WEAK"),
        ("fullmakt fullmakt", "TOO_WEAK"),
        ("Fullmakt kestrel", "TOO_WEAK"),
        ("i am ANNA of the hill", "TOO_WEAK"),
        ("the nowak of the hill", "TOO_WEAK"),
    ],
)
async def test_passwords_that_are_refused(api: Api, password: str, code: str) -> None:
    assert await refused(api, "register", registration(password=password)) == [(code, ["password"])]


@pytest.mark.parametrize("password", ["kestrel orbi", "kestrel orbit lantern " * 5 + "marble thicket ćó"])
async def test_passwords_that_are_fine(api: Api, password: str) -> None:
    assert (await api.do("register", registration(password=password)))["errors"] == []


async def test_too_long_a_password_is_refused_before_it_is_hashed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.person("anna@example.com")
    seen: list[str] = []
    check = passwords._verify

    def watched(password: str, hashed: str) -> bool:
        seen.append(password)
        return check(password, hashed)

    monkeypatch.setattr(passwords, "_verify", watched)

    assert await refused(api, "signIn", credentials("x" * 129)) == WRONG
    assert seen == [""]


async def test_a_changed_password_ends_the_other_sessions_and_open_reset_links(api: Api) -> None:
    anna = await api.person("anna@example.com")
    other = (await sign_in(api))["accessToken"]
    await api.do("requestPasswordReset", {"email": anna.email})
    link = await api.link(anna.email, "reset")

    done = await api.do("changePassword", {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}, by=anna)

    assert done["errors"] == []
    assert (await api.ask("{ viewer { user { id } } }", by=other)).data["viewer"] is None
    assert (await api.ask("{ viewer { user { id } } }", by=anna)).data["viewer"] is not None
    assert len(await mails(anna.email, "password-changed")) == 1
    assert codes(await api.do("resetPassword", {"token": link, "password": PASSWORD})) == DEAD
    assert codes(await sign_in(api)) == WRONG
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_changing_the_password_needs_the_old_one(api: Api) -> None:
    anna = await api.person("anna@example.com")

    wrong = {"currentPassword": NEW_PASSWORD, "newPassword": NEW_PASSWORD}
    assert await refused(api, "changePassword", wrong, by=anna) == [("INVALID_CREDENTIALS", ["currentPassword"])]
    weak = {"currentPassword": PASSWORD, "newPassword": "anna@example.com"}
    assert await refused(api, "changePassword", weak, by=anna) == [("TOO_WEAK", ["newPassword"])]


async def test_a_reset_ends_every_session_and_is_told_by_mail(api: Api) -> None:
    anna = await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": "ANNA@example.com"})
    token = await api.link(anna.email, "reset")

    done = await api.do("resetPassword", {"token": token, "password": NEW_PASSWORD})

    assert done["errors"] == []
    assert (await api.ask("{ viewer { user { id } } }", by=anna)).data["viewer"] is None
    assert len(await mails(anna.email, "password-changed")) == 1
    assert await refused(api, "resetPassword", {"token": token, "password": PASSWORD}) == DEAD
    assert codes(await sign_in(api, NEW_PASSWORD)) == []


async def test_a_reset_link_is_dead_after_an_hour_and_after_a_newer_one(api: Api) -> None:
    await api.person("anna@example.com")
    await api.do("requestPasswordReset", {"email": "anna@example.com"})
    first = await api.link("anna@example.com", "reset")
    await api.do("requestPasswordReset", {"email": "anna@example.com"})
    second = await api.link("anna@example.com", "reset")

    assert await refused(api, "resetPassword", {"token": first, "password": NEW_PASSWORD}) == DEAD
    api.clock.now += RESET_LASTS
    assert await refused(api, "resetPassword", {"token": second, "password": NEW_PASSWORD}) == [
        ("TOKEN_EXPIRED", ["token"])
    ]


async def test_asking_for_a_reset_answers_and_writes_alike_for_known_and_unknown(api: Api) -> None:
    await api.person("anna@example.com")
    await api.do("register", registration(email="pending@example.com"))

    answers = [
        await api.do("requestPasswordReset", {"email": email})
        for email in ("anna@example.com", "pending@example.com", "nobody@example.com")
    ]

    assert answers == [{"errors": []}] * 3
    assert len(await events("user:password:forget")) == 3
    sent = await db.fetch("SELECT to_address FROM messages WHERE kind = 'password-reset'", row=db.Row)
    assert [row.to_address for row in sent] == ["anna@example.com"]


# ---- Profile ---------------------------------------------------------------------------------


async def test_a_profile_is_changed_in_what_is_given(api: Api) -> None:
    anna = await api.person("anna@example.com")

    done = await api.do("updateProfile", {"name": " Anna  Kowalska "}, "user { name locale }", by=anna)

    assert done["user"] == {"name": "Anna  Kowalska", "locale": "en"}
    (event,) = await events("user:profile:update")
    assert (event.before, event.after) == ('{"name": "Anna Nowak"}', '{"name": "Anna  Kowalska"}')


async def test_a_profile_that_stays_the_same_leaves_no_event(api: Api) -> None:
    anna = await api.person("anna@example.com")

    assert await refused(api, "updateProfile", {"name": "Anna Nowak"}, by=anna) == []
    assert await refused(api, "updateProfile", {"name": "", "locale": "tlh"}, by=anna) == [
        ("REQUIRED", ["name"]),
        ("INVALID", ["locale"]),
    ]


async def test_no_table_holds_a_password_or_a_link(api: Api) -> None:
    """The digest of a token and an argon2 hash are all there is; the whole run is in test_event."""
    await api.do("register", registration())
    token = await api.link("anna@example.com", "activation")
    row = await db.fetch_one("SELECT token_digest FROM user_tokens", row=db.Row)
    user = await User.get()

    assert row is not None
    assert row.token_digest == tokens.digest(token)
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$")
    assert KEY not in str(await db.fetch("SELECT m::text FROM messages m", row=db.Row))
