"""Products: values, bounds, and the purchase price, which no path tells without PURCHASE_PRICES_READ."""

from typing import Any

import pytest

from tests.api import Api, Person, codes, count_rows

FIELDS = "product { id name unit currency price vatRate isArchived }"
WITHOUT_PURCHASE_PRICES = ["PRODUCTS_READ", "PRODUCTS_WRITE"]


async def create(api: Api, by: Person, **arguments: object) -> dict[str, Any]:
    values = {"accountId": by.account_id, "name": "Paper", "price": "9.9", "vatRate": "25.0", **arguments}
    return await api.do("createProduct", values, FIELDS, by=by)


async def product_id(api: Api, by: Person, **arguments: object) -> str:
    payload = await create(api, by, **arguments)
    assert codes(payload) == []
    return str(payload["product"]["id"])


async def test_product_has_the_currency_of_its_account_and_amounts_as_texts(api: Api) -> None:
    anna = await api.person("anna@example.com")

    product = (await create(api, anna, unit="kg"))["product"]

    assert product.pop("id").startswith("p")
    assert product == {
        "name": "Paper", "unit": "kg", "currency": "EUR", "price": "9.90", "vatRate": "25", "isArchived": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("price", "1" + "0" * 30, "OUT_OF_RANGE"),
        ("price", "-1", "OUT_OF_RANGE"),
        ("price", "0.0000001", "INVALID"),
        ("purchasePrice", "1" + "0" * 12, "OUT_OF_RANGE"),
        ("vatRate", "100.01", "OUT_OF_RANGE"),
        ("vatRate", "8.125", "INVALID"),
        ("unit", "x" * 21, "TOO_LONG"),
        ("name", "", "REQUIRED"),
    ],
)
async def test_bad_input_is_refused_with_its_field_and_writes_nothing(
    api: Api, field: str, text: str, code: str
) -> None:
    anna = await api.person("anna@example.com")
    product = await product_id(api, anna)
    before = await count_rows()

    creation = await create(api, anna, **{field: text})
    change = await api.do("updateProduct", {"productId": product, field: text}, by=anna)

    assert codes(creation) == codes(change) == [(code, [field])]
    assert await count_rows() == before


@pytest.mark.parametrize("currency", ["DEM", ""])
async def test_unknown_currency_is_refused(api: Api, currency: str) -> None:
    anna = await api.person("anna@example.com")

    assert codes(await create(api, anna, currency=currency)) == [("INVALID", ["currency"])]


@pytest.mark.parametrize("number", ["1e3", "NaN", "Infinity", "", " 1", "1,5", "0x1", "1_000", "٣", "1."])
async def test_text_that_is_no_decimal_is_a_mistake_of_the_client(api: Api, number: str) -> None:
    anna = await api.person("anna@example.com")
    document = "mutation ($input: CreateProductInput!) { createProduct(input: $input) { errors { code } } }"
    values = {"accountId": anna.account_id, "name": "Paper", "price": number, "vatRate": "25"}

    answer = await api.ask(document, {"input": values}, by=anna)
    number_answer = await api.ask(document, {"input": values | {"price": 9.9}}, by=anna)

    assert answer.codes == number_answer.codes == ["BAD_USER_INPUT"]


# ---- The purchase price ----------------------------------------------------------------------

LIST = """query ($id: ID!, $filter: ProductFilter, $order: ProductOrder) { account(id: $id) {
    products(first: 10, filter: $filter, orderBy: $order) {
        totalCount nodes { name purchasePrice } edges { cursor } pageInfo { endCursor } } } }"""


async def account_with_prices(api: Api) -> tuple[Person, Person, str]:
    """An owner with three products, a guest without PURCHASE_PRICES_READ, and the id of the cheapest product."""
    anna = await api.person("anna@example.com")
    cheap = await product_id(api, anna, name="Cheap", purchasePrice="1")
    _ = await product_id(api, anna, name="Dear", purchasePrice="7.25")
    _ = await product_id(api, anna, name="Unknown")
    guest, _ = await api.guest(anna, "ola@example.com", "SIMPLE_USER", permissions=WITHOUT_PURCHASE_PRICES)
    return anna, guest, cheap


