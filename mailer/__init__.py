"""Sending of the messages in the outbox: rendering, composing, SMTP, the worker, and the development mailbox.

Only the composition root imports this package. Operations queue a row (`models/outbox/message.py`) and
never wait for a mail server.
"""
