// Passkeys in the browser: creates them, and proves with them who the user is. The graph gives and takes texts in JSON.

import { mutate } from "./query.js";
import { translate } from "./texts.js";

/** True if this browser knows passkeys. */
export const hasPasskeys = () => typeof PublicKeyCredential === "function" && Boolean(navigator.credentials);

/** Bytes from base64url, as WebAuthn writes them in JSON. @param {string} text */
export function decodeBase64Url(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

/** Bytes as base64url, without padding. @param {ArrayBuffer} buffer */
export function encodeBase64Url(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte));
  return btoa(characters.join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Create a passkey, and store it under a name. Returns the payload of the mutation. @param {string} name @returns {Promise<any>} */
export function addPasskey(name) {
  return exchange("BeginPasskeyRegistration", createCredential, (credential) => mutate("AddPasskey", { credential, name }));
}

/** Sign in with a passkey. The browser lets the user choose one. Returns the payload of the mutation. @returns {Promise<any>} */
export function signInWithPasskey() {
  return exchange("BeginPasskeySignIn", getCredential, (credential) => mutate("SignInWithPasskey", { credential }));
}

/** Prove in the session that it is the user. Returns the payload of the mutation. @returns {Promise<any>} */
export function reauthenticateWithPasskey() {
  return exchange("BeginPasskeyReauthentication", getCredential, (passkey) => mutate("Reauthenticate", { passkey }));
}

/**
 * Get options from the graph, ask the browser for a credential, and send it. Returns the last payload, or the first with errors.
 * @param {string} beginning @param {(options: any) => Promise<Credential | null>} run @param {(credential: string) => Promise<any>} send
 */
async function exchange(beginning, run, send) {
  const payload = await mutate(beginning);
  if (payload.errors.length) return payload;
  const credential = await ask(run, payload.options);
  return typeof credential === "string" ? send(credential) : credential;
}

const createCredential = (/** @type {any} */ options) => navigator.credentials.create({ publicKey: readCreationOptions(options) });
const getCredential = (/** @type {any} */ options) => navigator.credentials.get({ publicKey: readRequestOptions(options) });

/** The credential as a text, or a payload that says why there is none. @param {(options: any) => Promise<Credential | null>} run @param {string} options */
async function ask(run, options) {
  try {
    return JSON.stringify(writeCredential(await run(JSON.parse(options))));
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    return { errors: [{ code: "PASSKEY", message: explainFailure(error.name), field: null }] };
  }
}

/** @param {string} name */
function explainFailure(name) {
  switch (name) {
    case "InvalidStateError":
      return translate("This device has a passkey of your login already.");
    case "SecurityError":
      return translate("Passkeys do not work at this address of the site.");
    case "NotSupportedError":
      return translate("This device cannot keep such a passkey.");
    default:
      return translate("No passkey was used. Try again.");
  }
}

const readDescriptors = (/** @type {any[]} */ list = []) => list.map((descriptor) => ({ ...descriptor, id: decodeBase64Url(descriptor.id) }));

function readCreationOptions(options) {
  const user = { ...options.user, id: decodeBase64Url(options.user.id) };
  return { ...options, user, challenge: decodeBase64Url(options.challenge), excludeCredentials: readDescriptors(options.excludeCredentials) };
}

function readRequestOptions(options) {
  return { ...options, challenge: decodeBase64Url(options.challenge), allowCredentials: readDescriptors(options.allowCredentials) };
}

/** A credential as WebAuthn writes it in JSON. @param {any} credential */
function writeCredential({ id, rawId, type, authenticatorAttachment, response }) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const parts = names.filter((name) => response[name]).map((name) => [name, encodeBase64Url(response[name])]);
  const transports = response.getTransports ? { transports: response.getTransports() } : {};
  return { id, rawId: encodeBase64Url(rawId), type, authenticatorAttachment, response: { ...Object.fromEntries(parts), ...transports }, clientExtensionResults: {} };
}