async def test_orders_and_filters_by_purchase_price_work_with_the_permission(api: Api) -> None:
    anna, _, _ = await account_with_prices(api)

    by_price = await api.ask(LIST, {"id": anna.account_id, "order": "PURCHASE_PRICE"}, by=anna)
    by_minimum = await api.ask(LIST, {"id": anna.account_id, "filter": {"minPurchasePrice": "1.01"}}, by=anna)

    assert [node["name"] for node in by_price.data["account"]["products"]["nodes"]] == ["Unknown", "Cheap", "Dear"]
    assert by_minimum.data["account"]["products"]["nodes"] == [{"name": "Dear", "purchasePrice": "7.25"}]


@pytest.mark.parametrize("arguments", [{"order": "PURCHASE_PRICE"}, {"filter": {"minPurchasePrice": "1.01"}}])
async def test_orders_and_filters_by_purchase_price_are_refused_without_it(
    api: Api, arguments: dict[str, object]
) -> None:
    _, guest, _ = await account_with_prices(api)

    answer = await api.ask(LIST, {"id": guest.account_id, **arguments}, by=guest)

    assert answer.partial == {"account": {"products": None}}
    assert [(error["extensions"]["code"], error["extensions"]["permission"]) for error in answer.errors] == [
        ("FORBIDDEN", "PURCHASE_PRICES_READ")
    ]


async def test_list_over_several_accounts_is_refused_only_where_the_permission_is_missing(api: Api) -> None:
    _, guest, _ = await account_with_prices(api)
    payload = await api.do("createAccount", {"name": "Mine"}, "account { id }", by=guest)
    _ = await product_id(api, Person(guest.email, guest.token, guest.user_id, payload["account"]["id"]), name="Mine")
    query = "{ accounts { nodes { id products(orderBy: PURCHASE_PRICE) { nodes { name } } } } }"

    answer = await api.ask(query, by=guest)

    by_account = {node["id"]: node["products"] for node in answer.partial["accounts"]["nodes"]}
    assert by_account == {guest.account_id: None, payload["account"]["id"]: {"nodes": [{"name": "Mine"}]}}
    assert answer.codes == ["FORBIDDEN"]


async def test_field_is_null_and_cursors_do_not_contain_the_price(api: Api) -> None:
    _, guest, _ = await account_with_prices(api)

    answer = await api.ask(LIST, {"id": guest.account_id, "order": "PRICE"}, by=guest)

    nodes = answer.partial["account"]["products"]["nodes"]
    assert [node["purchasePrice"] for node in nodes] == [None] * 3
    assert answer.codes == ["FORBIDDEN"] * 3


@pytest.mark.parametrize(
    "arguments", [{"purchasePrice": "1.00"}, {"purchasePrice": "2"}, {"removePurchasePrice": True}]
)
async def test_change_of_the_purchase_price_needs_the_permission_even_to_the_same_price(
    api: Api, arguments: dict[str, object]
) -> None:
    _, guest, cheap = await account_with_prices(api)
    document = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { errors { code } } }"

    answer = await api.ask(document, {"input": {"productId": cheap, **arguments}}, by=guest)
    other_change = await api.do("updateProduct", {"productId": cheap, "price": "2"}, by=guest)

    assert answer.codes == ["FORBIDDEN"]
    assert codes(other_change) == []


async def test_events_show_the_purchase_price_with_the_permission_alone(api: Api) -> None:
    anna, _, cheap = await account_with_prices(api)
    _ = await api.do("updateProduct", {"productId": cheap, "purchasePrice": "1.5", "price": "3"}, by=anna)
    permissions = ["EVENTS_READ", "PRODUCTS_READ"]
    reader, _ = await api.guest(anna, "reader@example.com", "CONSULTANT", permissions=permissions)
    query = """query ($id: ID!) { account(id: $id) { events(first: 1, filter: { type: "account:product:update" }) {
        nodes { before after } } } }"""

    ((full,), (part,)) = [
        (await api.ask(query, {"id": anna.account_id}, by=person)).data["account"]["events"]["nodes"]
        for person in (anna, reader)
    ]

    assert (full["before"]["purchase_price"], full["after"]["purchase_price"]) == ("1.00", "1.50")
    assert "purchase_price" not in {*part["before"], *part["after"]}
    assert part["after"]["price"] == "3.00"
