import { graphql } from "relay-runtime";

export const row = graphql`
  fragment AccountRow_account on Account {
    id
    name
    number
    viewerGrant {
      role
      status
    }
    ...AccountDays_account
  }
`;

export const days = graphql`
  fragment AccountDays_account on Account @refetchable(queryName: "AccountDaysRefetchQuery") {
    id
    subscription {
      validUntil
      daysLeft
    }
  }
`;
