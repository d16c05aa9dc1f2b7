"""The SQL layer: database connections, transactions, migrations and connection queries.

It knows no table of the product.
"""
