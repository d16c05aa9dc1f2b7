"""The outbox: mails as rows, written in the transaction of the operation that has something to tell."""
