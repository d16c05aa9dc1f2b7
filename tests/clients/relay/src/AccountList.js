import { graphql } from "relay-runtime";

export const list = graphql`
  fragment AccountList_viewer on Viewer
  @argumentDefinitions(count: { type: "Int", defaultValue: 1 }, cursor: { type: "String" })
  @refetchable(queryName: "AccountListPaginationQuery") {
    accounts(first: $count, after: $cursor, orderBy: NAME) @connection(key: "AccountList_accounts") {
      totalCount
      edges {
        node {
          id
          ...AccountRow_account
        }
      }
    }
  }
`;

export const app = graphql`
  query AccountListQuery {
    viewer {
      user {
        name
      }
      ...AccountList_viewer
    }
  }
`;
