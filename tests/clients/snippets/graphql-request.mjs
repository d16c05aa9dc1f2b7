import { GraphQLClient } from "graphql-request";

export function connect(url, token) {
  return new GraphQLClient(url, {
    headers: { Authorization: `Bearer ${token}` },
    errorPolicy: "all", // a refused field is null, and the rest of the answer stands
  });
}
