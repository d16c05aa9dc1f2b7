"""Messages: the e-mails that were sent for an account."""

from datetime import datetime

import strawberry

import resolvers.message
from auth.policy import Permission
from models.outbox.message import MessageStatus
from resolvers import rights
from resolvers.message import RIGHTS_COLUMNS as MESSAGE_RIGHTS
from schema.connection import Node
from schema.declare import field, global_id, graph_enum, graph_type, needs

graph_enum(
    MessageStatus,
    "The status of a message.",
    {
        MessageStatus.QUEUED: "It waits to be sent, or to be sent again.",
        MessageStatus.SENT: "A mail server has taken it.",
        MessageStatus.FAILED: "Every attempt has failed. It is not sent any more.",
    },
)


@graph_type(
    needs(Permission.MESSAGES_READ),
    rights.of_messages,
    description="An e-mail that was sent for the account, without its text and its links. Names and addresses in it "
    "need the same permissions as elsewhere: without them the viewer reads … instead. A mail with a document exists "
    "only for viewers with DOCUMENTS_READ_ALL.",
)
class Message(Node):
    """A message."""

    id: strawberry.ID = global_id("Message")
    kind: str = field(description="The kind of message, for example invitation.")
    to: str = field(
        column=resolvers.message.receivers,
        columns=(*MESSAGE_RIGHTS, "to_address"),
        description="The e-mail address of the receiver. It is … if the viewer may not read it, usually for want of "
        "USERS_READ.",
    )
    subject: str = field(
        column=resolvers.message.subject,
        columns=(*MESSAGE_RIGHTS, "params"),
        description="The subject line, in the language of the viewer, with … for what the viewer may not read. The "
        "mail is in the language of the receiver.",
    )
    withheld: list[str] = field(
        column=resolvers.message.withheld,
        columns=MESSAGE_RIGHTS,
        description="The names of the fields that the viewer may not read in full at this moment: `to` and `subject`. "
        "Empty if nothing is cut.",
    )
    status: MessageStatus = field(description="The status of the message.")
    failure_reason: str | None = field(
        resolve=resolvers.message.failure_reason,
        columns=("failure",),
        description="Why the last attempt to send it failed, with the code of the mail server's reply, in the language "
        "of the viewer. Null: no attempt has failed, or it was sent since.",
    )
    attempts: int = field(description="The number of attempts to send it.")
    created_at: datetime = field(description="When it was queued.")
    sent_at: datetime | None = field(description="When a mail server took it. Null: not yet.")
