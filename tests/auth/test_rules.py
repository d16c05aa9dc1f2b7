"""The rules that fields declare, as bits and as words."""

import pytest

from auth import policy, rules
from auth.labels import PERMISSIONS, ROLE_NAMES, ROLES
from auth.policy import Permission, Role
from auth.rules import ANYONE, ONESELF, SIGNED_IN, Rule, needs


def test_the_flags_are_no_permissions() -> None:
    flags = [rules.PUBLIC, rules.AUTHENTICATED, rules.SELF]

    assert len({*flags}) == 3
    assert policy.mask(Permission) & sum(flags) == 0
    assert sum(flags) < 2**63


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ANYONE, "public"),
        (SIGNED_IN, "authenticated"),
        (ONESELF, "self"),
        (needs(Permission.SETTINGS_READ), "SETTINGS_READ"),
        (needs(Permission.USERS_READ, or_self=True), "USERS_READ or self"),
    ],
)
def test_a_rule_reads_as_people_say_it(rule: Rule, words: str) -> None:
    assert str(rule) == words


@pytest.mark.parametrize("permission", Permission)
def test_holding_a_permission_satisfies_its_rule_and_no_other(permission: Permission) -> None:
    rule = needs(permission)

    assert [p for p in Permission if policy.mask([p]) & rule.bits] == [permission]
    assert not rule.bits & (rules.PUBLIC | rules.AUTHENTICATED | rules.SELF)
    assert needs(permission, or_self=True).bits & rules.SELF


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ANYONE, ""),
        (needs(Permission.OWNERSHIP), "Needs OWNERSHIP: owner."),
        (
            needs(Permission.USERS_READ, or_self=True),
            "Needs USERS_READ: owner, administrator, collaborator; consultant where given. Everybody sees his own.",
        ),
        (
            needs(Permission.DOCUMENTS_DELETE),
            "Needs DOCUMENTS_DELETE: owner, administrator, collaborator, accountant; consultant where given.",
        ),
    ],
)
def test_a_rule_is_explained_with_the_roles_that_have_it(rule: Rule, words: str) -> None:
    assert rules.explain(rule) == words


def test_every_role_and_permission_has_its_meaning() -> None:
    assert set(ROLE_NAMES) == set(ROLES) == set(Role)
    assert set(PERMISSIONS) == set(Permission)
