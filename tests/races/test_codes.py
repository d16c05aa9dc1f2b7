"""One-time codes and enrolments, when several requests come at once."""

from database import db
from models.throttle import CODE
from tests.api import PASSWORD, Api, Person
from tests.authenticator import enrolled, set_up
from tests.races.racing import ROUNDS, Payload, at_once, outcomes


async def sign_in(api: Api, person: Person, code: str | None = None) -> Payload:
    given = {"email": person.email, "password": PASSWORD, "oneTimeCode": code}
    return await api.do("signIn", given, "accessToken", by=None)


async def afresh() -> None:
    """Forget the wrong guesses and the sessions of former rounds."""
    await db.execute("UPDATE guesses SET tried = '{}'")
    await db.execute("UPDATE recovery_codes SET used_at = NULL")


async def test_of_several_with_one_code_one_is_signed_in(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    for _ in range(ROUNDS):
        await afresh()
        api.clock.forward(seconds=30)

        done = await at_once(*(sign_in(api, anna, app.code()) for _ in range(4)))

        assert outcomes(done) == ["INVALID_CREDENTIALS"] * 3 + ["done"]


async def test_of_several_with_one_recovery_code_one_is_signed_in(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    for place in range(ROUNDS):
        await afresh()

        done = await at_once(*(sign_in(api, anna, app.recovery_codes[place % 10]) for _ in range(4)))

        assert outcomes(done) == ["INVALID_CREDENTIALS"] * 3 + ["done"]


async def test_guesses_at_once_are_counted_one_by_one(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await set_up(api, anna)
    document = f"""mutation {{ signIn(input: {{email: "{anna.email}", password: "{PASSWORD}",
        oneTimeCode: "{app.wrong()}"}}) {{ errors {{ code }} }} }}"""
    for _ in range(max(1, ROUNDS // 5)):
        await afresh()

        async def guess() -> Payload:
            answer = await api.ask(document)
            return {"errors": [{"code": code, "field": None} for code in answer.codes or ["INVALID_CREDENTIALS"]]}

        done = await at_once(*(guess() for _ in range(CODE.most + 4)))

        assert outcomes(done) == ["INVALID_CREDENTIALS"] * CODE.most + ["RATE_LIMITED"] * 4


async def test_no_session_without_the_factor_outlives_its_confirmation(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await db.execute("DELETE FROM second_factors")
        app = await enrolled(api, anna)

        confirmed, *signed = await at_once(
            api.do("confirmSecondFactor", {"code": app.code()}, by=anna), *(sign_in(api, anna) for _ in range(3))
        )

        assert confirmed["errors"] == []
        for payload in signed:
            token = payload["accessToken"]
            assert token is None or (await api.ask("{ viewer { user { id } } }", by=token)).data["viewer"] is None
        alive = await db.fetch("SELECT FROM sessions WHERE ended_at IS NULL", row=db.Row)
        assert len(alive) == 1


async def test_of_two_enrolments_at_once_one_secret_is_left(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await afresh()
        await db.execute("DELETE FROM second_factors")
        apps = await at_once(*(_enrolled(api, anna) for _ in range(2)))

        done = [await api.do("confirmSecondFactor", {"code": app["app"].code()}, by=anna) for app in apps]

        assert sorted(payload["errors"][0]["code"] if payload["errors"] else "done" for payload in done) in (
            ["INVALID_CREDENTIALS", "done"],
            ["INVALID_STATE", "done"],
        )


async def _enrolled(api: Api, person: Person) -> Payload:
    return {"app": await enrolled(api, person)}


async def test_confirmed_twice_at_once_there_is_one_set_of_recovery_codes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await afresh()
        await db.execute("DELETE FROM second_factors")
        app = await enrolled(api, anna)

        done = await at_once(
            *(api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=anna) for _ in range(2))
        )

        assert outcomes(done) == ["INVALID_STATE", "done"]
        left = await db.fetch("SELECT FROM recovery_codes", row=db.Row)
        assert len(left) == 10
