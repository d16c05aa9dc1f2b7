"""Where changing starts: every operation, its input, its rule."""

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
from auth.rules import ANYONE, ONESELF, SIGNED_IN
from resolvers import rights
from schema import access_request as a
from schema import change as c
from schema import client as b
from schema import consultant as k
from schema import engagement as e
from schema import ownership as o
from schema import personal_data as p
from schema import second_factor as f
from schema import session as s
from schema.declare import graph_type, mutation


@graph_type(None, rights.of_viewer, description="Changing. Each mutation is one transaction.")
class Mutation:
    """Every operation."""

    # Signing up and in
    register: s.RegisterPayload | None = mutation(
        resolvers.session.register,
        s.RegisterInput,
        rule=ANYONE,
        description="Create a login with one account, and mail the activation link. A taken address answers alike.",
    )
    activate: s.ActivatePayload | None = mutation(
        resolvers.session.activate, s.ActivateInput, rule=ANYONE, description="Follow the activation link; signs in."
    )
    resend_activation: s.ResendActivationPayload | None = mutation(
        resolvers.session.resend_activation,
        s.ResendActivationInput,
        rule=ANYONE,
        description="Mail the activation link again. Unknown addresses answer alike.",
    )
    sign_in: s.SignInPayload | None = mutation(
        resolvers.session.sign_in, s.SignInInput, rule=ANYONE, description="Start a session."
    )
    sign_out: s.SignOutPayload | None = mutation(
        resolvers.session.sign_out, rule=ONESELF, description="End the session that asks."
    )
    request_password_reset: s.RequestPasswordResetPayload | None = mutation(
        resolvers.session.request_password_reset,
        s.RequestPasswordResetInput,
        rule=ANYONE,
        description="Mail a link to choose a new password. Unknown addresses answer alike.",
    )
    reset_password: s.ResetPasswordPayload | None = mutation(
        resolvers.session.reset_password,
        s.ResetPasswordInput,
        rule=ANYONE,
        description="Choose a new password by the mailed link; ends all sessions.",
    )
    change_password: s.ChangePasswordPayload | None = mutation(
        resolvers.session.change_password,
        s.ChangePasswordInput,
        rule=ONESELF,
        description="Choose a new password; ends all other sessions.",
    )
    update_profile: s.UpdateProfilePayload | None = mutation(
        resolvers.session.update_profile,
        s.UpdateProfileInput,
        rule=ONESELF,
        description="Change one's own name or language.",
    )
    revoke_session: s.RevokeSessionPayload | None = mutation(
        resolvers.session.revoke_session,
        s.RevokeSessionInput,
        rule=ONESELF,
        description="End one of one's own sessions.",
    )
    revoke_other_sessions: s.RevokeOtherSessionsPayload | None = mutation(
        resolvers.session.revoke_other_sessions,
        rule=ONESELF,
        description="End all of one's sessions but the one that asks.",
    )

    # Second factor
    enroll_second_factor: f.EnrollSecondFactorPayload | None = mutation(
        resolvers.second_factor.enroll_second_factor,
        f.EnrollSecondFactorInput,
        rule=ONESELF,
        description="Get a secret for an authenticator app; it counts once a code of the app has confirmed it.",
    )
    confirm_second_factor: f.ConfirmSecondFactorPayload | None = mutation(
        resolvers.second_factor.confirm_second_factor,
        f.ConfirmSecondFactorInput,
        rule=ONESELF,
        description="Make the enrolled second factor active; ends all other sessions.",
    )
    disable_second_factor: f.DisableSecondFactorPayload | None = mutation(
        resolvers.second_factor.disable_second_factor,
        f.DisableSecondFactorInput,
        rule=ONESELF,
        description="Sign in with the password alone again.",
    )
    regenerate_recovery_codes: f.RegenerateRecoveryCodesPayload | None = mutation(
        resolvers.second_factor.regenerate_recovery_codes,
        f.RegenerateRecoveryCodesInput,
        rule=ONESELF,
        description="Get new recovery codes; the former ones die.",
    )

    # What is held about oneself
    export_my_data: p.ExportMyDataPayload | None = mutation(
        resolvers.personal_data.export_my_data,
        p.ExportMyDataInput,
        rule=ONESELF,
        description="Give the viewer everything that is held about him.",
    )
    erase_me: p.EraseMePayload | None = mutation(
        resolvers.personal_data.erase_me,
        p.EraseMeInput,
        rule=ONESELF,
        description="Erase the viewer's login and all that names him, for good. Accounts that he alone uses are "
        "closed. Refused while he owns an account that others use.",
    )

    # Accounts
    create_account: c.CreateAccountPayload | None = mutation(
        resolvers.account.create_account,
        c.CreateAccountInput,
        rule=SIGNED_IN,
        description="Open one more account of one's own, with its own subscription.",
    )
    create_client_account: b.CreateClientAccountPayload | None = mutation(
        resolvers.client.create_client_account,
        b.CreateClientAccountInput,
        description="Open an account for a client of one's bureau, and work in it at once. It is the client's, who "
        "takes it over by the link that is mailed to him. Known and unknown addresses answer alike.",
    )
    resend_client_activation: b.ResendClientActivationPayload | None = mutation(
        resolvers.client.resend_client_activation,
        b.ResendClientActivationInput,
        description="Mail a client his link again; the old one dies.",
    )
    update_account: c.UpdateAccountPayload | None = mutation(
        resolvers.account.update_account,
        c.UpdateAccountInput,
        description="Change an account's name or numbers.",
    )
    update_account_settings: c.UpdateAccountSettingsPayload | None = mutation(
        resolvers.account.update_account_settings,
        c.UpdateAccountSettingsInput,
        description="Change an account's settings, restrictions and locks.",
    )
    switch_account: s.SwitchAccountPayload | None = mutation(
        resolvers.session.switch_account,
        s.SwitchAccountInput,
        rule=SIGNED_IN,
        description="Go on in another account, without signing in again.",
    )
    transfer_ownership: o.TransferOwnershipPayload | None = mutation(
        resolvers.ownership.transfer_ownership,
        o.TransferOwnershipInput,
        description="Offer an account to one of its members for seven days; the password again.",
    )
    withdraw_ownership: o.WithdrawOwnershipPayload | None = mutation(
        resolvers.ownership.withdraw_ownership,
        o.WithdrawOwnershipInput,
        description="Take the offer of an account back.",
    )
    accept_ownership: o.AcceptOwnershipPayload | None = mutation(
        resolvers.ownership.accept_ownership,
        o.AcceptOwnershipInput,
        rule=ONESELF,
        description="Become the owner of an account that is offered to the viewer; the former owner administers it.",
    )
    decline_ownership: o.DeclineOwnershipPayload | None = mutation(
        resolvers.ownership.decline_ownership,
        o.DeclineOwnershipInput,
        rule=ONESELF,
        description="Turn down an account that is offered to the viewer.",
    )

    # Invitations
    invite_user: c.InviteUserPayload | None = mutation(
        resolvers.invitation.invite_user,
        c.InviteUserInput,
        description="Mail somebody a link by which he can accept a role.",
    )
    update_invitation: c.UpdateInvitationPayload | None = mutation(
        resolvers.invitation.update_invitation,
        c.UpdateInvitationInput,
        description="Change what a pending invitation offers.",
    )
    resend_invitation: c.ResendInvitationPayload | None = mutation(
        resolvers.invitation.resend_invitation,
        c.ResendInvitationInput,
        description="Mail a new link with a new term; the old link dies.",
    )
    revoke_invitation: c.RevokeInvitationPayload | None = mutation(
        resolvers.invitation.revoke_invitation,
        c.RevokeInvitationInput,
        description="Take an invitation back; its link dies.",
    )
    accept_invitation: c.AcceptInvitationPayload | None = mutation(
        resolvers.invitation.accept_invitation,
        c.AcceptInvitationInput,
        rule=ANYONE,
        description="Accept with the login that is signed in, or create one for the invited address.",
    )
    decline_invitation: c.DeclineInvitationPayload | None = mutation(
        resolvers.invitation.decline_invitation,
        c.DeclineInvitationInput,
        rule=ANYONE,
        description="Turn an invitation down; the link is enough.",
    )

    # Grants
    update_grant: c.UpdateGrantPayload | None = mutation(
        resolvers.grant.update_grant,
        c.UpdateGrantInput,
        description="Change a role, its permissions or its end.",
    )
    revoke_grant: c.RevokeGrantPayload | None = mutation(
        resolvers.grant.revoke_grant,
        c.RevokeGrantInput,
        description="Take access back, from the very next request on.",
    )
    restore_grant: c.RestoreGrantPayload | None = mutation(
        resolvers.grant.restore_grant,
        c.RestoreGrantInput,
        description="Give revoked access again, with its former role and permissions.",
    )
    resign_grant: c.ResignGrantPayload | None = mutation(
        resolvers.grant.resign_grant,
        c.ResignGrantInput,
        rule=ONESELF,
        description="Give up one's own access, for good.",
    )

    # Bureaus and their clients
    engage_bureau: e.EngageBureauPayload | None = mutation(
        resolvers.engagement.engage_bureau,
        e.EngageBureauInput,
        description="Ask a bureau to work for one's own account, or a client to let one's own bureau work for it.",
    )
    accept_engagement: e.AcceptEngagementPayload | None = mutation(
        resolvers.engagement.accept_engagement,
        e.AcceptEngagementInput,
        description="Let the bureau begin; only the side that was asked can.",
    )
    decline_engagement: e.DeclineEngagementPayload | None = mutation(
        resolvers.engagement.decline_engagement,
        e.DeclineEngagementInput,
        description="Turn a bureau, or a client, down; only the side that was asked can.",
    )
    end_engagement: e.EndEngagementPayload | None = mutation(
        resolvers.engagement.end_engagement,
        e.EndEngagementInput,
        description="End an engagement; either side can. The access of the bureau's consultants ends at once.",
    )

    assign_consultant: k.AssignConsultantPayload | None = mutation(
        resolvers.consultant.assign_consultant,
        k.AssignConsultantInput,
        description="Let a consultant work for clients. Where the caller may not give the permissions himself, the "
        "grant waits for somebody at the client to give some.",
    )
    unassign_consultant: k.UnassignConsultantPayload | None = mutation(
        resolvers.consultant.unassign_consultant,
        k.UnassignConsultantInput,
        description="Take a consultant off clients, from the very next request on.",
    )
    replace_consultant: k.ReplaceConsultantPayload | None = mutation(
        resolvers.consultant.replace_consultant,
        k.ReplaceConsultantInput,
        description="Move all clients of one consultant to another, with the permissions that he had.",
    )

    # Access asked for
    request_access: a.RequestAccessPayload | None = mutation(
        resolvers.access_request.request_access,
        a.RequestAccessInput,
        rule=SIGNED_IN,
        description="Ask for a role in an account, by a number. The answer is the same whether or not it exists.",
    )
    approve_access_request: a.ApproveAccessRequestPayload | None = mutation(
        resolvers.access_request.approve_access_request,
        a.ApproveAccessRequestInput,
        description="Give what was asked for, or less.",
    )
    decline_access_request: a.DeclineAccessRequestPayload | None = mutation(
        resolvers.access_request.decline_access_request,
        a.DeclineAccessRequestInput,
        description="Turn a request down; the requester is told.",
    )
    withdraw_access_request: a.WithdrawAccessRequestPayload | None = mutation(
        resolvers.access_request.withdraw_access_request,
        a.WithdrawAccessRequestInput,
        rule=ONESELF,
        description="Take one's own request back.",
    )

    # Subscription
    extend_subscription: c.ExtendSubscriptionPayload | None = mutation(
        resolvers.subscription.extend_subscription,
        c.ExtendSubscriptionInput,
        description="Move 10 to 365 days from the payer's subscription to the account's. The caller "
        "needs the permission in the payer, and an active grant on the account.",
    )
    redeem_voucher: c.RedeemVoucherPayload | None = mutation(
        resolvers.subscription.redeem_voucher,
        c.RedeemVoucherInput,
        description="Add a voucher's days to the account's subscription; also when it is over. Case, blanks and "
        "dashes of the code do not count.",
    )
