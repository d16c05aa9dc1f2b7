"""Races between uses of one-time codes, recovery codes and enrollments."""

from database import db
from models.throttle import CODE
from tests.api import PASSWORD, Api, Person
from tests.authenticator import enable_second_factor, enroll
from tests.races.rounds import ROUNDS, Payload, outcomes, run_concurrently


async def sign_in(api: Api, person: Person, code: str | None = None) -> Payload:
    arguments = {"email": person.email, "password": PASSWORD, "oneTimeCode": code}
    return await api.do("signIn", arguments, "accessToken", by=None)


async def reset_codes() -> None:
    """Reset the throttles and the used recovery codes of earlier rounds."""
    await db.execute("UPDATE guesses SET tried = '{}'")
    await db.execute("UPDATE recovery_codes SET used_at = NULL")


async def test_one_time_code_signs_in_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    for _ in range(ROUNDS):
        await reset_codes()
        api.clock.forward(seconds=30)

        payloads = await run_concurrently(*(sign_in(api, anna, app.code()) for _ in range(4)))

        assert outcomes(payloads) == ["INVALID_CREDENTIALS"] * 3 + ["done"]


async def test_recovery_code_signs_in_once(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    for round_number in range(ROUNDS):
        await reset_codes()

        payloads = await run_concurrently(
            *(sign_in(api, anna, app.recovery_codes[round_number % 10]) for _ in range(4))
        )

        assert outcomes(payloads) == ["INVALID_CREDENTIALS"] * 3 + ["done"]


async def test_concurrent_wrong_codes_are_all_counted(api: Api) -> None:
    anna = await api.person("anna@example.com")
    app = await enable_second_factor(api, anna)
    document = f"""mutation {{ signIn(input: {{email: "{anna.email}", password: "{PASSWORD}",
        oneTimeCode: "{app.wrong_code()}"}}) {{ errors {{ code }} }} }}"""
    for _ in range(max(1, ROUNDS // 5)):
        await reset_codes()

        async def guess() -> Payload:
            answer = await api.ask(document)
            return {"errors": [{"code": code, "field": None} for code in answer.codes or ["INVALID_CREDENTIALS"]]}

        payloads = await run_concurrently(*(guess() for _ in range(CODE.max_attempts + 4)))

        assert outcomes(payloads) == ["INVALID_CREDENTIALS"] * CODE.max_attempts + ["RATE_LIMITED"] * 4


async def test_sessions_without_second_factor_end_at_its_confirmation(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await db.execute("DELETE FROM second_factors")
        app = await enroll(api, anna)

        confirm_payload, *sign_in_payloads = await run_concurrently(
            api.do("confirmSecondFactor", {"code": app.code()}, by=anna), *(sign_in(api, anna) for _ in range(3))
        )

        assert confirm_payload["errors"] == []
        for payload in sign_in_payloads:
            token = payload["accessToken"]
            assert token is None or (await api.ask("{ viewer { user { id } } }", by=token)).data["viewer"] is None
        open_sessions = await db.fetch("SELECT FROM sessions WHERE ended_at IS NULL", row=db.Row)
        assert len(open_sessions) == 1


async def test_concurrent_enrollments_leave_one_secret(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await reset_codes()
        await db.execute("DELETE FROM second_factors")
        enrollments = await run_concurrently(*(_enroll(api, anna) for _ in range(2)))

        payloads = [
            await api.do("confirmSecondFactor", {"code": enrollment["app"].code()}, by=anna)
            for enrollment in enrollments
        ]

        assert sorted(payload["errors"][0]["code"] if payload["errors"] else "done" for payload in payloads) in (
            ["INVALID_CREDENTIALS", "done"],
            ["INVALID_STATE", "done"],
        )


async def _enroll(api: Api, person: Person) -> Payload:
    return {"app": await enroll(api, person)}


async def test_concurrent_confirmations_create_one_set_of_recovery_codes(api: Api) -> None:
    anna = await api.person("anna@example.com")
    for _ in range(ROUNDS):
        await reset_codes()
        await db.execute("DELETE FROM second_factors")
        app = await enroll(api, anna)

        payloads = await run_concurrently(
            *(api.do("confirmSecondFactor", {"code": app.code()}, "recoveryCodes", by=anna) for _ in range(2))
        )

        assert outcomes(payloads) == ["INVALID_STATE", "done"]
        recovery_codes = await db.fetch("SELECT FROM recovery_codes", row=db.Row)
        assert len(recovery_codes) == 10
