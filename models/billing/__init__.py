"""Subscription days: the ledger, transfers and vouchers."""
