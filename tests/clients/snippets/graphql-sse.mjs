import { createClient } from "graphql-sse";

export function connect(url, token) {
  return createClient({
    url,
    headers: { Authorization: `Bearer ${token}` },
    retryAttempts: Infinity,
  });
}
