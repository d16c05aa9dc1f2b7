import { GraphQLClient } from "graphql-request";

export function connect(url, token) {
  return new GraphQLClient(url, {
    headers: { Authorization: `Bearer ${token}` },
    errorPolicy: "all", // A field with an error is null. All other data stays.
  });
}
