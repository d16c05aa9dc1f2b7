"""Ways to share an account: invitations, access requests, transfer of ownership, switching, view-as."""
