"""Scheduled jobs: their list, reminders and retention."""
