"""Access rules of fields, as bits and in words."""

import pytest

from auth import policy, rules
from auth.labels import PERMISSIONS, ROLE_NAMES, ROLES
from auth.policy import Permission, Role
from auth.rules import AUTHENTICATED, PUBLIC, SELF, Rule, needs


def test_rule_bits_do_not_overlap_permissions() -> None:
    flags = [rules.PUBLIC_BIT, rules.AUTHENTICATED_BIT, rules.SELF_BIT]

    assert len({*flags}) == 3
    assert policy.mask(Permission) & sum(flags) == 0
    assert sum(flags) < 2**63


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PUBLIC, "public"),
        (AUTHENTICATED, "authenticated"),
        (SELF, "self"),
        (needs(Permission.SETTINGS_READ), "SETTINGS_READ"),
        (needs(Permission.USERS_READ, or_self=True), "USERS_READ or self"),
    ],
)
def test_rule_in_words(rule: Rule, words: str) -> None:
    assert str(rule) == words


@pytest.mark.parametrize("permission", Permission)
def test_permission_satisfies_only_its_own_rule(permission: Permission) -> None:
    rule = needs(permission)

    assert [p for p in Permission if policy.mask([p]) & rule.bits] == [permission]
    assert not rule.bits & (rules.PUBLIC_BIT | rules.AUTHENTICATED_BIT | rules.SELF_BIT)
    assert needs(permission, or_self=True).bits & rules.SELF_BIT


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (PUBLIC, ""),
        (needs(Permission.OWNERSHIP), "Needs OWNERSHIP: owner."),
        (
            needs(Permission.USERS_WRITE, or_self=True),
            "Needs USERS_WRITE: owner, administrator; consultant if granted. Users always see their own.",
        ),
        (
            needs(Permission.DOCUMENTS_DELETE),
            "Needs DOCUMENTS_DELETE: owner, administrator, collaborator, accountant; consultant if granted.",
        ),
    ],
)
def test_explanation_names_the_roles(rule: Rule, words: str) -> None:
    assert rules.explain(rule) == words


def test_every_role_and_permission_has_a_description() -> None:
    assert set(ROLE_NAMES) == set(ROLES) == set(Role)
    assert set(PERMISSIONS) == set(Permission)
