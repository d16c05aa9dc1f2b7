"""Bureaus and their clients: engagements, consultants and client accounts."""
