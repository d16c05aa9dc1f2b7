"""The root type of mutations: each with its operation, its input and its rule."""

import resolvers.access_request
import resolvers.account
import resolvers.client
import resolvers.consultant
import resolvers.engagement
import resolvers.grant
import resolvers.invitation
import resolvers.ownership
import resolvers.personal_data
import resolvers.second_factor
import resolvers.session
import resolvers.subscription
from auth.rules import AUTHENTICATED, PUBLIC, SELF
from resolvers import rights
from schema import (
    access_request,
    account,
    account_closing,
    client,
    consultant,
    email_change,
    engagement,
    grant,
    invitation,
    ownership,
    passkey,
    personal_data,
    second_factor,
    session,
    subscription,
)
from schema.declare import graph_type, mutation


@graph_type(None, rights.of_viewer, description="The root type of mutations. Each mutation is one transaction.")
class Mutation(email_change.EmailChangeMutations, passkey.PasskeyMutations):
    """The root type of mutations."""

    # Registration and sign-in
    register: session.RegisterPayload | None = mutation(
        resolvers.session.register,
        session.RegisterInput,
        rule=PUBLIC,
        description="Create a login with one account, and mail the activation link. The response for a taken address "
        "is the same.",
    )
    activate: session.ActivatePayload | None = mutation(
        resolvers.session.activate,
        session.ActivateInput,
        rule=PUBLIC,
        description="Activate a login by its mailed link, and sign in.",
    )
    resend_activation: session.ResendActivationPayload | None = mutation(
        resolvers.session.resend_activation,
        session.ResendActivationInput,
        rule=PUBLIC,
        description="Mail the activation link again. The response for an unknown address is the same.",
    )
    sign_in: session.SignInPayload | None = mutation(
        resolvers.session.sign_in, session.SignInInput, rule=PUBLIC, description="Start a session."
    )
    sign_out: session.SignOutPayload | None = mutation(
        resolvers.session.sign_out, rule=SELF, description="End the session of the request."
    )
    reauthenticate: session.ReauthenticatePayload | None = mutation(
        resolvers.session.reauthenticate,
        session.ReauthenticateInput,
        rule=SELF,
        description="Prove again, in the session of the request, that it is the user: by a one-time code or a "
        "passkey if they have one, else by the password. The proof counts for ten minutes.",
    )
    request_password_reset: session.RequestPasswordResetPayload | None = mutation(
        resolvers.session.request_password_reset,
        session.RequestPasswordResetInput,
        rule=PUBLIC,
        description="Mail a link for a new password. The response for an unknown address is the same.",
    )
    reset_password: session.ResetPasswordPayload | None = mutation(
        resolvers.session.reset_password,
        session.ResetPasswordInput,
        rule=PUBLIC,
        description="Set a new password by the mailed link. All other sessions of the user end.",
    )
    change_password: session.ChangePasswordPayload | None = mutation(
        resolvers.session.change_password,
        session.ChangePasswordInput,
        rule=SELF,
        description="Set a new password. All other sessions of the viewer end.",
    )
    update_profile: session.UpdateProfilePayload | None = mutation(
        resolvers.session.update_profile,
        session.UpdateProfileInput,
        rule=SELF,
        description="Change the viewer's name or language.",
    )
    revoke_session: session.RevokeSessionPayload | None = mutation(
        resolvers.session.revoke_session,
        session.RevokeSessionInput,
        rule=SELF,
        description="End one of the viewer's sessions.",
    )
    revoke_other_sessions: session.RevokeOtherSessionsPayload | None = mutation(
        resolvers.session.revoke_other_sessions,
        rule=SELF,
        description="End all of the viewer's sessions but that of the request.",
    )

    # Second factor
    enroll_second_factor: second_factor.EnrollSecondFactorPayload | None = mutation(
        resolvers.second_factor.enroll_second_factor,
        second_factor.EnrollSecondFactorInput,
        rule=SELF,
        description="Create a secret for an authenticator app. It is not active until it is confirmed by a code of "
        "the app.",
    )
    confirm_second_factor: second_factor.ConfirmSecondFactorPayload | None = mutation(
        resolvers.second_factor.confirm_second_factor,
        second_factor.ConfirmSecondFactorInput,
        rule=SELF,
        description="Activate the second factor. All other sessions of the viewer end.",
    )
    disable_second_factor: second_factor.DisableSecondFactorPayload | None = mutation(
        resolvers.second_factor.disable_second_factor,
        second_factor.DisableSecondFactorInput,
        rule=SELF,
        description="Remove the authenticator app. Without a passkey, the password alone is then enough to sign in.",
    )
    regenerate_recovery_codes: second_factor.RegenerateRecoveryCodesPayload | None = mutation(
        resolvers.second_factor.regenerate_recovery_codes,
        second_factor.RegenerateRecoveryCodesInput,
        rule=SELF,
        description="Create new recovery codes. The former ones no longer work.",
    )

    # Personal data
    export_my_data: personal_data.ExportMyDataPayload | None = mutation(
        resolvers.personal_data.export_my_data,
        personal_data.ExportMyDataInput,
        rule=SELF,
        description="Return all personal data of the viewer.",
    )
    erase_me: personal_data.EraseMePayload | None = mutation(
        resolvers.personal_data.erase_me,
        personal_data.EraseMeInput,
        rule=SELF,
        description="Erase the viewer's login and personal data, permanently. Accounts that no other user has access "
        "to are closed. Refused while the viewer owns an account that others use.",
    )

    # Accounts
    create_account: account.CreateAccountPayload | None = mutation(
        resolvers.account.create_account,
        account.CreateAccountInput,
        rule=AUTHENTICATED,
        description="Create one more account of the viewer, with a subscription of its own.",
    )
    create_client_account: client.CreateClientAccountPayload | None = mutation(
        resolvers.client.create_client_account,
        client.CreateClientAccountInput,
        description="Create an account for a client of the bureau. The viewer can work in it at once. The owner takes "
        "it over by a mailed link. The response is the same whether or not the address has a login.",
    )
    resend_client_activation: client.ResendClientActivationPayload | None = mutation(
        resolvers.client.resend_client_activation,
        client.ResendClientActivationInput,
        description="Mail the client a new link. The former link no longer works.",
    )
    correct_client_owner: client.CorrectClientOwnerPayload | None = mutation(
        resolvers.client.correct_client_owner,
        client.CorrectClientOwnerInput,
        description="Correct the address of a client who has not taken the account over. The new address gets a link. "
        "The former link no longer works.",
    )
    withdraw_client_account: client.WithdrawClientAccountPayload | None = mutation(
        resolvers.client.withdraw_client_account,
        client.WithdrawClientAccountInput,
        description="Close an account that the client has not taken over. Its link no longer works, and its registered "
        "numbers are free. Days that are left after the trial go to the bureau. The account cannot be opened again.",
    )
    update_account: account.UpdateAccountPayload | None = mutation(
        resolvers.account.update_account,
        account.UpdateAccountInput,
        description="Change an account's name or organization number.",
    )
    change_account_kind: account.ChangeAccountKindPayload | None = mutation(
        resolvers.account.change_account_kind,
        account.ChangeAccountKindInput,
        description="Make an account a bureau, or a bureau without clients a business again. Its users, days, seats, "
        "and its engagements as a client stay.",
    )
    update_account_settings: account.UpdateAccountSettingsPayload | None = mutation(
        resolvers.account.update_account_settings,
        account.UpdateAccountSettingsInput,
        description="Change an account's settings, restrictions and locks.",
    )
    close_account: account_closing.CloseAccountPayload | None = mutation(
        resolvers.account.close_account,
        account_closing.CloseAccountInput,
        description="Close an account in 30 days. It is read-only at once: reading, exporting, leaving and taking "
        "access go on. At closesAt access, engagements and invitations end, numbers are free, and days are lost.",
    )
    reopen_account: account_closing.ReopenAccountPayload | None = mutation(
        resolvers.account.reopen_account,
        account_closing.ReopenAccountInput,
        description="Undo the closing of an account before its closesAt. Everything is as before.",
    )
    switch_account: session.SwitchAccountPayload | None = mutation(
        resolvers.session.switch_account,
        session.SwitchAccountInput,
        rule=AUTHENTICATED,
        description="Make another account the current account of the session.",
    )
    transfer_ownership: ownership.TransferOwnershipPayload | None = mutation(
        resolvers.ownership.transfer_ownership,
        ownership.TransferOwnershipInput,
        description="Offer the ownership of an account to one of its users, for seven days. Needs the password of the "
        "owner.",
    )
    withdraw_ownership: ownership.WithdrawOwnershipPayload | None = mutation(
        resolvers.ownership.withdraw_ownership,
        ownership.WithdrawOwnershipInput,
        description="Withdraw the offer of an account.",
    )
    accept_ownership: ownership.AcceptOwnershipPayload | None = mutation(
        resolvers.ownership.accept_ownership,
        ownership.AcceptOwnershipInput,
        rule=SELF,
        description="Become the owner of an account that is offered to the viewer. The former owner becomes an "
        "administrator.",
    )
    decline_ownership: ownership.DeclineOwnershipPayload | None = mutation(
        resolvers.ownership.decline_ownership,
        ownership.DeclineOwnershipInput,
        rule=SELF,
        description="Decline an account that is offered to the viewer.",
    )

    # Invitations
    invite_user: invitation.InviteUserPayload | None = mutation(
        resolvers.invitation.invite_user,
        invitation.InviteUserInput,
        description="Invite an e-mail address to a role in an account, and mail the link.",
    )
    update_invitation: invitation.UpdateInvitationPayload | None = mutation(
        resolvers.invitation.update_invitation,
        invitation.UpdateInvitationInput,
        description="Change what a pending or expired invitation offers.",
    )
    resend_invitation: invitation.ResendInvitationPayload | None = mutation(
        resolvers.invitation.resend_invitation,
        invitation.ResendInvitationInput,
        description="Mail a new link, valid for seven days. The former link no longer works.",
    )
    revoke_invitation: invitation.RevokeInvitationPayload | None = mutation(
        resolvers.invitation.revoke_invitation,
        invitation.RevokeInvitationInput,
        description="Revoke an invitation. Its link no longer works.",
    )
    accept_invitation: invitation.AcceptInvitationPayload | None = mutation(
        resolvers.invitation.accept_invitation,
        invitation.AcceptInvitationInput,
        rule=PUBLIC,
        description="Accept an invitation, as the signed-in user or with a new login for the invited address.",
    )
    decline_invitation: invitation.DeclineInvitationPayload | None = mutation(
        resolvers.invitation.decline_invitation,
        invitation.DeclineInvitationInput,
        rule=PUBLIC,
        description="Decline an invitation. With the token no login is needed.",
    )

    # Grants
    update_grant: grant.UpdateGrantPayload | None = mutation(
        resolvers.grant.update_grant,
        grant.UpdateGrantInput,
        description="Change a grant's role, permissions or end.",
    )
    revoke_grant: grant.RevokeGrantPayload | None = mutation(
        resolvers.grant.revoke_grant,
        grant.RevokeGrantInput,
        description="Revoke a grant. It gives no access from the next request on.",
    )
    restore_grant: grant.RestoreGrantPayload | None = mutation(
        resolvers.grant.restore_grant,
        grant.RestoreGrantInput,
        description="Restore a revoked or expired grant, with its former role and permissions.",
    )
    resign_grant: grant.ResignGrantPayload | None = mutation(
        resolvers.grant.resign_grant,
        grant.ResignGrantInput,
        rule=SELF,
        description="Give up one of the viewer's grants, permanently.",
    )

    # Bureaus and their clients
    engage_bureau: engagement.EngageBureauPayload | None = mutation(
        resolvers.engagement.engage_bureau,
        engagement.EngageBureauInput,
        description="Request an engagement: ask a bureau to work for the viewer's account, or offer a bureau's work "
        "to a client.",
    )
    accept_engagement: engagement.AcceptEngagementPayload | None = mutation(
        resolvers.engagement.accept_engagement,
        engagement.AcceptEngagementInput,
        description="Accept an engagement. The bureau can then work for the client. Only the side that did not "
        "request it can.",
    )
    update_engagement: engagement.UpdateEngagementPayload | None = mutation(
        resolvers.engagement.update_engagement,
        engagement.UpdateEngagementInput,
        description="Change what every consultant of the bureau may do at the client. Only the client can. Grants that "
        "got their permissions from here, or wait for some, change at once. A grant whose permissions a user of the "
        "client changed by `updateGrant` stays as it is.",
    )
    withdraw_engagement_request: engagement.WithdrawEngagementRequestPayload | None = mutation(
        resolvers.engagement.withdraw_engagement_request,
        engagement.WithdrawEngagementRequestInput,
        description="Withdraw a request for an engagement that the other side has not answered.",
    )
    decline_engagement: engagement.DeclineEngagementPayload | None = mutation(
        resolvers.engagement.decline_engagement,
        engagement.DeclineEngagementInput,
        description="Decline an engagement. Only the side that did not request it can.",
    )
    end_engagement: engagement.EndEngagementPayload | None = mutation(
        resolvers.engagement.end_engagement,
        engagement.EndEngagementInput,
        description="End an engagement. Either side can. The grants of the bureau's consultants end at once.",
    )

    assign_consultant: consultant.AssignConsultantPayload | None = mutation(
        resolvers.consultant.assign_consultant,
        consultant.AssignConsultantInput,
        description="Assign a consultant to clients. The grant is active if the viewer may give the permissions at the "
        "client, or the client gives some to every consultant of the bureau. Otherwise it waits for a user of the "
        "client. Assigning again completes a grant that waits. Send the same input with the same `idempotencyKey` "
        "again until no client remains.",
    )
    unassign_consultant: consultant.UnassignConsultantPayload | None = mutation(
        resolvers.consultant.unassign_consultant,
        consultant.UnassignConsultantInput,
        description="Unassign a consultant from clients. The consultant's grants end at once. Send the same input with "
        "the same `idempotencyKey` again until no client remains.",
    )
    replace_consultant: consultant.ReplaceConsultantPayload | None = mutation(
        resolvers.consultant.replace_consultant,
        consultant.ReplaceConsultantInput,
        description="Move all clients of one consultant to another. The former consultant may have left the bureau. "
        "Permissions move where the viewer may give them, or as far as the client gives them to every consultant. "
        "Refused if there is no client to move. Send the same input with the same `idempotencyKey` again until no "
        "client remains.",
    )

    # Access requests
    request_access: access_request.RequestAccessPayload | None = mutation(
        resolvers.access_request.request_access,
        access_request.RequestAccessInput,
        rule=AUTHENTICATED,
        description="Request a role in an account, by one of its numbers. The response is the same whether or not the "
        "account exists.",
    )
    approve_access_request: access_request.ApproveAccessRequestPayload | None = mutation(
        resolvers.access_request.approve_access_request,
        access_request.ApproveAccessRequestInput,
        description="Grant the requested role, or less.",
    )
    decline_access_request: access_request.DeclineAccessRequestPayload | None = mutation(
        resolvers.access_request.decline_access_request,
        access_request.DeclineAccessRequestInput,
        description="Decline a request. The requester is notified by mail.",
    )
    withdraw_access_request: access_request.WithdrawAccessRequestPayload | None = mutation(
        resolvers.access_request.withdraw_access_request,
        access_request.WithdrawAccessRequestInput,
        rule=SELF,
        description="Withdraw one of the viewer's requests.",
    )

    # Subscription
    extend_subscription: subscription.ExtendSubscriptionPayload | None = mutation(
        resolvers.subscription.extend_subscription,
        subscription.ExtendSubscriptionInput,
        description="Move 10 to 365 days from the payer's subscription to the account's. The caller needs the "
        "permission in the payer, and an active grant on the account.",
    )
    redeem_voucher: subscription.RedeemVoucherPayload | None = mutation(
        resolvers.subscription.redeem_voucher,
        subscription.RedeemVoucherInput,
        description="Add a voucher's days to the account's subscription, also after its end.",
    )
