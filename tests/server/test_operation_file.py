import pytest
from graphql import GraphQLSyntaxError

from server import operation_file

TEXT = """# Roles of an installation.
query Roles {
  roles { ...Named }   # with two spaces
}

fragment Named on RoleDefinition { ...Inner role }
fragment Inner on RoleDefinition { name }
query Plain { roles { role } }
fragment Unused on RoleDefinition { role }
"""


def test_each_operation_gets_the_fragments_that_it_uses() -> None:
    assert operation_file.split(TEXT) == {
        "Roles": "query Roles {\n  roles { ...Named }   # with two spaces\n}\n\n"
        "fragment Named on RoleDefinition { ...Inner role }\n\nfragment Inner on RoleDefinition { name }\n",
        "Plain": "query Plain { roles { role } }\n",
    }


def test_circular_fragments_end() -> None:
    text = "query A { ...B } fragment B on Query { ...C } fragment C on Query { ...B }"

    assert operation_file.split(text) == {
        "A": "query A { ...B }\n\nfragment B on Query { ...C }\n\nfragment C on Query { ...B }\n"
    }


def test_unknown_fragment_is_an_error() -> None:
    with pytest.raises(KeyError, match="Nowhere"):
        _ = operation_file.split("query A { ...Nowhere }")


def test_text_that_is_no_document_is_an_error() -> None:
    with pytest.raises(GraphQLSyntaxError):
        _ = operation_file.split("query A {")
