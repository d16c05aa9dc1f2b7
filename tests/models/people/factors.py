"""Queries and sign-ins for tests of the second factor."""

from typing import Any

from models.throttle import CODE
from tests.api import PASSWORD, Api, Person, codes
from tests.authenticator import Authenticator

SECOND_FACTOR_QUERY = "{ viewer { secondFactor { isActive confirmedAt recoveryCodesLeft } } }"
NO_FACTOR = {"isActive": False, "confirmedAt": None, "recoveryCodesLeft": 0}
WRONG_CODE = [("INVALID_CREDENTIALS", ["oneTimeCode"])]
CODE_REQUIRED = [("ONE_TIME_CODE_REQUIRED", ["oneTimeCode"])]
PASSWORD_INPUT = {"password": PASSWORD}


async def load_second_factor(api: Api, by: Person) -> Any:
    return (await api.ask(SECOND_FACTOR_QUERY, by=by)).data["viewer"]["secondFactor"]


async def sign_in(api: Api, person: Person, code: str | None = None, password: str = PASSWORD) -> Any:
    arguments = {"email": person.email, "password": password, "oneTimeCode": code}
    return await api.do("signIn", arguments, "accessToken viewer { user { id } }")


async def can_sign_in(api: Api, person: Person, code: str | None = None) -> bool:
    payload = await sign_in(api, person, code)
    return payload["accessToken"] is not None and payload["errors"] == []


async def is_open(api: Api, token: str) -> bool:
    return (await api.ask(SECOND_FACTOR_QUERY, by=token)).data["viewer"] is not None


async def use_up_attempts(api: Api, person: Person, app: Authenticator) -> None:
    for _ in range(CODE.max_attempts):
        assert codes(await sign_in(api, person, app.wrong_code())) == WRONG_CODE
