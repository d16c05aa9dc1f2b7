"""Each module has its test where its name says, or this list says which test has it instead."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    *("auth", "commands", "database", "executor", "i18n", "mailer", "models", "resolvers", "schema", "server"),
    "workspace",
)

TESTED_IN = {
    # Whole folders. Their modules are parts of one thing, which the named tests cover from outside.
    "executor/": "tests/executor/test_operations.py",  # a test file for each chapter of execution, not for each module
    "models/lists/": "tests/models/lists/test_lists.py",
    "resolvers/": "tests/schema/test_matrix.py",  # reads each field and runs each mutation, in each role
    "schema/": "tests/schema/test_matrix.py",
    "workspace/graph/": "tests/schema/test_matrix.py",
    # Single modules.
    "app.py": "tests/test_main_job.py",
    "auth/labels.py": "tests/mailer/test_languages.py",
    "auth/row_scope.py": "tests/workspace/test_document.py",
    "commands/database.py": "tests/test_cli.py",
    "commands/modules.py": "tests/examples/test_defects.py",
    "commands/runtime.py": "tests/test_cli.py",
    "commands/schema.py": "tests/schema/test_print.py",
    "database/cursor_values.py": "tests/resolvers/test_pages.py",
    "database/listing.py": "tests/resolvers/test_pages.py",
    "database/page_sql.py": "tests/resolvers/test_pages.py",
    "database/pool.py": "tests/server/test_database_outage.py",
    "demo.py": "tests/test_readme.py",
    "i18n/update.py": "tests/i18n/test_messages.py",
    "models/access/grant_operation.py": "tests/models/access/test_grant.py",
    "models/access/grant_rules.py": "tests/models/access/test_grant.py",
    "models/access/operation.py": "tests/schema/test_matrix.py",
    "models/access/scoped_operation.py": "tests/workspace/test_document.py",
    "models/access/one_time_code.py": "tests/models/people/test_second_factor.py",
    "models/access/grant_mail.py": "tests/models/outbox/test_event_mails.py",
    "models/accounts/opening_limit.py": "tests/models/accounts/test_limit_raise.py",
    "models/accounts/former_name.py": "tests/resolvers/test_event_readers.py",
    "models/accounts/settings.py": "tests/models/accounts/test_account.py",
    "models/base/caller.py": "tests/server/test_request.py",
    "models/base/deadline.py": "tests/models/bureaus/test_bulk.py",
    "models/bureaus/assignment.py": "tests/models/bureaus/test_consultant.py",
    "models/bureaus/engagement_mail.py": "tests/models/bureaus/test_engagement.py",
    "models/bureaus/engagement_event.py": "tests/models/bureaus/test_blind_request.py",
    "models/bureaus/engagement_update.py": "tests/models/bureaus/test_standing_permissions.py",
    "models/base/errors.py": "tests/server/test_errors.py",
    "models/base/limit_name.py": "tests/models/accounts/test_limit_raise.py",
    "models/base/locks.py": "tests/races/test_days.py",
    "models/audit/erasure_record.py": "tests/models/audit/test_tampering.py",
    "models/base/naming.py": "tests/models/privacy/test_redaction.py",
    "models/closing/closing_mail.py": "tests/models/closing/test_account_closing.py",
    "models/sharing/used_invitation.py": "tests/models/people/test_used_link.py",
    "models/privacy/coverage.py": "tests/examples/test_defects.py",
    "models/privacy/departure.py": "tests/models/privacy/test_erasure.py",
    "models/outbox/attachment.py": "tests/workspace/test_sending.py",
    "models/base/unset.py": "tests/models/accounts/test_account.py",
    "models/live/stream_state.py": "tests/models/live/test_hub.py",
    "models/people/passkey_challenge.py": "tests/models/people/test_passkey_assertion.py",
    "models/people/password_check.py": "tests/models/people/test_sign_in.py",
    "models/people/visibility.py": "tests/resolvers/test_isolation.py",
    "server/client_info.py": "tests/server/test_proxies.py",
    "server/dispatcher.py": "tests/server/test_graphiql.py",
    "server/document_validation.py": "tests/server/test_limits.py",
    "server/error_response.py": "tests/server/test_connection.py",
    "server/execution.py": "tests/executor/test_reference.py",
    "server/graph.py": "tests/server/test_request.py",
    "server/health.py": "tests/server/test_process.py",
    "server/hosts.py": "tests/server/test_connection.py",
    "server/lingering_close.py": "tests/server/test_connection.py",
    "server/request_guard.py": "tests/server/test_connection.py",
    "server/shutdown.py": "tests/server/test_process.py",
    "server/websocket.py": "tests/server/test_socket_limits.py",
    "server/workers.py": "tests/races/test_two_servers.py",
    "workspace/document_line.py": "tests/workspace/test_document.py",
    "workspace/export_list.py": "tests/models/lists/test_long_lists.py",
    "workspace/lists.py": "tests/models/lists/test_long_lists.py",
    "workspace/expense_list.py": "tests/models/lists/test_long_lists.py",
    "workspace/sample_texts.py": "tests/workspace/test_seed.py",
    "workspace/samples.py": "tests/workspace/test_seed.py",
    "workspace/seed_document.py": "tests/workspace/test_seed.py",
    "workspace/seed_run.py": "tests/workspace/test_seed.py",
    "workspace/scope.py": "tests/workspace/test_document.py",
    "workspace/payment.py": "tests/workspace/test_issuing.py",
    "workspace/delivery_list.py": "tests/models/lists/test_long_lists.py",
    "workspace/document_file.py": "tests/workspace/test_sending.py",
    "workspace/issued_document.py": "tests/workspace/test_pdf.py",
    "workspace/event_type.py": "tests/models/audit/test_event_type.py",
    "workspace/tables.py": "tests/models/test_tables.py",
}


def product_modules() -> list[str]:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("**/*.py"))]
    modules = [path for path in paths if path.stem != "__init__" and "migrations" not in path.parts]
    return [path.relative_to(ROOT).as_posix() for path in [*modules, *sorted(ROOT.glob("*.py"))]]


def own_test(module: str) -> str:
    path = Path(module)
    return f"tests/{(path.parent / f'test_{path.name}').as_posix()}"


def covering_test(module: str) -> str | None:
    """The test of a module that has none of its own name, by the list."""
    folders = (f"{parent.as_posix()}/" for parent in Path(module).parents)
    return next((TESTED_IN[key] for key in (module, *folders) if key in TESTED_IN), None)


def test_each_module_has_its_test_or_the_list_names_one() -> None:
    modules = product_modules()

    assert len(modules) > 150
    missing = [module for module in modules if not (ROOT / own_test(module)).exists()]
    assert [module for module in missing if covering_test(module) is None] == []


def test_list_names_tests_that_exist_for_modules_that_exist() -> None:
    assert [test for test in TESTED_IN.values() if not (ROOT / test).exists()] == []
    assert [module for module in TESTED_IN if not (ROOT / module).exists()] == []


def test_list_names_no_module_that_has_its_own_test() -> None:
    files = [key for key in TESTED_IN if not key.endswith("/")]

    assert [module for module in files if (ROOT / own_test(module)).exists()] == []


def test_each_test_of_a_folder_of_models_is_in_the_folder_of_its_module() -> None:
    modules = {path.stem: path.parent.name for path in (ROOT / "models").glob("*/*.py")}
    tests = (ROOT / "tests" / "models").glob("*/test_*.py")
    places = [(test, modules.get(test.stem.removeprefix("test_"))) for test in tests]

    wrong = [test.relative_to(ROOT).as_posix() for test, folder in places if folder not in {None, test.parent.name}]
    assert wrong == []
