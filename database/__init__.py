"""The SQL layer: connections, transactions, locks of migrations, paged lists. It knows no table of ours."""
