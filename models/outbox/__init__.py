"""The outbox: mails as rows, queued in the transaction of an operation and delivered by a worker."""
