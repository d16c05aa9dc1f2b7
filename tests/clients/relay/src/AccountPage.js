import { graphql } from "relay-runtime";

export const page = graphql`
  query AccountPageQuery($id: ID!) {
    node(id: $id) {
      ... on Account {
        name
        settings {
          invoicePrefix
          ...AccountPage_settings
        }
        grants(first: 10) @connection(key: "AccountPage_grants") {
          edges {
            node {
              user {
                name
              }
              role
            }
          }
        }
      }
    }
  }
`;

export const settings = graphql`
  fragment AccountPage_settings on AccountSettings {
    defaultCurrency
  }
`;

export const update = graphql`
  mutation AccountPageUpdateMutation($input: UpdateAccountSettingsInput!) {
    updateAccountSettings(input: $input) {
      account {
        id
        settings {
          invoicePrefix
        }
      }
      errors {
        code
        field
        message
      }
    }
  }
`;

export const events = graphql`
  subscription AccountPageEventsSubscription($accountId: ID!) {
    accountEvents(accountId: $accountId) {
      id
      type
      actor {
        name
      }
    }
  }
`;
