"""Sends what the outbox holds: render, compose, SMTP, the worker, and development's mailbox.

Only the composition root comes here. Operations queue a row (`models/outbox/message.py`) and never wait
for a mail server.
"""
